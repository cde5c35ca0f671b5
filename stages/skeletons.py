"""Stage ``skeletons``: estimate, track and choose the people of every clip."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import click
import numpy as np
import scipy

from stroi.cache.files import check_writable, sweep_temporaries
from stroi.cache.locks import lock
from stroi.cache.skeletons import Clip, clip_digests, encode_skeletons
from stroi.pipeline.fanout import Workers
from stroi.pipeline.index import Index, read_index
from stroi.pipeline.ledger import Ledger, check_share
from stroi.pipeline.options import in_project, say, with_workers
from stroi.pipeline.params import load_profile
from stroi.pipeline.profile import SkeletonParams
from stroi.pipeline.shards import NOT_CONTENT, Encoded, Recipe, build_shards
from stroi.pipeline.workspace import Workspace
from stroi.stages.finding import DETECTIONS, Source, find, make_jobs
from stroi.stages.plan import Plan, make_plan, suitable
from stroi.stages.pose.openpose_build import ROOT_VARIABLE
from stroi.stages.pose.subjects import main_persons
from stroi.stages.pose.tracking import track

GROUPS = ("skeletons",)
ALGORITHM = 2
"""Raise it when the same people found give other skeletons: tracking and choice."""
OF_SOURCES = {"openpose": "openpose", "openpose-json": "openpose_json", "onnx": "onnx"}
"""The params group of each source that has one."""
OF_THIS_MACHINE = {"openpose": {"root", "num_gpu", "num_gpu_start"}, "onnx": {"model"}}
"""Params that say where something lies, which is no content and nobody's business."""


def recorded(params: SkeletonParams, source: str) -> dict[str, Any]:
    """The params that shape skeletons from `source`, as JSON values."""
    own = OF_SOURCES.get(source, "")
    left_out: dict[str, Any] = dict.fromkeys({*NOT_CONTENT, *OF_SOURCES.values()} - {own}, True)
    if own in OF_THIS_MACHINE:
        left_out[own] = OF_THIS_MACHINE[own]
    return params.model_dump(exclude=left_out)


def make_clip(source: Source, *, plan: Plan, params: SkeletonParams) -> Clip:
    """The tracked skeleton of one clip.

    Raises:
        ClipRejected: If the video cannot be used or shows nobody.
    """
    found = find(source, plan)
    keypoints, person_count = main_persons(
        track(found.by_frame(), fps=found.fps),
        subjects=params.subjects,
        min_presence=params.min_presence,
        min_relative_size=params.min_relative_size,
        fill_gap=params.fill_gap,
    )
    return Clip(keypoints, person_count, found.width, found.height, found.fps)


def encode(ids: Sequence[str], clips: Sequence[Clip]) -> Encoded:
    """A skeleton shard."""
    return Encoded(encode_skeletons(ids, clips), clip_digests(clips))


def describe(clip: Clip) -> str:
    """The ledger's remark: people, frames, and the share of frames in which each was seen."""
    shown = clip.keypoints[:, : clip.person_count, :, 2].max(axis=2) > 0
    seen = " and ".join(f"{share:.0%}" for share in np.mean(shown, axis=0))
    return f"{clip.person_count} of at most 2 people in {len(shown)} frames, seen in {seen}"


def build_skeletons(
    raw: Path, index: Index, out: Path, params: SkeletonParams, workers: Workers, store: Path
) -> Ledger:
    """Write the skeleton cache of a data set to `out`.

    Raises:
        StroiError: If the source of the skeletons cannot be used, or more clips than
            ``max_quarantined`` were quarantined.
    """
    plan = make_plan(params)
    workers = suitable(workers, plan)
    check_writable(store / DETECTIONS)
    sweep_temporaries(store / DETECTIONS)
    recipe = Recipe(
        kind="skeletons",
        algorithm=ALGORITHM,
        params=recorded(params, plan.source),
        producer={**plan.producer, "chosen": plan.why, "scipy": scipy.__version__},
        make=partial(make_clip, plan=plan, params=params),
        encode=encode,
        detail=describe,
    )
    jobs = make_jobs(raw, index.samples, plan, workers, store)
    ledger = build_shards(
        out, recipe, jobs, clips_per_shard=params.clips_per_shard, store=store, workers=workers
    )
    check_share(ledger, params.max_quarantined, out)
    return ledger


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
    params = load_profile(workspace.root, dataset).skeletons
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
        )
    say(f"skeletons {dataset}: {ledger.summary()}")
