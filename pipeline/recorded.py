"""Which params of the skeletons shape them: what a cache records of a profile."""

from __future__ import annotations

from typing import Any

from stroi.pipeline.profile import SkeletonParams
from stroi.pipeline.recipe import NOT_CONTENT

OF_SOURCES = {"openpose": "openpose", "openpose-json": "openpose_json", "onnx": "onnx"}
"""The params group of each source that has one."""
OF_THIS_MACHINE = {"openpose": {"root", "num_gpu", "num_gpu_start"}, "onnx": {"model"}}
"""Params that say where something lies, which is no content and nobody's business."""


def recorded(params: SkeletonParams, source: str) -> dict[str, Any]:
    """The params that shape skeletons from `source`, as JSON values."""
    own = OF_SOURCES.get(source, "")
    left_out: dict[str, Any] = dict.fromkeys({*NOT_CONTENT, *OF_SOURCES.values()} - {own}, True)
    if params.frames == "all":
        # Skeletons of all frames are those of the time before there was a choice, keys included.
        left_out["frames"] = True
    if own in OF_THIS_MACHINE:
        left_out[own] = OF_THIS_MACHINE[own]
    return params.model_dump(mode="json", exclude=left_out)
