"""Where the people of a data set come from: settled once, before any clip is looked at."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2

from stroi.pipeline.options import say
from stroi.pipeline.parallel.executor import Workers
from stroi.pipeline.params.profile import MosaicParams, SkeletonParams
from stroi.stages.pose.estimator import Estimator
from stroi.stages.pose.estimators.openpose_build import ROOT_VARIABLE
from stroi.stages.pose.readers.openpose_json import JsonModel
from stroi.stages.pose.registry import Settings, choose, load, record
from stroi.stages.video.frame_sampling import SamplingRule, sample_candidates

DETECTION = 1
"""Raise it when the same video gives other people found: then all is estimated anew."""
JSON = "openpose-json"
KINECT = "kinect"
READ = (JSON, KINECT)
"""The sources that are no estimators."""


@dataclass(frozen=True)
class Columns:
    """The frames that mosaics need; fields as in `stroi.pipeline.params.profile.MosaicParams`."""

    columns: int
    candidates: int
    sampling: SamplingRule

    def of(self, count: int) -> list[int]:
        """Their indices in a clip of so many frames, rising."""
        wanted = sample_candidates(count, self.columns, self.candidates, self.sampling)
        return [int(frame) for frame in wanted]


@dataclass(frozen=True)
class PoseSourcePlan:
    """Where the people of a data set come from; settled once, before any clip.

    Attributes:
        source: Name of an estimator, or one of `READ`.
        why: Why that one.
        settings: What the estimator is told.
        json_model: Network that wrote the JSON.
        producer: All that shapes what is found in given frames, as JSON values.
        columns: What is looked at, with frames between; None for every frame.
    """

    source: str
    why: str
    settings: Settings
    json_model: JsonModel
    producer: Mapping[str, Any]
    columns: Columns | None = None


def make_plan(params: SkeletonParams, mosaics: MosaicParams) -> PoseSourcePlan:
    """Settle where the people come from, and say so.

    Args:
        params: The stage's params.
        mosaics: Params of the mosaics to come; they matter if only some frames are looked at.

    Raises:
        StroiError: If the source that the params name cannot be used.
    """
    settings = _settings(params)
    shared = {"opencv": cv2.__version__, "detection": DETECTION}
    if params.source == JSON:
        model = params.openpose_json.model
        producer = {"estimator": JSON, "model": model, **shared}
        say(f"skeletons from {JSON}, network {model}, as the params name it")
        return PoseSourcePlan(JSON, "named", settings, model, producer)
    if params.source == KINECT:
        say("skeletons from the sensor's own files, as the params name them")
        return PoseSourcePlan(
            KINECT, "named", settings, params.openpose_json.model, {"estimator": KINECT, **shared}
        )
    choice = choose(params.source, settings)
    producer = {**record(estimator(choice.source, settings)), **shared}
    say(f"skeletons from {choice.told}")
    columns = None
    if params.frames == "sampled":
        columns = Columns(mosaics.columns, mosaics.candidates, mosaics.sampling)
        producer["frames"] = vars(columns)
    return PoseSourcePlan(
        choice.source, choice.why, settings, params.openpose_json.model, producer, columns
    )


def suitable(workers: Workers, plan: PoseSourcePlan) -> Workers:
    """`workers`, or one of them if each would load OpenPose and its GPU memory once more."""
    if plan.source == "openpose" and workers.backend == "loky":
        return replace(workers, jobs=1)
    return workers


@lru_cache(maxsize=1)
def estimator(name: str, settings: Settings) -> Estimator:
    """The estimator of that name, loaded once per process."""
    return load(name, settings)


def _settings(params: SkeletonParams) -> Settings:
    # Those that are set: old releases do not know all of them.
    options = params.openpose.model_dump(exclude={"root", "model"}, exclude_defaults=True)
    # Resolved here, because workers of a cluster have another environment and folder.
    root = params.openpose.root or os.environ.get(ROOT_VARIABLE)
    model = params.onnx.model
    return Settings(
        input_size=params.input_size,
        openpose_root=Path(root).expanduser().resolve() if root else None,
        openpose_model=params.openpose.model,
        openpose_options=tuple(sorted(options.items())),
        onnx_model=Path(model).expanduser().resolve() if model else None,
        onnx_layout=params.onnx.layout,
    )
