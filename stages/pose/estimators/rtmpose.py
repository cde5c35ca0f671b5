"""RTMPose, a network that finds the joints of one person at a time."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from stroi.stages.pose.estimator import Estimator, no_people
from stroi.stages.pose.estimators.onnx import OnnxNetwork

MEAN = np.array([123.675, 116.28, 103.53], np.float32)
STD = np.array([58.395, 57.12, 57.375], np.float32)
"""Of the training pictures, RGB."""

AROUND = 1.25
"""Its training boxes are larger than the person by this factor; a box of joints is smaller than the
person by about as much again."""


class RtmPose:
    """RTMPose: one person at a time, in boxes that another estimator finds.

    Args:
        network: Of kind RTMPose.
        finder: Estimator that finds the people.
    """

    name = "rtmpose"

    def __init__(self, network: OnnxNetwork, finder: Estimator) -> None:
        self._network = network
        self._finder = finder
        self.digest = network.digest

    def info(self) -> dict[str, Any]:
        """As `OnnxNetwork.info`, and the estimator that finds the people."""
        finder = {"name": self._finder.name, "digest": self._finder.digest, **self._finder.info()}
        return {**self._network.info(), "finder": finder}

    def __call__(self, bgr: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Find the people in a frame (H, W, 3) uint8 BGR.

        Returns:
            (P, 25, 3) float32 BODY_25, x, y in px and confidence 0..1; absent joints are 0, 0, 0.
        """
        boxes = [self._box(person) for person in self._finder(bgr)]
        if not boxes:
            return no_people()
        return self._network.people(np.stack([self._joints(bgr, box) for box in boxes]))

    def _box(self, person: NDArray[np.float32]) -> NDArray[np.float64]:
        """Left, top, width and height in px around a person (25, 3), in the network's shape."""
        seen = person[person[:, 2] > 0, :2].astype(np.float64)
        low, high = seen.min(axis=0), seen.max(axis=0)
        width, height = np.maximum(high - low, 1) * AROUND * AROUND
        shape = self._network.width / self._network.height
        width, height = max(width, height * shape), max(height, width / shape)
        middle = (low + high) / 2
        return np.array([middle[0] - width / 2, middle[1] - height / 2, width, height])

    def _joints(self, bgr: NDArray[np.uint8], box: NDArray[np.float64]) -> NDArray[np.float32]:
        """Joints (V, 3) of the person in a box."""
        network = self._network
        scale = network.width / box[2]
        matrix = np.array([[scale, 0, -box[0] * scale], [0, scale, -box[1] * scale]])
        part = cv2.warpAffine(bgr, matrix, (network.width, network.height))
        picture = (part[..., ::-1].astype(np.float32) - MEAN) / STD
        # (height, width, 3) -> (3, height, width)
        across, down = network.run(np.ascontiguousarray(picture.transpose(2, 0, 1)))
        # Both axes are divided into bins, two per px in all published networks.
        bins = across.shape[2] / network.width
        x, y = across[0].argmax(axis=1) / bins / scale, down[0].argmax(axis=1) / bins / scale
        score = np.minimum(across[0].max(axis=1), down[0].max(axis=1))
        return np.stack([x + box[0], y + box[1], score], axis=1).astype(np.float32)
