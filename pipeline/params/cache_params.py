"""Which params of skeletons a cache records of a profile, and which of them shape it."""

from __future__ import annotations

from typing import Any

from stroi.cache.rois import PAPER_PEOPLE
from stroi.pipeline.params.profile import OwnSkeletonParams, SkeletonParams, Skeletons3dParams
from stroi.trainer.plugins import is_built_in

NOT_CONTENT = {"clips_per_shard", "max_quarantined"}
"""Params of a stage that group and count its clips, and do not change their results."""
OF_SOURCES = {
    "openpose": "openpose",
    "openpose-json": "openpose_json",
    "onnx": "onnx",
    "own": "own",
}
"""The params group of each source that has one."""
OF_THIS_MACHINE = {
    "openpose": {"root", "models", "weights_md5", "num_gpu", "num_gpu_start"},
    "onnx": {"model"},
}
"""Params that name files and devices of this machine; they are never recorded, the networks are."""


def recorded_joints(
    params: Skeletons3dParams, own: OwnSkeletonParams | None, people: int
) -> dict[str, Any]:
    """The params that a cache of 3D skeletons records, as JSON values.

    Args:
        params: Those of the stage.
        own: What skeletons of one's own are like.
        people: Most people of a clip.
    """
    left_out = {*NOT_CONTENT, *(["options"] if is_built_in("sensors", params.format) else [])}
    content = params.model_dump(mode="json", exclude=left_out)
    if people != PAPER_PEOPLE:
        content["people"] = people
    if params.format == "own" and own is not None:
        content["own"] = own.model_dump(mode="json")
    return content


def recorded(params: SkeletonParams, source: str) -> dict[str, Any]:
    """The params that a cache of skeletons from `source` records, as JSON values.

    Args:
        params: Those of the stage.
        source: A pose source; empty for one without params of its own.
    """
    own = OF_SOURCES.get(source, "")
    left_out: dict[str, Any] = dict.fromkeys({*NOT_CONTENT, *OF_SOURCES.values()} - {own}, True)
    if not source or is_built_in("pose", source):
        left_out["options"] = True
    if params.frames == "all":
        left_out["frames"] = True
    if params.people == PAPER_PEOPLE:
        left_out["people"] = True
    if own in OF_THIS_MACHINE:
        left_out[own] = OF_THIS_MACHINE[own]
    return params.model_dump(mode="json", exclude=left_out)


def shaping(params: SkeletonParams) -> dict[str, Any]:
    """The params that turn detected people into skeletons, as JSON values.

    The estimator's own settings are in the producer; the name it was chosen by makes no
    difference.
    """
    used = {"subjects"}
    if params.subjects == "auto":
        used |= {"min_presence", "min_relative_size"}
    if params.frames == "all":
        used |= {"fill_gap"}
    if params.people != PAPER_PEOPLE:
        used |= {"people"}
    return params.model_dump(mode="json", include=used)
