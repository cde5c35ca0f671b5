"""Cameras: perspective projection of metres to pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stroi.stages.demo.body import Points
from stroi.stages.demo.randomisation import Nuisance

DISTANCE = 4.6
"""Metres from the middle of the scene to every camera."""
SHARE = 0.80
"""Share of the picture's height that a person of 1.75 m takes."""
_VIEWS = ((-0.33, 1.25, 1.00), (0.44, 1.45, 0.97))
"""Yaw in radians, height in metres and zoom of the cameras c1 and c2; c3, c4, ... stand wider."""


@dataclass(frozen=True)
class Camera:
    """A camera that points at the middle of the scene.

    Attributes:
        yaw: Radians about the vertical; positive stands to the right of the picture of yaw 0.
        height: Metres over the floor.
        focal: Focal length in pixels.
        centre: Pixel at which the scene's middle appears.
    """

    yaw: float
    height: float
    focal: float
    centre: tuple[float, float]

    def project(self, points: Points) -> tuple[Points, Points]:
        """Pixels and scale of points.

        Args:
            points: (..., 3) metres.

        Returns:
            (..., 2) x, y in pixels and (...,) pixels per metre at that depth.
        """
        view = points - np.array([0.0, _TARGET, 0.0])
        view = view @ self.axes().T
        scale = self.focal / (DISTANCE - view[..., 2])
        x = self.centre[0] + view[..., 0] * scale
        return np.stack([x, self.centre[1] - view[..., 1] * scale], axis=-1), scale

    def axes(self) -> Points:
        """(3, 3) rows: the picture's right, its up, and the direction towards the camera."""
        pitch = np.arcsin((self.height - _TARGET) / DISTANCE)
        out = np.array(
            [np.sin(self.yaw) * np.cos(pitch), np.sin(pitch), np.cos(self.yaw) * np.cos(pitch)]
        )
        right = np.array([np.cos(self.yaw), 0.0, -np.sin(self.yaw)])
        return np.stack([right, np.cross(out, right), out])


_TARGET = 0.90


def camera(name: str, nuisance: Nuisance, size: tuple[int, int]) -> Camera:
    """The camera `name` as it stood for one clip.

    Args:
        name: ``c1``, ``c2``, ...
        nuisance: Gives the small differences in yaw and zoom.
        size: Width and height of the picture.

    Returns:
        The camera.
    """
    number = int(name[1:]) - 1
    yaw, height, zoom = _VIEWS[number % 2]
    focal = SHARE * size[1] / 1.75 * DISTANCE * zoom * nuisance.zoom
    centre = (size[0] / 2 - 0.5, 0.505 * size[1] - 0.5)
    return Camera(yaw * (1 + 0.25 * (number // 2)) + nuisance.yaw, height, focal, centre)


def shake(nuisance: Nuisance) -> Points:
    """(T, 2) displacement of the picture in pixels: a tripod that is not quite still."""
    a, b, rate_a, rate_b = nuisance.jitter
    frame = np.arange(nuisance.frames)
    turns = np.stack([a + rate_a * frame, b + rate_b * frame], axis=1)
    moved: Points = 0.7 * np.sin(2 * np.pi * turns)
    return moved
