"""Stage ``skeletons``: estimate, track and choose the people of every clip."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import Any

import click
import numpy as np
import scipy
from numpy.typing import NDArray

from stroi.cache.files.atomic import check_writable, sweep_temporaries
from stroi.cache.files.locks import lock
from stroi.cache.skeletons import Clip, assemble_skeletons
from stroi.cache.storage.assemble import Encoded
from stroi.pipeline.index.ledger import Ledger, check_share
from stroi.pipeline.index.table import Index, read_index
from stroi.pipeline.options import in_project, with_workers
from stroi.pipeline.parallel.executor import Workers
from stroi.pipeline.params.cache_params import recorded, shaping
from stroi.pipeline.params.load import load_profile
from stroi.pipeline.params.profile import MosaicParams, SkeletonParams
from stroi.pipeline.shards.build import TaskSpec, build_shards
from stroi.pipeline.shards.pose_sources import mixed_sources
from stroi.pipeline.workspace import Workspace
from stroi.stages.pose.detect import DETECTIONS, Source, find, make_jobs, remark
from stroi.stages.pose.estimators.openpose_build import ROOT_VARIABLE
from stroi.stages.pose.sampled import frames_to_look_at, sparse_persons
from stroi.stages.pose.source import KINECT, PoseSourcePlan, make_plan, suitable
from stroi.stages.pose.tracking.person_selection import fill_gaps, main_persons
from stroi.stages.pose.tracking.tracking import track

STAGE_PARAMS = ("skeletons", "mosaics")
VERSION = 3
"""Raise it when the same people found give other skeletons: tracking and choice."""


@dataclass(frozen=True)
class Made:
    """A clip's skeleton.

    Attributes:
        clip: The skeleton.
        remark: The ledger's remark: where it comes from, people, frames, what was filled.
    """

    clip: Clip
    remark: str


def make_clip(source: Source, *, plan: PoseSourcePlan, params: SkeletonParams) -> Made:
    """The tracked skeleton of one clip.

    Raises:
        ClipRejected: If the video cannot be used or shows nobody.
    """
    found = find(source, plan)
    choice: dict[str, Any] = {
        "subjects": params.subjects,
        "min_presence": params.min_presence,
        "min_relative_size": params.min_relative_size,
        "fill_gap": 0,
    }
    frames = len(found.counts)
    look = np.arange(frames)
    if plan.columns is not None:
        look = frames_to_look_at(plan.columns.of(frames), frames, found.fps)
        keypoints, person_count = sparse_persons(found, look, **choice)
    elif plan.source == KINECT:
        keypoints, person_count = main_persons(found.as_tracks(), **choice, in_order=True)
    else:
        keypoints, person_count = main_persons(track(found.by_frame(), fps=found.fps), **choice)
    # Frames that nobody looked at are no gaps.
    filled = fill_gaps(keypoints.swapaxes(0, 1), 0 if plan.columns else params.fill_gap)
    clip = Clip(filled.swapaxes(0, 1), person_count, found.width, found.height, found.fps)
    told = remark(source, plan, frames)
    return Made(clip, f"{told}; {describe(clip, keypoints, look)}")


def encode(ids: Sequence[str], made: Sequence[Made]) -> Encoded:
    """A skeleton shard."""
    return assemble_skeletons(ids, [one.clip for one in made])


def describe(clip: Clip, found: NDArray[np.float32], look: NDArray[np.intp]) -> str:
    """People, frames, the share of frames in which each was seen, and what was filled.

    Args:
        clip: A clip of T frames.
        found: (T, 2, 25, 3) its key points before gaps were filled.
        look: (F,) frames that were looked at.
    """
    shown = clip.keypoints[look, : clip.person_count, :, 2].max(axis=2) > 0
    seen = " and ".join(f"{share:.0%}" for share in np.mean(shown, axis=0))
    frames = len(clip.keypoints)
    looked = f"{len(look)} of {frames}" if len(look) < frames else f"{frames}"
    filled = np.count_nonzero(clip.keypoints[..., 2]) - np.count_nonzero(found[..., 2])
    return (
        f"{clip.person_count} of at most 2 people in {looked} frames, seen in {seen}"
        f"; {filled} missing joints interpolated"
    )


def build_skeletons(
    raw: Path,
    index: Index,
    out: Path,
    params: SkeletonParams,
    workers: Workers,
    store: Path,
    mosaics: MosaicParams | None = None,
) -> Ledger:
    """Write the skeleton cache of a data set to `out`.

    Args:
        raw: Root of the data set.
        index: Its clips.
        out: Folder of the cache.
        params: The stage's params.
        workers: Who makes it.
        store: Folder of finished work.
        mosaics: Params of the mosaics to come: they say which frames `sampled` are.

    Raises:
        StroiError: If the source of the skeletons cannot be used, or more clips than
            ``max_quarantined`` were quarantined.
    """
    plan = make_plan(params, mosaics or MosaicParams())
    for warning in mixed_sources(out, plan.producer):
        click.echo(warning)
    workers = suitable(workers, plan)
    check_writable(store / DETECTIONS)
    sweep_temporaries(store / DETECTIONS)
    spec = TaskSpec(
        kind="skeletons",
        algorithm=VERSION,
        params=shaping(params),
        producer={**plan.producer, **_libraries(plan)},
        make=partial(make_clip, plan=plan, params=params),
        encode=encode,
        detail=attrgetter("remark"),
        stated=recorded(params, plan.source),
        origin={"chosen": plan.why},
    )
    jobs = make_jobs(raw, index.samples, plan, workers, store)
    ledger = build_shards(
        out, spec, jobs, clips_per_shard=params.clips_per_shard, store=store, workers=workers
    )
    check_share(ledger, params.max_quarantined, out)
    return ledger


def _libraries(plan: PoseSourcePlan) -> dict[str, str]:
    """Versions of what tracks the people; a sensor says itself who is who."""
    tracking = {} if plan.source == KINECT else {"scipy": scipy.__version__}
    return {"numpy": np.__version__} | tracking


@click.command(help="Estimate and track the skeletons of DATASET into data/DATASET/skeletons.")
@click.argument("dataset")
@in_project
@with_workers
@click.option(
    "--openpose-root",
    type=click.Path(path_type=Path),
    help=f"Folder of your build of OpenPose, in place of the variable {ROOT_VARIABLE}.",
)
def command(
    workspace: Workspace, dataset: str, workers: Workers, openpose_root: Path | None
) -> None:
    """Build the skeleton cache of one data set."""
    profile = load_profile(workspace.root, dataset)
    params = profile.skeletons
    if openpose_root:
        own = params.openpose.model_copy(update={"root": str(openpose_root)})
        params = params.model_copy(update={"openpose": own})
    with lock(workspace.lock("skeletons", dataset)):
        ledger = build_skeletons(
            workspace.raw(dataset),
            read_index(workspace.index(dataset)),
            workspace.skeletons(dataset),
            params,
            workers,
            workspace.store,
            profile.mosaics,
        )
    click.echo(f"skeletons {dataset}: {ledger.summary()}")
