"""The user's own RTMO or RTMPose network, an ONNX file as MMDeploy exports it.

It is run by ONNX Runtime directly: of rtmlib we would use a resize, an arg max and a division, and
it downloads whatever is not a file, needs two OpenCV packages that shadow ours, returns a person at
(0, 0) where there is none, and shows RTMPose BGR instead of RGB.
"""

from __future__ import annotations

from pathlib import Path

import onnxruntime

from stroi.cache.errors import ParamsError, RefusedInput
from stroi.stages.pose.estimator import Estimator, onnx_session, read_model
from stroi.stages.pose.estimators.onnx_network import FILE_REMEDY, LAYOUTS, Network
from stroi.stages.pose.estimators.rtmo import Rtmo
from stroi.stages.pose.estimators.rtmpose import RtmPose


def load_onnx(
    path: Path,
    *,
    finder: Estimator,
    layout: str = "coco17",
    min_person_score: float = 0.3,
    min_joint_score: float = 0.3,
) -> Rtmo | RtmPose:
    """Load a network; its outputs tell RTMO from RTMPose.

    Args:
        path: A local file; nothing is ever downloaded.
        finder: Who finds the people that an RTMPose network looks at.
        layout: Of the joints it was trained on, a key of `LAYOUTS`; the file does not name them.
        min_person_score: A person with a lower score is dropped, 0..1 (RTMO).
        min_joint_score: A joint with a lower score is absent, 0..1.

    Raises:
        ParamsError: If there are no such `layout`.
        RefusedInput: ``MODEL_MISSING``, ``MODEL_FORMAT`` if it is no ONNX network, or
            ``MODEL_OUTPUT`` if it is neither RTMO nor RTMPose.
    """
    if layout not in LAYOUTS:
        raise ParamsError(
            "ESTIMATOR_JOINTS",
            f"no joints are called {layout!a}",
            remedy=f"use {' or '.join(LAYOUTS)}",
        )
    content, digest = read_model(path, FILE_REMEDY)
    session = _session(path, content)
    inputs, outputs = session.get_inputs(), session.get_outputs()
    ranks = [len(output.shape) for output in outputs]
    if len(inputs) != 1 or len(inputs[0].shape) != 4 or ranks not in ([3, 4], [3, 3]):
        names = ", ".join(f"{output.name} {output.shape}" for output in outputs)
        raise RefusedInput(
            "MODEL_OUTPUT", f"{path}: neither RTMO nor RTMPose: {names!a}", remedy=FILE_REMEDY
        )
    one_stage = ranks == [3, 4]
    height, width = (
        side if isinstance(side, int) else usual
        for side, usual in zip(
            inputs[0].shape[2:], (640, 640) if one_stage else (256, 192), strict=True
        )
    )
    network = Network(
        session, digest, LAYOUTS[layout], width, height, min_person_score, min_joint_score
    )
    return Rtmo(network) if one_stage else RtmPose(network, finder)


def _session(path: Path, content: bytes) -> onnxruntime.InferenceSession:
    try:
        return onnx_session(content)
    except Exception as error:  # ONNX Runtime has a class of its own for every kind of damage
        reason = (str(error).splitlines() or [""])[0]
        raise RefusedInput(
            "MODEL_FORMAT", f"{path}: no ONNX network: {reason[:200]!a}", remedy=FILE_REMEDY
        ) from error
