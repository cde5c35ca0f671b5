"""RTMO, a network that finds everybody in a picture at once."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from stroi.cache.errors import RefusedInput
from stroi.stages.pose.estimators.onnx import FILE_REMEDY, OnnxNetwork

PAD = 114
"""Grey around a picture in RTMO's training."""

OVERLAP = 0.65
"""Intersection over union from which two boxes are of one person."""


class Rtmo:
    """RTMO: everybody in the picture at once."""

    name = "rtmo"

    def __init__(self, network: OnnxNetwork) -> None:
        self._network = network
        self.digest = network.digest

    def info(self) -> dict[str, Any]:
        """As `OnnxNetwork.info`."""
        return self._network.info()

    def __call__(self, bgr: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Find the people in a frame (H, W, 3) uint8 BGR.

        Returns:
            (P, 25, 3) float32 BODY_25, x, y in px and confidence 0..1; absent joints are 0, 0, 0.

        Raises:
            RefusedInput: ``MODEL_OUTPUT`` if the network returns something else than RTMO does.
        """
        network = self._network
        picture, scale = letterbox(bgr, network.width, network.height)
        boxes, joints = (output[0] for output in network.run(picture))
        if boxes.shape[1:] != (5,) or joints.shape[0] != len(boxes):
            raise RefusedInput(
                "MODEL_OUTPUT",
                f"the network returns {boxes.shape} and {joints.shape}, not (N, 5) and (N, V, 3)",
                remedy=FILE_REMEDY,
            )
        boxes, joints = (kept[boxes[:, 4] >= network.min_person_score] for kept in (boxes, joints))
        joints = joints[distinct(boxes)].copy()
        joints[..., :2] /= scale
        return network.people(joints)


def letterbox(bgr: NDArray[np.uint8], width: int, height: int) -> tuple[NDArray[np.float32], float]:
    """Scale a frame into the upper left of a grey picture.

    Returns:
        Picture (3, height, width) float32 BGR 0..255, and its px per px of the frame.
    """
    scale = min(height / bgr.shape[0], width / bgr.shape[1])
    inner = (max(1, int(bgr.shape[1] * scale)), max(1, int(bgr.shape[0] * scale)))
    picture = np.full((height, width, 3), PAD, np.uint8)
    picture[: inner[1], : inner[0]] = cv2.resize(bgr, inner, interpolation=cv2.INTER_LINEAR)
    # (height, width, 3) -> (3, height, width)
    return np.ascontiguousarray(picture.transpose(2, 0, 1), np.float32), scale


def distinct(boxes: NDArray[np.float32], most: float = OVERLAP) -> list[int]:
    """Which of overlapping boxes stay (non-maximum suppression): the best of those of one person.

    Args:
        boxes: (N, 5) left, top, right, bottom in px, score.
        most: Largest intersection over union of two that stay.

    Returns:
        Their numbers, best first.
    """
    area = np.prod(np.maximum(boxes[:, 2:4] - boxes[:, :2], 0), axis=1)
    kept: list[int] = []
    for number in np.argsort(-boxes[:, 4], kind="stable"):
        low = np.maximum(boxes[kept, :2], boxes[number, :2])
        high = np.minimum(boxes[kept, 2:4], boxes[number, 2:4])
        shared = np.prod(np.maximum(high - low, 0), axis=1)
        if not (shared > most * (area[kept] + area[number] - shared)).any():
            kept.append(int(number))
    return kept
