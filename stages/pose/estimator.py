"""The interface of every pose estimator."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from stroi.cache.errors import RefusedInput
from stroi.trainer.plugins import Plugin

DOCS = "docs/pose-sources.md"
"""Where a user finds how each pose source is set up."""

PERSON_JOINTS = 25


class Estimator(Protocol):
    """Anything that finds people in a frame."""

    @property
    def name(self) -> str:
        """Name of the estimator, part of what a skeleton cache records."""

    @property
    def digest(self) -> str:
        """Sha256 of the model, hexadecimal."""

    def info(self) -> dict[str, Any]:
        """All else that shapes its output, as JSON values: versions of libraries, options.

        A skeleton cache records it, and detections of another `info` are never taken for these.
        """

    def __call__(self, bgr: NDArray[np.uint8]) -> NDArray[np.float32]:
        """People in a frame (H, W, 3) BGR: (P, 25, 3) float32 BODY_25 in px, P >= 0."""


@dataclass(frozen=True, kw_only=True)
class PoseSource(Plugin):
    """A source of skeletons that processes frames, of group ``pose``.

    Attributes:
        load: `SkeletonParams` to an `Estimator`; called once per process.
    """

    load: Callable[..., Estimator]


def no_people() -> NDArray[np.float32]:
    """The people of an empty frame, (0, 25, 3)."""
    return np.zeros((0, PERSON_JOINTS, 3), np.float32)


def read_model(path: Path, remedy: str) -> tuple[bytes, str]:
    """Content of a model file and its sha256: the bytes that are digested are those that run.

    Raises:
        RefusedInput: ``MODEL_MISSING`` if it cannot be read.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise RefusedInput(
            "MODEL_MISSING",
            f"{path}: the pose model cannot be read ({error.strerror})",
            remedy=remedy,
        ) from error
    return content, hashlib.sha256(content).hexdigest()


def onnx_session(content: bytes) -> onnxruntime.InferenceSession:
    """An ONNX network on one CPU thread that does not spin.

    Clips are spread over processes, not frames over threads: two threads cost more than they give.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
