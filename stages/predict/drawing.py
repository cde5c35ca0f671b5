"""People, boxes, mosaics and words on pictures; numpy and OpenCV alone.

Legend of shapes: H and W height and width in px, K rows, L columns, V joints. Pictures are uint8
BGR; a mosaic is RGB, as in the cache.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from stroi.cache.layouts import BODY_25

Picture = NDArray[np.uint8]
Colour = tuple[int, int, int]

PEOPLE: tuple[Colour, ...] = ((80, 200, 255), (255, 160, 60), (120, 230, 120), (220, 120, 230))
"""Colour of each person's bones, BGR, from left to right."""
WHITE: Colour = (255, 255, 255)
GREY: Colour = (120, 120, 120)
DARK: Colour = (24, 24, 24)
HIGHEST_WEIGHT = 2.0
"""Weights from here on have the brightest colour; the mean of a clip is 1."""
BAR = 46
"""Width in px of the bars beside a mosaic."""
LINE = 20
"""Height of a line of text in px."""

_FONT = cv2.FONT_HERSHEY_SIMPLEX
_COLOURS = cv2.applyColorMap(np.arange(256, dtype=np.uint8)[:, None], cv2.COLORMAP_VIRIDIS)[:, 0]


def weight_colour(weight: float) -> Colour:
    """Colour of a joint weight: dark blue for 0, yellow from `HIGHEST_WEIGHT` on."""
    at = round(255 * min(max(weight / HIGHEST_WEIGHT, 0.0), 1.0))
    blue, green, red = _COLOURS[at].tolist()
    return blue, green, red


def fit(picture: Picture, height: int) -> Picture:
    """A picture scaled to a height in px, its shape kept."""
    width = max(1, round(picture.shape[1] * height / picture.shape[0]))
    how = cv2.INTER_AREA if height < picture.shape[0] else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(picture, (width, height), interpolation=how), np.uint8)


def draw_people(picture: Picture, keypoints: NDArray[np.float32], scale: float = 1.0) -> None:
    """Draw the bones of everybody.

    Args:
        picture: (H, W, 3), changed in place.
        keypoints: (persons, 25, 3) BODY_25 in px of the frame; confidence 0 is absent.
        scale: Px of the picture per px of the frame.
    """
    thick = max(1, round(min(picture.shape[:2]) / 240))
    for person, points in enumerate(keypoints):
        colour = PEOPLE[person % len(PEOPLE)]
        for one, other in BODY_25.edges:
            if points[one, 2] > 0 and points[other, 2] > 0:
                ends = (_place(points[one], scale), _place(points[other], scale))
                cv2.line(picture, *ends, colour, thick, cv2.LINE_AA)
        for point in points[points[:, 2] > 0]:
            cv2.circle(picture, _place(point, scale), thick + 1, colour, -1, cv2.LINE_AA)


def _place(point: NDArray[np.float32], scale: float) -> tuple[int, int]:
    x, y = (np.clip(point[:2], -1e5, 1e5) * scale).round().tolist()
    return int(x), int(y)


def draw_boxes(
    picture: Picture,
    boxes: NDArray[np.float32],
    valid: NDArray[np.bool_],
    weights: NDArray[np.float32] | None,
    scale: float = 1.0,
) -> None:
    """Draw the crops of the mosaic, in the colours of their weights.

    Args:
        picture: (H, W, 3), changed in place.
        boxes: (persons, K, 4) x0, y0, x1, y1 in px of the frame.
        valid: (persons, K) whether there is a crop.
        weights: (persons, K) of the rows; None draws them white.
        scale: Px of the picture per px of the frame.
    """
    thick = max(1, round(min(picture.shape[:2]) / 300))
    for person, row in zip(*np.nonzero(valid), strict=True):
        colour = WHITE if weights is None else weight_colour(float(weights[person, row]))
        x0, y0, x1, y1 = (boxes[person, row] * scale).round().astype(int).tolist()
        cv2.rectangle(picture, (x0, y0), (x1 - 1, y1 - 1), colour, thick)


def mosaic_panel(
    mosaic: NDArray[np.uint8],
    names: Sequence[str],
    weights: NDArray[np.float32] | None,
    persons: int,
    height: int,
) -> Picture:
    """A mosaic with a bar for the weight of each of its rows, and their names.

    Args:
        mosaic: (K * h, L * w, 3) RGB.
        names: K names of the rows.
        weights: (P, K) of each person's part of a cell; None draws no bars.
        persons: Persons side by side in each cell.
        height: Of the panel in px.

    Returns:
        (height, width, 3).
    """
    picture = fit(np.ascontiguousarray(mosaic[..., ::-1]), height)
    side = np.full((height, BAR + 96, 3), DARK, np.uint8)
    edges = np.linspace(0, height, len(names) + 1).round().astype(int)
    for row, name in enumerate(names):
        top, bottom = int(edges[row]), int(edges[row + 1])
        write(side, name.replace("_", " "), (BAR + 4, top + min(LINE, bottom - top) - 4), 0.4)
        if weights is None:
            continue
        for person in range(persons):
            weight = float(weights[person, row])
            y0 = top + 2 + person * (bottom - top - 4) // persons
            y1 = max(y0 + 1, top + 2 + (person + 1) * (bottom - top - 4) // persons - 1)
            length = round((BAR - 4) * min(weight / HIGHEST_WEIGHT, 1.0))
            cv2.rectangle(side, (BAR - length, y0), (BAR, y1), weight_colour(weight), -1)
            if bottom - top >= 2 * LINE:
                text = (BAR + 4, top + LINE * (person + 2) - 4)
                write(side, f"{weight:.2f}", text, 0.4, PEOPLE[person] if persons > 1 else WHITE)
    return np.hstack([side, picture])


def write(
    picture: Picture, text: str, at: tuple[int, int], size: float = 0.5, colour: Colour = WHITE
) -> None:
    """Write a line, its left lower corner `at` x, y in px; what is not ASCII becomes ``?``."""
    plain = text.encode("ascii", "replace").decode("ascii")
    cv2.putText(picture, plain, at, _FONT, size, colour, 1, cv2.LINE_AA)


def text_panel(lines: Sequence[str], width: int, size: float = 0.45) -> Picture:
    """Lines of text, one below the other, as a picture of a width in px."""
    panel = np.full((LINE * len(lines) + 8, width, 3), DARK, np.uint8)
    for number, line in enumerate(lines):
        write(panel, line, (8, LINE * (number + 1) - 2), size)
    return panel


def stack(pictures: Sequence[Picture]) -> Picture:
    """Pictures one below the other, the narrower ones filled up at their right."""
    width = max(picture.shape[1] for picture in pictures)
    filled = [
        np.pad(
            picture,
            ((0, 0), (0, width - picture.shape[1]), (0, 0)),
            constant_values=DARK[0],
        )
        for picture in pictures
    ]
    return np.vstack(filled)
