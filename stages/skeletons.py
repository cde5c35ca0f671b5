"""Stage ``skeletons``: detect and track the people of every clip, and choose those that count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
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
from stroi.cache.skeletons import Clip, skeleton_fields
from stroi.cache.storage.formats import SKELETONS
from stroi.cache.storage.schema import Arrays
from stroi.pipeline.completion import complete_dataset
from stroi.pipeline.datasets.reading.tree import json_place
from stroi.pipeline.index.ledger import Ledger
from stroi.pipeline.index.table import Index, Sample, read_index
from stroi.pipeline.options import as_stage, with_workers
from stroi.pipeline.parallel.executor import Workers
from stroi.pipeline.params.cache_params import recorded, shaping
from stroi.pipeline.params.load import load_profile
from stroi.pipeline.params.profile import MosaicParams, SkeletonParams
from stroi.pipeline.shards.build import TaskSpec
from stroi.pipeline.shards.pose_sources import mixed_sources
from stroi.pipeline.workspace import Workspace
from stroi.stages.pose.detect import DETECTIONS, describe_source, detect_poses
from stroi.stages.pose.detections import Detections
from stroi.stages.pose.estimators.openpose_build import ROOT_VARIABLE
from stroi.stages.pose.openpose_commands import openpose_commands
from stroi.stages.pose.readers.openpose_files import NO_FOLDER
from stroi.stages.pose.sampled import frames_to_process, sampled_persons
from stroi.stages.pose.source import (
    IN_ORDER,
    JSON,
    KINECT,
    OWN,
    PoseSourcePlan,
    plan_pose_source,
    suitable_workers,
)
from stroi.stages.pose.tracking.person_selection import fill_gaps, main_persons
from stroi.stages.pose.tracking.tracking import track
from stroi.stages.video.clip_input import ClipInput, build_cache, clip_inputs
from stroi.stages.video.frame_sampling import mosaic_frames
from stroi.trainer.plugins import origin

STAGE_PARAMS = ("skeletons", "mosaics")
VERSION = 5
"""Raise it when the same input would give other bytes: detections to skeletons, by tracking and
choice. (`stroi.stages.pose.source.DETECTION_VERSION` is that of the detections.)"""
PERSON_BYTES = 25 * 3 * 4
"""Bytes of a person in a frame of a shard: 25 joints."""


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
        workers: Where to run.
        store: Folder of finished work.
        mosaics: Params of the mosaics to come, whose frames ``frames: sampled`` takes.

    Raises:
        StroiError: If the source of the skeletons cannot be used, or more clips than
            ``max_quarantined`` were quarantined.
    """
    plan = plan_pose_source(params, mosaics or MosaicParams())
    for warning in mixed_sources(out, plan.producer):
        click.echo(warning)
    workers = suitable_workers(workers, plan)
    check_writable(store / DETECTIONS)
    sweep_temporaries(store / DETECTIONS)
    # A sensor has identities of its own; scipy tracks all other people.
    tracking = {} if plan.source in IN_ORDER else {"scipy": scipy.__version__}
    spec = TaskSpec(
        format=SKELETONS,
        version=VERSION,
        params=shaping(params),
        producer={**plan.producer, "numpy": np.__version__, **tracking},
        make=partial(make_skeleton, plan=plan, store=store),
        fields=to_fields,
        detail=attrgetter("remark"),
        stated=recorded(params, plan.source),
        origin={"chosen": plan.why, **origin("pose", plan.source)},
    )
    return build_cache(
        out,
        spec,
        _inputs(raw, index.samples, plan.source, store),
        params,
        clip_bytes=lambda clip: params.people * PERSON_BYTES * clip.frames,
        workers=workers,
        store=store,
    )


def _inputs(raw: Path, samples: Sequence[Sample], source: str, store: Path) -> list[ClipInput]:
    if source == KINECT:
        return clip_inputs(raw, samples, store, "video", "skeleton")
    if source == OWN:
        return clip_inputs(raw, samples, store, "video", "skeleton", "camera")
    clips = clip_inputs(raw, samples, store, "video")
    if source != JSON:
        return clips
    return [
        replace(
            clip,
            skeleton=json_place(sample.skeleton, sample.id),
            digests={**clip.digests, "skeleton": sample.pose_sha256 or NO_FOLDER},
        )
        for sample, clip in zip(samples, clips, strict=True)
    ]


