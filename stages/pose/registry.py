"""Which estimator a data set is made with: the one named, or by ``auto`` the best that is here."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from stroi.cache.errors import ParamsError, StroiError
from stroi.pipeline.params.profile import SkeletonParams
from stroi.stages.pose.estimator import Estimator, PoseSource
from stroi.stages.pose.estimators.movenet import MoveNet
from stroi.stages.pose.estimators.onnx import FILE_REMEDY, load_network
from stroi.stages.pose.estimators.openpose import OpenPose
from stroi.stages.pose.estimators.openpose_build import ROOT_VARIABLE
from stroi.stages.pose.estimators.rtmo import Rtmo
from stroi.stages.pose.estimators.rtmpose import RtmPose
from stroi.trainer.plugins import find


def _load_movenet(params: SkeletonParams) -> Estimator:
    return MoveNet(input_size=params.input_size)


def _load_openpose(params: SkeletonParams) -> Estimator:
    return OpenPose(params.openpose)


def _load_onnx(params: SkeletonParams) -> Estimator:
    if params.onnx.model is None:
        raise ParamsError("ESTIMATOR_MODEL", "skeletons.onnx.model is not set", remedy=FILE_REMEDY)
    network = load_network(Path(params.onnx.model), params.onnx.layout)
    return Rtmo(network) if network.one_stage else RtmPose(network, _load_movenet(params))


MOVENET = PoseSource(load=_load_movenet)
OPENPOSE = PoseSource(load=_load_openpose)
ONNX = PoseSource(load=_load_onnx)


@dataclass(frozen=True)
class Choice:
    """The source that was taken.

    Attributes:
        source: A name of group ``pose``.
        why: For the skeleton cache: the same on every machine that chose for the same reason.
        message: For the user: the same with the details of this machine.
    """

    source: str
    why: str
    message: str


def choose(params: SkeletonParams) -> Choice:
    """Settle which estimator is used, before any clip.

    ``auto`` takes OpenPose if its Python module loads and its weights are those that its authors
    trained, and otherwise the embedded MoveNet. It never takes a network that a user has to name.
    """
    if params.source != "auto":
        return Choice(params.source, "named", f"{params.source}, as the params name it")
    try:
        own = params.openpose.replace(weights_md5="")
        digest = load(params.replace(source="openpose", openpose=own)).digest
    except StroiError as error:
        message = f"movenet, the embedded estimator ({error.code}: {error.message})"
        return Choice("movenet", f"auto: {error.code}", message)
    message = f"openpose, because its module loads and its weights {digest[:12]} are known"
    return Choice("openpose", "auto: OpenPose is here", message)


def load(params: SkeletonParams) -> Estimator:
    """The estimator of ``params.source``, a name of group ``pose``, loaded once per process.

    Raises:
        ParamsError: ``ESTIMATOR_MODEL`` if no network is named.
        StroiError: If it is not installed, or its network is not whole.
    """
    # As text: params of plug-ins and layouts may hold what has no hash.
    return _load(with_full_paths(params).model_dump_json())


@lru_cache(maxsize=1)
def _load(text: str) -> Estimator:
    params = SkeletonParams.model_validate_json(text)
    source = find("pose", params.source, PoseSource)
    return source.load(params, *source.own(params.options))


def with_full_paths(params: SkeletonParams) -> SkeletonParams:
    """`params` that mean the same in workers of a cluster, with another environment and folder."""
    root = params.openpose.root or os.environ.get(ROOT_VARIABLE)
    return params.replace(
        openpose=params.openpose.replace(root=_full(root), models=_full(params.openpose.models)),
        onnx=params.onnx.replace(model=_full(params.onnx.model)),
    )


def _full(path: str | None) -> str | None:
    return str(Path(path).expanduser().resolve()) if path else None


def record(estimator: Estimator) -> Mapping[str, Any]:
    """What shaped the detections of `estimator`: two that differ here are never mixed."""
    return {"estimator": estimator.name, "model": estimator.digest, **estimator.info()}
