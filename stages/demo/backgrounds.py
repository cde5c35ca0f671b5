"""Backgrounds: a wall and a floor of several kinds, drawn from the label-blind nuisance."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.random import Generator

from stroi.stages.demo.raster import Image

MARGIN = 4
"""Pixels drawn beyond every edge, room for the camera's shake."""
_TINTS = (
    (190, 196, 200), (176, 186, 168), (160, 176, 196), (196, 182, 170), (150, 156, 162),
    (168, 160, 184), (140, 152, 148),
)  # fmt: skip
_FLOORS = ((92, 118, 148), (110, 112, 116), (70, 92, 120), (128, 140, 150), (96, 104, 92))


def background(kind: str, seed: int, size: tuple[int, int]) -> Image:
    """Paint one background.

    Args:
        kind: One of `stroi.stages.demo.randomisation.SCENES`.
        seed: Seed of colours and details.
        size: Width and height of the picture.

    Returns:
        (H + 2 * MARGIN, W + 2 * MARGIN, 3) float32, blue, green, red, 0 to 255.
    """
    rng = np.random.Generator(np.random.PCG64(seed))
    width, height = size[0] + 2 * MARGIN, size[1] + 2 * MARGIN
    wall = np.empty((height, width, 3), np.float32)
    wall[:] = np.array(_TINTS[rng.integers(len(_TINTS))], np.float32) * rng.uniform(0.75, 1.05)
    _WALLS[kind](wall, rng)
    _floor(wall, rng)
    glow = np.linspace(rng.uniform(0.85, 1.1), rng.uniform(0.85, 1.1), width, dtype=np.float32)
    wall *= glow[None, :, None]
    wall *= 1 + 0.025 * _clouds(rng, wall.shape[:2], 4.0)[..., None]
    painted: Image = cv2.GaussianBlur(wall, (7, 7), 1.2).astype(np.float32)
    return painted.clip(0, 255)


def _clouds(rng: Generator, shape: tuple[int, ...], scale: float) -> Image:
    """(H, W) smooth noise of about unit spread; larger `scale`: coarser."""
    height, width = shape
    small = rng.standard_normal((int(height / scale) + 2, int(width / scale) + 2))
    noise = cv2.resize(small.astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
    return noise.astype(np.float32)


def _plaster(wall: Image, rng: Generator) -> None:
    """Bare wall with one or two framed pictures."""
    height, width = wall.shape[:2]
    for _ in range(int(rng.integers(1, 3))):
        x, y = int(rng.uniform(0, width * 0.85)), int(rng.uniform(height * 0.05, height * 0.35))
        w, h = (int(v) for v in rng.uniform(28, 60, 2))
        cv2.rectangle(wall, (x, y), (x + w, y + h), (50.0, 60.0, 70.0), -1)
        colour = tuple(float(c) for c in rng.uniform(90, 210, 3))
        cv2.rectangle(wall, (x + 3, y + 3), (x + w - 3, y + h - 3), colour, -1)


def _bricks(wall: Image, rng: Generator) -> None:
    """Rows of bricks."""
    height, width = wall.shape[:2]
    tall, long = int(rng.integers(9, 14)), int(rng.integers(22, 34))
    for row in range(height // tall + 1):
        for column in range(-1, width // long + 1):
            x, y = column * long + (row % 2) * (long // 2), row * tall
            wall[y + 1 : y + tall, max(x + 1, 0) : max(x + long, 0)] *= rng.uniform(0.80, 0.95)


def _panels(wall: Image, rng: Generator) -> None:
    """Upright boards with dark joints."""
    pitch = int(rng.integers(18, 40))
    for x in range(0, wall.shape[1], pitch):
        wall[:, x : x + pitch] *= rng.uniform(0.86, 1.0)
        wall[:, x : x + 2] *= 0.72


def _shelves(wall: Image, rng: Generator) -> None:
    """Shelves with muted book spines."""
    height, width = wall.shape[:2]
    wall *= 0.7
    for y in range(int(rng.integers(8, 24)), int(height * 0.72), 42):
        x = int(rng.integers(0, 10))
        while x < width:
            w, h = int(rng.integers(5, 13)), int(rng.integers(20, 34))
            wall[y + 36 - h : y + 36, x : x + w] = rng.uniform(60, 165) + rng.uniform(-25, 25, 3)
            x += w + int(rng.random() < 0.1) * 14
        wall[y + 36 : y + 40] = (60, 84, 110)


def _curtain(wall: Image, rng: Generator) -> None:
    """Cloth in soft upright folds."""
    columns = np.arange(wall.shape[1]) + 6 * np.cumsum(rng.standard_normal(wall.shape[1])) * 0.1
    folds = 1 + 0.12 * np.sin(columns * rng.uniform(0.2, 0.4))
    wall *= folds[None, :, None].astype(np.float32)


def _cloudy(wall: Image, rng: Generator) -> None:
    """Smooth coloured noise, as of a place out of focus."""
    for scale, strength in ((70.0, 10.0), (25.0, 6.0)):
        for channel in range(3):
            wall[..., channel] += strength * _clouds(rng, wall.shape[:2], scale)


def _floor(wall: Image, rng: Generator) -> None:
    """Floor and skirting board over the lower part, in place."""
    height, width = wall.shape[:2]
    line = int(height * rng.uniform(0.72, 0.80))
    colour = np.array(_FLOORS[rng.integers(len(_FLOORS))], np.float32)
    rows = np.linspace(0.85, 1.1, height - line, dtype=np.float32)
    wall[line:] = colour * rows[:, None, None]
    wall[line:] *= 1 + 0.045 * _clouds(rng, (height - line, width), 6.0)[..., None]
    wall[line - 4 : line] *= 0.78


_WALLS: dict[str, Callable[[Image, Generator], None]] = {
    "plaster": _plaster, "bricks": _bricks, "panels": _panels,
    "shelves": _shelves, "curtain": _curtain, "clouds": _cloudy,
}  # fmt: skip
