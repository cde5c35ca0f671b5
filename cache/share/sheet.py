"""The contact sheet of a cache: a few of its mosaics in one picture, without a label."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from stroi.cache.mosaics import MosaicCache
from stroi.cache.pictures.codecs import encode_picture, opencv

SHOWN = 12
_ACROSS = 4
_SIDE = 225  # px, the longer side of a mosaic on the sheet
_GAP = 4
_QUALITY = 90


def contact_sheet(cache: MosaicCache, count: int = SHOWN) -> bytes:
    """A JPEG of at most `count` mosaics, evenly chosen by id, in the order of their ids.

    Args:
        cache: A cache with at least one sample.
        count: Most mosaics to show, from 1.

    Raises:
        StroiError: ``OPENCV_MISSING``.
    """
    cv2 = opencv()
    height, width, _ = cache.shape
    scale = min(1.0, _SIDE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    tiles = [
        np.asarray(cv2.resize(cache[sample_id], size, interpolation=cv2.INTER_AREA), np.uint8)
        for sample_id in evenly(cache.ids, count)
    ]
    return encode_picture(_grid(tiles), "jpeg", _QUALITY)


def evenly(ids: Sequence[str], count: int) -> list[str]:
    """At most `count` of the ids at even distances, from the first to the last if two or more."""
    if len(ids) <= count:
        return list(ids)
    return [ids[round(place * (len(ids) - 1) / max(1, count - 1))] for place in range(count)]


def _grid(tiles: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Tiles (h, w, 3) in rows of four on a white ground."""
    height, width, _ = tiles[0].shape
    across = min(_ACROSS, len(tiles))
    down = -(-len(tiles) // across)
    shape = (down * (height + _GAP) + _GAP, across * (width + _GAP) + _GAP, 3)
    sheet = np.full(shape, 255, np.uint8)
    for place, tile in enumerate(tiles):
        y = _GAP + place // across * (height + _GAP)
        x = _GAP + place % across * (width + _GAP)
        sheet[y : y + height, x : x + width] = tile
    return sheet
