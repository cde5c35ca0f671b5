"""Where the people of a data set come from: settled once, before any clip."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import av
import click
import cv2

from stroi.cache.rois import PAPER_PEOPLE
from stroi.pipeline.parallel.executor import Workers
from stroi.pipeline.params.profile import MosaicParams, SkeletonParams
from stroi.stages.pose.registry import choose, load, record, with_full_paths
from stroi.trainer.plugins import versioned

DETECTION_VERSION = 2
"""Raise it, and the version of stage ``skeletons``, when the same video gives other people."""
JSON = "openpose-json"
KINECT = "kinect"
OWN = "own"
IN_ORDER = (KINECT, OWN)
"""Sources that know who is who, from left to right."""


@dataclass(frozen=True)
class PoseSourcePlan:
    """Where the people of a data set come from.

    Attributes:
        params: The stage's params, with the source that was settled and paths that hold everywhere.
        why: Why that source.
        producer: All that shapes the people found in given frames, as JSON values.
        needed: Params of the mosaics whose frames alone are needed, with some between; None if
            every frame is.
    """

    params: SkeletonParams
    why: str
    producer: Mapping[str, Any]
    needed: MosaicParams | None = None

    @property
    def source(self) -> str:
        """Name of an estimator, `JSON`, `KINECT` or `OWN`."""
        return self.params.source


def plan_pose_source(
    params: SkeletonParams, mosaics: MosaicParams, *, say: Callable[[str], None] = click.echo
) -> PoseSourcePlan:
    """Settle where the people come from, and print it.

    Args:
        params: The stage's params.
        mosaics: Params of the mosaics to come; they matter if only some frames are processed.
        say: Prints it.

    Raises:
        StroiError: If the source that the params name cannot be used.
    """
    shared = {"opencv": cv2.__version__, "av": av.__version__, "detection": DETECTION_VERSION}
    if params.source == JSON:
        model, frames = params.openpose_json.model, params.openpose_json.compare_frames
        say(f"skeletons from {JSON}, network {model}, as the params name it")
        producer = {"estimator": JSON, "model": model, **shared}
        if frames:
            movenet = record(load(params.replace(source="movenet")))
            producer |= {"compared_frames": frames, "compared_with": dict(movenet)}
        return PoseSourcePlan(params, "named", producer)
    if params.source == KINECT:
        say("skeletons from the sensor's own files, as the params name them")
        return PoseSourcePlan(params, "named", {"estimator": KINECT, **_kept(params), **shared})
    if params.source == OWN:
        say("skeletons from your own files, as the params name them")
        own = params.own.model_dump(mode="json")
        producer = {"estimator": OWN, "own": own, **_kept(params), **shared}
        return PoseSourcePlan(params, "named", producer)
    params = with_full_paths(params)
    choice = choose(params)
    params = params.replace(source=choice.source)
    producer = {**record(load(params)), **shared, **versioned("pose", params.source)}
    if producer.get("plugin"):
        producer["options"] = params.options.model_dump(mode="json")
    say(f"skeletons from {choice.message}")
    if params.frames == "all":
        return PoseSourcePlan(params, choice.why, producer)
    producer["frames"] = mosaics.model_dump(include={"columns", "candidates", "sampling"})
    return PoseSourcePlan(params, choice.why, producer, mosaics)


def _kept(params: SkeletonParams) -> dict[str, int]:
    """What a sensor's reader keeps, where that is not the paper's two people."""
    return {} if params.people == PAPER_PEOPLE else {"people": params.people}


def suitable_workers(workers: Workers, plan: PoseSourcePlan) -> Workers:
    """`workers`, or one of them if each would load OpenPose and its GPU memory once more."""
    if plan.source == "openpose" and workers.backend == "loky":
        return replace(workers, jobs=1)
    return workers
