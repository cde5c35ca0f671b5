"""Which estimator a data set is made with: the one named, or by ``auto`` the best that is here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stroi.cache.errors import ParamsError, StroiError
from stroi.stages.pose.estimator import Estimator
from stroi.stages.pose.estimators.movenet import MoveNet
from stroi.stages.pose.estimators.onnx import load_onnx
from stroi.stages.pose.estimators.onnx_network import FILE_REMEDY
from stroi.stages.pose.estimators.openpose import OpenPose
from stroi.stages.pose.estimators.openpose_calls import Option

ESTIMATORS = ("movenet", "openpose", "onnx")
"""Sources that look at frames, by their names in the params."""


@dataclass(frozen=True)
class Settings:
    """What an estimator may be told. Hashable, so that a process loads each one once.

    Attributes:
        input_size: Longer side of the picture that MoveNet sees, px.
        openpose_root: Folder of the user's build of OpenPose; None for ``OPENPOSE_ROOT``.
        openpose_model: OpenPose's network, ``BODY_25`` or ``COCO``.
        openpose_options: Flags of OpenPose with their values.
        onnx_model: The user's own network; None if there is none.
        onnx_layout: The joints that it finds.
    """

    input_size: int = 256
    openpose_root: Path | None = None
    openpose_model: str = "BODY_25"
    openpose_options: tuple[tuple[str, Option], ...] = ()
    onnx_model: Path | None = None
    onnx_layout: str = "coco17"


@dataclass(frozen=True)
class Choice:
    """The source that was taken.

    Attributes:
        source: One of `ESTIMATORS`.
        why: For the skeleton cache: the same on every machine that chose for the same reason.
        told: For the user: the same with what was found here.
    """

    source: str
    why: str
    told: str


def choose(source: str, settings: Settings) -> Choice:
    """Settle which estimator is used, before any clip is looked at.

    ``auto`` takes OpenPose if its Python module loads and its network is whole, and otherwise the
    embedded MoveNet. It never takes a network that a user has to name.

    Raises:
        ParamsError: If there is no such estimator, or `settings` cannot be right.
    """
    if source in ESTIMATORS:
        return Choice(source, "named", f"{source}, as the params name it")
    if source != "auto":
        raise ParamsError(
            "ESTIMATOR_NAME",
            f"no estimator is called {source!a}",
            remedy=f"use auto, {', '.join(ESTIMATORS)}",
        )
    try:
        found = load("openpose", settings)
    except ParamsError:
        raise
    except StroiError as error:
        told = f"movenet, the embedded estimator ({error.code}: {error.message})"
        return Choice("movenet", f"auto: {error.code}", told)
    told = f"openpose, because its module loads and its network {found.digest[:12]} is whole"
    return Choice("openpose", "auto: OpenPose is here", told)


def load(source: str, settings: Settings) -> Estimator:
    """Load an estimator.

    Args:
        source: One of `ESTIMATORS`.
        settings: What to tell it.

    Raises:
        ParamsError: If there is no such estimator, or a setting cannot be taken.
        StroiError: If it is not installed, or its network is not whole.
    """
    if source == "movenet":
        return MoveNet(input_size=settings.input_size)
    if source == "openpose":
        return OpenPose(
            root=settings.openpose_root,
            model=settings.openpose_model,
            options=dict(settings.openpose_options),
        )
    if source == "onnx":
        if settings.onnx_model is None:
            raise ParamsError(
                "ESTIMATOR_MODEL", "skeletons.onnx.model is not set", remedy=FILE_REMEDY
            )
        return load_onnx(
            settings.onnx_model,
            finder=MoveNet(input_size=settings.input_size),
            layout=settings.onnx_layout,
        )
    raise ParamsError(
        "ESTIMATOR_NAME",
        f"no estimator is called {source!a}",
        remedy=f"use {', '.join(ESTIMATORS)}",
    )


def record(estimator: Estimator) -> Mapping[str, Any]:
    """What shaped the detections of `estimator`: two that differ here are never mixed."""
    return {"estimator": estimator.name, "model": estimator.digest, **estimator.info()}
