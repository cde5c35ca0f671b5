"""The embedded pose estimator: MoveNet MultiPose Lightning by ONNX Runtime on one CPU thread."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime
from numpy.typing import NDArray

from stroi.cache.errors import ParamsError, RefusedInput
from stroi.cache.layouts import COCO_17
from stroi.stages.pose.estimator import onnx_session, read_model
from stroi.stages.pose.layouts import to_body25

MODEL = Path(__file__).parents[1] / "models" / "movenet_multipose.onnx"
MODEL_SHA256 = "1a8545b29700dfa8d5df0745ef9fb909e6cc0a5aacde94d88690b72828330b71"
STRIDE = 32
"""The network takes images whose sides are multiples of this, in px."""


class MoveNet:
    """MoveNet MultiPose Lightning: up to 6 people, no feet, about 15 ms a frame on one core.

    Args:
        input_size: Longer side of the image that the network gets, in px, a multiple of 32.
        min_person_score: A person with a lower score is dropped, 0..1.
        min_joint_score: A joint with a lower score is absent, 0..1.
        model: The network's file; only the one with the known digest is taken.

    Raises:
        ParamsError: If `input_size` is not a multiple of 32 from 64 to 1024.
        RefusedInput: If the file is missing (``MODEL_MISSING``) or not the known network
            (``MODEL_DIGEST``).
    """

    name = "movenet"

    def __init__(
        self,
        *,
        input_size: int = 256,
        min_person_score: float = 0.2,
        min_joint_score: float = 0.2,
        model: Path = MODEL,
    ) -> None:
        if input_size % STRIDE or not 64 <= input_size <= 1024:
            raise ParamsError(
                "ESTIMATOR_SIDE",
                f"the estimator's input size is {input_size} px",
                remedy=f"use a multiple of {STRIDE} from 64 to 1024, such as 256",
            )
        self.input_size = input_size
        self.min_person_score = min_person_score
        self.min_joint_score = min_joint_score
        content, self.digest = read_model(
            model, "install stroi again: the model is part of the package"
        )
        if self.digest != MODEL_SHA256:
            raise RefusedInput(
                "MODEL_DIGEST",
                f"{model}: sha256 {self.digest[:12]}... is not the pose model's "
                f"{MODEL_SHA256[:12]}...",
                remedy="install stroi again: the file is damaged or another one",
            )
        self._session = onnx_session(content)

    def info(self) -> dict[str, Any]:
        """Version of the runtime, and the params of this estimator."""
        return {
            "onnxruntime": onnxruntime.__version__,
            "input_size": self.input_size,
            "min_person_score": self.min_person_score,
            "min_joint_score": self.min_joint_score,
        }

    def __call__(self, bgr: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Find the people in a frame.

        Args:
            bgr: Frame (H, W, 3) uint8 BGR.

        Returns:
            (P, 25, 3) float32 BODY_25, 0 <= P <= 6: x, y in px of the frame and confidence
            0..1. Absent joints are (0, 0, 0), as are always the six foot points, which this
            network does not know.
        """
        image, pixels = prepare(bgr, self.input_size)
        # (H', W', 3) -> (1, H', W', 3)
        (raw,) = self._session.run(None, {"input:0": image[None].astype(np.int32)})
        return read_slots(raw[0], pixels, self.min_person_score, self.min_joint_score)


def prepare(
    bgr: NDArray[np.uint8], input_size: int
) -> tuple[NDArray[np.uint8], tuple[float, float]]:
    """Scale a frame to the network's input and pad it.

    The longer side becomes `input_size` px (area mean when shrinking, bilinear when growing); black
    is added to the right and below up to multiples of 32.

    Args:
        bgr: Frame (H, W, 3) uint8 BGR.
        input_size: Longer side in px, a multiple of 32.

    Returns:
        Image (H', W', 3) uint8 **RGB**, and the px of the frame that its full width and height
        stand for: the network's relative coordinates times these are px of the frame.
    """
    height, width = bgr.shape[:2]
    scale = input_size / max(height, width)
    inner_w = max(1, round(width * scale))
    inner_h = max(1, round(height * scale))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    small = cv2.resize(bgr, (inner_w, inner_h), interpolation=method)
    padded_w = -(-inner_w // STRIDE) * STRIDE
    padded_h = -(-inner_h // STRIDE) * STRIDE
    image = np.zeros((padded_h, padded_w, 3), np.uint8)
    image[:inner_h, :inner_w] = small[..., ::-1]
    return image, (padded_w * width / inner_w, padded_h * height / inner_h)


def read_slots(
    slots: NDArray[np.float32],
    pixels: tuple[float, float],
    min_person_score: float,
    min_joint_score: float,
) -> NDArray[np.float32]:
    """Turn the network's output into people.

    Args:
        slots: (6, 56): for each of six places 17 COCO joints (y, x, score), then the box and
            the person's score; coordinates relative to the padded image.
        pixels: Px of the frame that the padded image's width and height stand for.
        min_person_score: A person with a lower score is dropped, 0..1.
        min_joint_score: A joint with a lower score is absent, 0..1.

    Returns:
        (P, 25, 3) float32 BODY_25 in px of the frame.
    """
    slots = slots[slots[:, 55] >= min_person_score]
    joints = slots[:, :51].reshape(-1, 17, 3)  # (P, 51) -> (P, 17, 3)
    people = np.empty_like(joints)
    people[..., 0] = joints[..., 1] * pixels[0]
    people[..., 1] = joints[..., 0] * pixels[1]
    people[..., 2] = joints[..., 2]
    people[~(people[..., 2] >= min_joint_score)] = 0
    return to_body25(people[(people[..., 2] > 0).any(axis=1)], COCO_17)
