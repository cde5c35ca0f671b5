"""A pose network of the user's own: an ONNX file, and how its joints become BODY_25.

It is run by ONNX Runtime directly: of rtmlib we would use a resize, an arg max and a division, and
it downloads whatever is not a file, needs two OpenCV packages that shadow ours, returns a person at
(0, 0) where there is none, and gives RTMPose BGR instead of RGB.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from stroi.cache.errors import RefusedInput
from stroi.cache.layouts import COCO_17, Layout
from stroi.stages.pose.estimator import onnx_session, read_model
from stroi.stages.pose.layouts import HALPE_26, to_body25

LAYOUTS: dict[str, Layout] = {"coco17": COCO_17, "halpe26": HALPE_26}
"""Joints that a network may have been trained on, by name."""

FILE_REMEDY = "set skeletons.onnx.model to an RTMO or RTMPose network that MMDeploy exported"


@dataclass(frozen=True)
class OnnxNetwork:
    """A loaded network and how it is used.

    Attributes:
        session: ONNX Runtime's.
        digest: Sha256 of the file.
        one_stage: Whether it finds everybody in a picture, as RTMO does, or the joints of one
            person, as RTMPose does.
        layout: The joints it finds, V of them.
        width: Width of the picture that it takes, px.
        height: Height of that picture, px.
        min_person_score: A person with a lower score is dropped, 0..1 (RTMO).
        min_joint_score: A joint with a lower score is absent, 0..1.
    """

    session: onnxruntime.InferenceSession
    digest: str
    one_stage: bool
    layout: Layout
    width: int
    height: int
    min_person_score: float = 0.3
    min_joint_score: float = 0.3

    def run(self, picture: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """Outputs for a picture (3, height, width)."""
        name = self.session.get_inputs()[0].name
        # (3, height, width) -> (1, 3, height, width)
        outputs: list[NDArray[np.float32]] = self.session.run(None, {name: picture[None]})
        return outputs

    def people(self, joints: NDArray[np.float32]) -> NDArray[np.float32]:
        """(P, V, 3) x, y in px of the frame and score, as BODY_25 (P, 25, 3).

        Raises:
            RefusedInput: ``MODEL_OUTPUT`` if the network does not have the joints of its layout.
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
        # Written like this, a score that is no number fails the test too.
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


def load_network(path: Path, layout: str = "coco17") -> OnnxNetwork:
    """Load a network; RTMO and RTMPose differ in the axes of their outputs.

    Args:
        path: A local file; nothing is ever downloaded.
        layout: The joints it was trained on, a key of `LAYOUTS`; the file does not name them.

    Raises:
        RefusedInput: ``MODEL_MISSING``, ``MODEL_FORMAT`` if it is no ONNX network, or
            ``MODEL_OUTPUT`` if it is neither RTMO nor RTMPose.
    """
    content, digest = read_model(path, FILE_REMEDY)
    try:
        session = onnx_session(content)
    except Exception as error:  # ONNX Runtime has a class of its own for every kind of damage
        reason = (str(error).splitlines() or [""])[0]
        raise RefusedInput(
            "MODEL_FORMAT", f"{path}: no ONNX network: {reason[:200]!a}", remedy=FILE_REMEDY
        ) from error
    inputs, outputs = session.get_inputs(), session.get_outputs()
    ranks = [len(output.shape) for output in outputs]
    if len(inputs) != 1 or len(inputs[0].shape) != 4 or ranks not in ([3, 4], [3, 3]):
        names = ", ".join(f"{output.name} {output.shape}" for output in outputs)
        raise RefusedInput(
            "MODEL_OUTPUT", f"{path}: neither RTMO nor RTMPose: {names!a}", remedy=FILE_REMEDY
        )
    one_stage = ranks == [3, 4]
    height, width = (
        size if isinstance(size, int) else default
        for size, default in zip(
            inputs[0].shape[2:], (640, 640) if one_stage else (256, 192), strict=True
        )
    )
    return OnnxNetwork(session, digest, one_stage, LAYOUTS[layout], width, height)
