"""The held objects, as flat pictures with opacity.

The two objects of a pair fill the same bounding circle (or the same rectangle) and are held the
same way, so that they hide the wrist alike; they differ in colour and in the shape inside.
"""

from __future__ import annotations

import cv2
import numpy as np

from stroi.stages.demo.randomisation import Colour
from stroi.stages.demo.raster import Image

SIZE = 40
"""Side of an object's picture in pixels; on screen an object is about 22 px."""
_FINE = 8

Shape = tuple[str, tuple[tuple[float, float], ...], Colour]
"""Kind (``area`` or ``disc``), points in -1..1 (x right, y up; a disc: centre, radius), colour."""


def _rect(x0: float, y0: float, x1: float, y1: float, colour: Colour) -> Shape:
    """An upright rectangle."""
    return "area", ((x0, y0), (x1, y0), (x1, y1), (x0, y1)), colour


_WHITE, _BLACK = (245.0, 245.0, 245.0), (22.0, 20.0, 20.0)
_RED, _CYAN, _GREEN = (30.0, 24.0, 225.0), (250.0, 215.0, 40.0), (50.0, 165.0, 20.0)
_YELLOW, _ORANGE, _BLUE = (40.0, 225.0, 250.0), (20.0, 130.0, 250.0), (225.0, 60.0, 20.0)

NOTHING = "nothing"
"""Name of the empty picture, for classes without an object."""

_SHAPES: dict[str, tuple[Shape, ...]] = {
    NOTHING: (),
    "cup": (
        ("area", ((-0.42, -0.85), (0.42, -0.85), (0.60, 0.80), (-0.60, 0.80)), _RED),
        ("area", ((-0.50, -0.20), (0.50, -0.20), (0.56, 0.32), (-0.56, 0.32)), _WHITE),
        _rect(-0.66, 0.66, 0.66, 0.90, _WHITE),
    ),
    "phone": (
        _rect(-0.52, -0.90, 0.52, 0.90, (95.0, 40.0, 22.0)),
        _rect(-0.38, -0.62, 0.38, 0.66, _CYAN),
        _rect(-0.38, 0.05, 0.38, 0.22, _BLUE),
    ),
    "bottle": (
        _rect(-0.40, -0.92, 0.40, 0.34, _GREEN),
        ("area", ((-0.40, 0.34), (0.40, 0.34), (0.16, 0.62), (-0.16, 0.62)), _GREEN),
        _rect(-0.16, 0.60, 0.16, 0.80, _GREEN),
        _rect(-0.20, 0.78, 0.20, 0.97, _BLACK),
        _rect(-0.40, -0.55, 0.40, 0.05, _YELLOW),
    ),
    "letter": (
        _rect(-0.74, -0.52, 0.74, 0.52, _WHITE),
        ("area", ((-0.74, 0.52), (0.74, 0.52), (0.0, -0.12)), (205.0, 205.0, 212.0)),
        ("disc", ((0.0, -0.06), (0.24, 0.0)), _RED),
        _rect(-0.74, -0.52, 0.74, -0.40, _BLUE),
    ),
    "book": (
        _rect(-0.97, -0.95, 0.97, 0.95, _WHITE),
        _rect(-0.12, -0.95, 0.12, 0.95, _RED),
        _rect(0.28, 0.30, 0.82, 0.55, _RED),
        _rect(-0.82, -0.60, -0.28, -0.45, (120.0, 120.0, 120.0)),
        _rect(-0.82, -0.30, -0.28, -0.15, (120.0, 120.0, 120.0)),
    ),
    "tablet": (
        _rect(-0.97, -0.95, 0.97, 0.95, (80.0, 36.0, 20.0)),
        _rect(-0.72, -0.66, 0.72, 0.66, _CYAN),
        _rect(-0.50, -0.30, 0.10, 0.30, _ORANGE),
    ),
    "dumbbell": (
        _rect(-0.70, -0.14, 0.70, 0.14, (150.0, 150.0, 155.0)),
        _rect(-0.95, -0.62, -0.48, 0.62, _YELLOW),
        _rect(0.48, -0.62, 0.95, 0.62, _YELLOW),
        _rect(-0.78, -0.62, -0.66, 0.62, (40.0, 40.0, 44.0)),
        _rect(0.66, -0.62, 0.78, 0.62, (40.0, 40.0, 44.0)),
    ),
}  # fmt: skip

OBJECT_OF_CLASS: dict[str, str] = {
    "drink": "cup", "phone": "phone",
    "read": "book", "tablet": "tablet",
    "give_bottle": "bottle", "give_letter": "letter",
    "lift_slow": "dumbbell", "lift_fast": "dumbbell",
}  # fmt: skip
"""The held object of each class; the only place where a label reaches the picture."""


def sprite(name: str) -> Image:
    """Picture of an object.

    Args:
        name: A value of `OBJECT_OF_CLASS`, or `NOTHING`.

    Returns:
        (SIZE, SIZE, 4) float32: blue, green, red times opacity (0 to 255), opacity (0 to 1).
    """
    side = SIZE * _FINE
    fine = np.zeros((side, side, 4), np.float32)
    for kind, points, colour in _SHAPES[name]:
        corners = np.array([(side * (1 + x) / 2, side * (1 - y) / 2) for x, y in points])
        paint = (*colour, 1.0)
        if kind == "disc":
            radius = round(points[1][0] * side / 2)
            cv2.circle(fine, (round(corners[0, 0]), round(corners[0, 1])), radius, paint, -1)
        else:
            cv2.fillPoly(fine, [np.rint(corners).astype(np.int32)], paint)
    small = cv2.resize(fine, (SIZE, SIZE), interpolation=cv2.INTER_AREA)
    return cv2.GaussianBlur(small, (3, 3), 0.7).astype(np.float32)