@dataclass(frozen=True)
class Skeleton:
    """A clip's skeleton.

    Attributes:
        clip: The skeleton.
        remark: The ledger's remark: where it comes from, people, frames, what was filled.
    """

    clip: Clip
    remark: str


def make_skeleton(clip: ClipInput, *, plan: PoseSourcePlan, store: Path) -> Skeleton:
    """The tracked skeleton of one clip.

    Raises:
        ClipRejected: If the video cannot be used or shows nobody.
    """
    return choose_people(detect_poses(clip, plan, store), clip, plan)


def choose_people(detections: Detections, clip: ClipInput, plan: PoseSourcePlan) -> Skeleton:
    """The people that count among all that were detected in a clip.

    Raises:
        ClipRejected: ``NO_PERSON``.
    """
    params, frames = plan.params, len(detections.counts)
    choice: dict[str, Any] = {
        "people": params.people,
        "subjects": params.subjects,
        "min_presence": params.min_presence,
        "min_relative_size": params.min_relative_size,
        "fill_gap": 0,
    }
    processed = np.arange(frames)
    if plan.needed is not None:
        needed = mosaic_frames(frames, plan.needed).tolist()
        processed = frames_to_process(needed, frames, detections.fps)
        keypoints, person_count = sampled_persons(detections, processed, **choice)
    elif plan.source in IN_ORDER:
        keypoints, person_count = main_persons(detections.as_tracks(), **choice, in_order=True)
    else:
        tracks = track(detections.by_frame(), fps=detections.fps)
        keypoints, person_count = main_persons(tracks, **choice)
    # Frames that were not processed are no gaps.
    longest = 0 if plan.needed else params.fill_gap
    # (T, P, 25, 3) -> (P, T, 25, 3) -> (T, P, 25, 3)
    filled = fill_gaps(keypoints.swapaxes(0, 1), longest).swapaxes(0, 1)
    skeleton = Clip(filled, person_count, detections.width, detections.height, detections.fps)
    source = describe_source(clip, plan, frames)
    remarks = (source, describe(skeleton, keypoints, processed), detections.remark)
    return Skeleton(skeleton, "; ".join(filter(None, remarks)))


def to_fields(skeleton: Skeleton) -> Arrays:
    """Array of each field, but the id, of a shard with this skeleton alone."""
    return skeleton_fields(skeleton.clip)


def describe(clip: Clip, unfilled: NDArray[np.float32], processed: NDArray[np.intp]) -> str:
    """People, frames, the share of frames in which each was seen, and what was filled.

    Args:
        clip: A clip of T frames.
        unfilled: (T, P, 25, 3) its key points before gaps were filled.
        processed: (F,) frames that were processed.
    """
    # (F, persons, 25) -> (F, persons)
    seen = clip.keypoints[processed, : clip.person_count, :, 2].max(axis=2) > 0
    shares = " and ".join(f"{share:.0%}" for share in np.mean(seen, axis=0))
    frames, people = clip.keypoints.shape[:2]
    of = f"{len(processed)} of {frames}" if len(processed) < frames else f"{frames}"
    filled = np.count_nonzero(clip.keypoints[..., 2]) - np.count_nonzero(unfilled[..., 2])
    return (
        f"{clip.person_count} of at most {people} people in {of} frames, seen in {shares}"
        f"; {filled} missing joints interpolated"
    )


@click.command(help="Estimate and track the skeletons of DATASET into data/DATASET/skeletons.")
@click.argument("dataset", shell_complete=complete_dataset)
@as_stage
@with_workers
@click.option(
    "--openpose-root",
    type=click.Path(path_type=Path),
    help=f"Folder of your build of OpenPose, in place of the variable {ROOT_VARIABLE}.",
)
@click.option(
    "--print-openpose-commands",
    "print_commands",
    is_flag=True,
    help="Print a shell script by which an OpenPose elsewhere writes the JSON files that source"
    " openpose-json reads, and do no more.",
)
def command(
    workspace: Workspace,
    dataset: str,
    workers: Workers,
    openpose_root: Path | None,
    print_commands: bool,
) -> None:
    """Build the skeleton cache of one data set."""
    profile = load_profile(workspace.root, dataset, workspace.settings)
    params = profile.skeletons
    if print_commands:
        samples = read_index(workspace.index(dataset)).samples
        for line in openpose_commands(dataset, workspace.raw(dataset), samples, params):
            click.echo(line)
        return
    if openpose_root:
        params = params.replace(openpose=params.openpose.replace(root=str(openpose_root)))
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
