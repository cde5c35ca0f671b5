"""Mosaics as pictures inside the page."""

from __future__ import annotations

import base64
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

LARGEST = 480
"""A mosaic whose larger side is more px than this is shrunk."""

PNG_BYTES = 160_000
"""A PNG that would be larger becomes a JPEG, so that twelve of them stay below 4 MB."""

_ENLARGED = 450
"""Pictures are shown at twice their size, but never larger than this, in px."""


@dataclass(frozen=True)
class Picture:
    """A picture as it stands in the page.

    Attributes:
        uri: The picture itself as a ``data:`` address.
        width: Width to show it at, in CSS px.
        height: Height to show it at, in CSS px.
    """

    uri: str
    width: int
    height: int


def picture(mosaic: NDArray[np.uint8]) -> Picture:
    """A mosaic (H, W, 3) uint8 RGB as a picture, shown at twice its size where there is room."""
    pixels = _fit(mosaic)
    height, width = pixels.shape[:2]
    scale = min(2.0, _ENLARGED / max(height, width))
    kind, data = "png", _encode(".png", pixels, [cv2.IMWRITE_PNG_COMPRESSION, 9])
    if len(data) > PNG_BYTES:
        kind, data = "jpeg", _encode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 90])
    uri = f"data:image/{kind};base64,{base64.b64encode(data).decode('ascii')}"
    return Picture(uri, round(width * scale), round(height * scale))


def _fit(mosaic: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = mosaic.shape[:2]
    larger = max(height, width)
    if larger <= LARGEST:
        return mosaic
    size = (max(1, width * LARGEST // larger), max(1, height * LARGEST // larger))
    return np.asarray(cv2.resize(mosaic, size, interpolation=cv2.INTER_AREA), np.uint8)


def _encode(ending: str, mosaic: NDArray[np.uint8], options: list[int]) -> bytes:
    done, data = cv2.imencode(ending, np.ascontiguousarray(mosaic[..., ::-1]), options)
    if not done:
        raise ValueError(f"OpenCV cannot encode {mosaic.dtype} {mosaic.shape} as {ending}")
    return data.tobytes()
