"""A pose network of the user's own: an ONNX file, and how its joints become BODY_25."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from stroi.cache.errors import RefusedInput
from stroi.cache.layouts import COCO_17, Layout
from stroi.stages.pose.layouts import HALPE_26, to_body25

LAYOUTS: dict[str, Layout] = {"coco17": COCO_17, "halpe26": HALPE_26}
"""Joints that a network may have been trained on, by name."""

FILE_REMEDY = "set skeletons.onnx.model to an RTMO or RTMPose network that MMDeploy exported"


@dataclass(frozen=True)
class Network:
    """A loaded network and how it is used.

    Attributes:
        session: ONNX Runtime's.
        digest: Sha256 of the file.
        layout: The joints it finds, V of them.
        width: Width of the picture that it takes, px.
        height: Height of that picture, px.
        min_person_score: A person with a lower score is dropped, 0..1.
        min_joint_score: A joint with a lower score is absent, 0..1.
    """

    session: onnxruntime.InferenceSession
    digest: str
    layout: Layout
    width: int
    height: int
    min_person_score: float
    min_joint_score: float

    def run(self, picture: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """Outputs for a picture (3, height, width)."""
        name = self.session.get_inputs()[0].name
        outputs: list[NDArray[np.float32]] = self.session.run(None, {name: picture[None]})
        return outputs

    def people(self, joints: NDArray[np.float32]) -> NDArray[np.float32]:
        """(P, V, 3) x, y in px of the frame and score, as BODY_25 (P, 25, 3).

        Raises:
            RefusedInput: ``MODEL_OUTPUT`` if the network has not the joints that it should.
        """
        if joints.shape[1:] != (len(self.layout.joints), 3):
            raise RefusedInput(
                "MODEL_OUTPUT",
                f"the network finds {joints.shape[1]} joints, {self.layout.name} has "
                f"{len(self.layout.joints)}",
                remedy=f"set skeletons.onnx.layout to one of {', '.join(LAYOUTS)}",
            )
        joints = joints.astype(np.float32)
        joints[..., 2] = np.minimum(joints[..., 2], 1)
        # So written, a score that is no number fails the test too.
        good = np.isfinite(joints).all(axis=2) & (joints[..., 2] >= self.min_joint_score)
        joints[~good] = 0
        return to_body25(joints[good.any(axis=1)], self.layout)

    def info(self) -> dict[str, Any]:
        """Version of the runtime, and how the network is used."""
        return {
            "onnxruntime": onnxruntime.__version__,
            "layout": self.layout.name,
            "input": [self.height, self.width],
            "min_person_score": self.min_person_score,
            "min_joint_score": self.min_joint_score,
        }
