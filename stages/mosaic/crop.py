"""Fixed-size crops around a joint: g of eq. 1."""

from __future__ import annotations

import math
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from stroi.cache.errors import ClipRejected, ParamsError

Border = Literal["black", "edge", "reflect"]
Box = tuple[int, int, int, int]


def crop(
    frame: NDArray[np.uint8],
    x: float,
    y: float,
    *,
    width: int,
    height: int,
    border: Border = "black",
) -> tuple[NDArray[np.uint8], Box]:
    """Cut a box of fixed size centred on a joint (eq. 1: R = g(f, o)).

    The left edge is x - width / 2 rounded to the nearest integer, ties to even, and the right
    edge stands `width` px further; likewise for y. For even sizes this is what rounding each
    edge by itself gives; for odd ones it keeps the size fixed.

    Args:
        frame: (H, W, 3) uint8, colours in any order.
        x: Centre in px of the frame, to the right.
        y: Centre in px of the frame, downwards.
        width: Width of the crop in px.
        height: Height of the crop in px.
        border: What stands outside the frame: black, the nearest pixel of the frame, or the
            frame mirrored at its outermost pixel.

    Returns:
        The crop (height, width, 3) uint8 in memory of its own, and its box (x0, y0, x1, y1) in
        px of the frame, x1 and y1 exclusive. The box may reach beyond the frame.

    Raises:
        ClipRejected: ``JOINT_POSITION`` if x or y is not finite.
        ParamsError: If `border` is unknown.
        ValueError: If `width` or `height` is below 1.
    """
    if border not in get_args(Border):
        raise ParamsError(
            "CROP_BORDER",
            f"unknown border {border!r}",
            remedy=f"use one of {', '.join(get_args(Border))}",
        )
    if width < 1 or height < 1:
        raise ValueError(f"cannot crop {width} x {height} px")
    if not (math.isfinite(x) and math.isfinite(y)):
        raise ClipRejected(
            "JOINT_POSITION",
            f"a joint stands at ({x}, {y})",
            remedy="mark a missing joint by confidence 0",
        )
    x0 = round(float(x) - width / 2)
    y0 = round(float(y) - height / 2)
    box = (x0, y0, x0 + width, y0 + height)
    if border == "black":
        return _cut_black(frame, box), box
    rows = _indices(y0, height, frame.shape[0], border)
    columns = _indices(x0, width, frame.shape[1], border)
    return frame[rows[:, None], columns], box


def overlaps(box: Box, width: int, height: int) -> bool:
    """Whether a box shows at least one pixel of a frame of width x height px."""
    x0, y0, x1, y1 = box
    return x0 < width and y0 < height and x1 > 0 and y1 > 0


def _cut_black(frame: NDArray[np.uint8], box: Box) -> NDArray[np.uint8]:
    x0, y0, x1, y1 = box
    cut = np.zeros((y1 - y0, x1 - x0, *frame.shape[2:]), np.uint8)
    if overlaps(box, frame.shape[1], frame.shape[0]):
        left, top = max(x0, 0), max(y0, 0)
        right, bottom = min(x1, frame.shape[1]), min(y1, frame.shape[0])
        cut[top - y0 : bottom - y0, left - x0 : right - x0] = frame[top:bottom, left:right]
    return cut


def _indices(start: int, length: int, size: int, border: Border) -> NDArray[np.intp]:
    """Pixel index within 0..size-1 that each of `length` places from `start` on shows."""
    # Python integers: a far-off joint's box need not fit 64 bits.
    places = range(start, start + length)
    if border == "edge" or size == 1:
        return np.array([min(max(place, 0), size - 1) for place in places], np.intp)
    period = 2 * (size - 1)
    folded = (place % period for place in places)
    return np.array([min(place, period - place) for place in folded], np.intp)
