"""Which params of the skeletons a cache records of a profile, and which of them shape it."""

from __future__ import annotations

from typing import Any

from stroi.pipeline.params.profile import SkeletonParams

NOT_CONTENT = {"clips_per_shard", "max_quarantined"}
"""Params of a stage that say how its clips are grouped and judged, not what they become."""
OF_SOURCES = {"openpose": "openpose", "openpose-json": "openpose_json", "onnx": "onnx"}
"""The params group of each source that has one."""
OF_THIS_MACHINE = {"openpose": {"root", "num_gpu", "num_gpu_start"}, "onnx": {"model"}}
"""Params that say where something lies, which is no content and nobody's business."""


def recorded(params: SkeletonParams, source: str) -> dict[str, Any]:
    """The params that a cache of skeletons from `source` records, as JSON values."""
    own = OF_SOURCES.get(source, "")
    left_out: dict[str, Any] = dict.fromkeys({*NOT_CONTENT, *OF_SOURCES.values()} - {own}, True)
    if params.frames == "all":
        left_out["frames"] = True
    if own in OF_THIS_MACHINE:
        left_out[own] = OF_THIS_MACHINE[own]
    return params.model_dump(mode="json", exclude=left_out)


def shaping(params: SkeletonParams) -> dict[str, Any]:
    """The params that make skeletons of the people found, as JSON values.

    What finds the people has told its own settings among the producer's; by which name it was
    chosen makes no difference.
    """
    used = {"subjects"}
    if params.subjects == "auto":
        used |= {"min_presence", "min_relative_size"}
    if params.frames == "all":
        used |= {"fill_gap"}
    return params.model_dump(mode="json", include=used)
