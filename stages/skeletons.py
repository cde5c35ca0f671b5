"""Stage ``skeletons``: estimate, track and choose the people of every clip."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import click
import cv2
import numpy as np
import onnxruntime
import scipy

from stroi.cache.digests import digest
from stroi.cache.locks import lock
from stroi.cache.skeletons import Clip, clip_digests, encode_skeletons
from stroi.pipeline.fanout import Workers
from stroi.pipeline.index import Index, read_index
from stroi.pipeline.ledger import Ledger, check_share
from stroi.pipeline.options import in_project, say, with_workers
from stroi.pipeline.params import load_profile
from stroi.pipeline.profile import SkeletonParams
from stroi.pipeline.shards import NOT_CONTENT, Encoded, Job, Recipe, build_shards
from stroi.pipeline.workspace import Workspace
from stroi.stages.pose.detections import Detections, detect, load_detections, save_detections
from stroi.stages.pose.movenet import Estimator, load_estimator
from stroi.stages.pose.subjects import main_persons
from stroi.stages.pose.tracking import track
from stroi.stages.source import check_unchanged

GROUPS = ("skeletons",)
ALGORITHM = 1
"""Raise it when the same video and params give other skeletons."""


@dataclass(frozen=True)
class Source:
    """What the index knows of a clip; no label."""

    video: Path
    sha256: str


@lru_cache(maxsize=1)
def _estimator(name: str, side: int) -> Estimator:
    return load_estimator(name, side=side)


def estimate(
    source: Source, *, params: SkeletonParams, producer: dict[str, Any], kept: Path
) -> Detections:
    """Everybody found in every frame; from `kept` if these bytes were estimated before.

    Raises:
        ClipRejected: If the video changed since it was indexed, or cannot be decoded.
    """
    key = digest([source.sha256, params.source, params.side, producer, ALGORITHM])
    path = kept / f"{key}.npz"
    detections = load_detections(path)
    if detections is None:
        check_unchanged(source.video, source.sha256)
        detections = detect(source.video, _estimator(params.source, params.side))
        save_detections(path, detections)
    return detections


def make_clip(
    source: Source, *, params: SkeletonParams, producer: dict[str, Any], kept: Path
) -> Clip:
    """The tracked skeleton of one clip.

    Raises:
        ClipRejected: If the video cannot be used or shows nobody.
    """
    found = estimate(source, params=params, producer=producer, kept=kept)
    keypoints, person_count = main_persons(
        track(found.by_frame()),
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
        StroiError: If more clips than ``max_quarantined`` were quarantined.
    """
    producer = {
        "estimator": params.source,
        "model": _estimator(params.source, params.side).digest,
        "opencv": cv2.__version__,
        "onnxruntime": onnxruntime.__version__,
        "scipy": scipy.__version__,
    }
    kept = store / "detections"
    kept.mkdir(parents=True, exist_ok=True)
    recipe = Recipe(
        kind="skeletons",
        algorithm=ALGORITHM,
        params=params.model_dump(exclude=NOT_CONTENT),
        producer=producer,
        make=partial(make_clip, params=params, producer=producer, kept=kept),
        encode=encode,
        detail=describe,
    )
    jobs = [
        Job(sample.id, {"video": sample.sha256}, Source(raw / sample.video, sample.sha256))
        for sample in index.samples
    ]
    ledger = build_shards(
        out, recipe, jobs, clips_per_shard=params.clips_per_shard, store=store, workers=workers
    )
    check_share(ledger, params.max_quarantined, out)
    return ledger


@click.command(help="Estimate and track the skeletons of DATASET into data/DATASET/skeletons.")
@click.argument("dataset")
@in_project
@with_workers
def command(workspace: Workspace, dataset: str, workers: Workers) -> None:
    """Build the skeleton cache of one data set."""
    params = load_profile(workspace.root, dataset).skeletons
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
