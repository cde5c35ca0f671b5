"""Mosaics as pictures inside the page."""

from __future__ import annotations

import base64
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

BYTES = 2_000_000
"""All pictures of a page together take about as much, so that it stays below 4 MB."""

LARGEST = 480
"""Larger side of a picture, px; larger mosaics are shrunk."""

MANY = 12
"""With more pictures each is at most half as large."""

_DISPLAYED = 300
"""Larger side of a picture on the screen, px; smaller ones are shown at twice their size."""

_QUALITIES = (90, 75, 50)


@dataclass(frozen=True)
class Picture:
    """A picture, and its size on the page.

    Attributes:
        uri: The picture itself as a ``data:`` address.
        width: Displayed width, CSS px.
        height: Displayed height, CSS px.
    """

    uri: str
    width: int
    height: int


def picture(mosaic: NDArray[np.uint8], count: int = 1) -> Picture:
    """A mosaic (H, W, 3) uint8 RGB as a picture, one of `count` on the page.

    It is a PNG if that is small enough, else a JPEG.
    """
    pixels = _fit(mosaic, LARGEST if count <= MANY else LARGEST // 2)
    height, width = pixels.shape[:2]
    scale = min(2.0, _DISPLAYED / max(height, width))
    limit = BYTES // max(count, MANY)
    kind, data = "png", _encode(".png", pixels, [cv2.IMWRITE_PNG_COMPRESSION, 9])
    for quality in _QUALITIES:
        if len(data) <= limit:
            break
        kind, data = "jpeg", _encode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])
    uri = f"data:image/{kind};base64,{base64.b64encode(data).decode('ascii')}"
    return Picture(uri, round(width * scale), round(height * scale))


def _fit(mosaic: NDArray[np.uint8], largest: int) -> NDArray[np.uint8]:
    height, width = mosaic.shape[:2]
    larger = max(height, width)
    if larger <= largest:
        return mosaic
    size = (max(1, width * largest // larger), max(1, height * largest // larger))
    return np.asarray(cv2.resize(mosaic, size, interpolation=cv2.INTER_AREA), np.uint8)


def _encode(ending: str, mosaic: NDArray[np.uint8], options: list[int]) -> bytes:
    success, data = cv2.imencode(ending, np.ascontiguousarray(mosaic[..., ::-1]), options)
    if not success:
        raise ValueError(f"OpenCV cannot encode {mosaic.dtype} {mosaic.shape} as {ending}")
    return data.tobytes()
