"""Stage ``skeletons``: estimate, track and choose the people of every clip."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
from stroi.cache.files import check_writable, sweep_temporaries
from stroi.cache.locks import lock
from stroi.cache.skeletons import Clip, clip_digests, encode_skeletons
from stroi.pipeline.fanout import Workers
from stroi.pipeline.index import Index, Sample, read_index
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
"""Raise it when the same people found give other skeletons: tracking and choice."""
DETECTION = 1
"""Raise it when the same video gives other people found: then all is estimated anew."""
DETECTIONS = "detections"
"""Folder of the store: everybody found in a clip, per clip."""


@dataclass(frozen=True)
class Source:
    """What the index knows of a clip, and where everybody found in it is kept; no label."""

    video: Path
    sha256: str
    kept: Path


@lru_cache(maxsize=1)
def _estimator(name: str, side: int) -> Estimator:
    return load_estimator(name, side=side)


def detections_key(sha256: str, params: SkeletonParams, estimator: Mapping[str, Any]) -> str:
    """Content key of everybody found in a video; nothing of tracking and choice is in it.

    Args:
        sha256: Digest of the video.
        params: The stage's params.
        estimator: The part of the producer that shapes what is found.
    """
    return digest([sha256, params.source, params.side, dict(estimator), DETECTION])


def estimate(source: Source, *, params: SkeletonParams) -> Detections:
    """Everybody found in every frame; as kept if these bytes were estimated before.

    Raises:
        ClipRejected: If the video changed since it was indexed, or cannot be decoded.
    """
    detections = load_detections(source.kept)
    if detections is None:
        check_unchanged(source.video, source.sha256)
        detections = detect(source.video, _estimator(params.source, params.side))
        save_detections(source.kept, detections)
    return detections


def make_clip(source: Source, *, params: SkeletonParams) -> Clip:
    """The tracked skeleton of one clip.

    Raises:
        ClipRejected: If the video cannot be used or shows nobody.
    """
    found = estimate(source, params=params)
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


def _job(
    raw: Path, store: Path, sample: Sample, params: SkeletonParams, estimator: Mapping[str, Any]
) -> Job[Source]:
    kept = f"{DETECTIONS}/{detections_key(sample.sha256, params, estimator)}.npz"
    source = Source(raw / sample.video, sample.sha256, store / kept)
    return Job(sample.id, {"video": sample.sha256}, source, kept)


def build_skeletons(
    raw: Path, index: Index, out: Path, params: SkeletonParams, workers: Workers, store: Path
) -> Ledger:
    """Write the skeleton cache of a data set to `out`.

    Raises:
        StroiError: If more clips than ``max_quarantined`` were quarantined.
    """
    estimator = {
        "estimator": params.source,
        "model": _estimator(params.source, params.side).digest,
        "opencv": cv2.__version__,
        "onnxruntime": onnxruntime.__version__,
    }
    check_writable(store / DETECTIONS)
    sweep_temporaries(store / DETECTIONS)
    recipe = Recipe(
        kind="skeletons",
        algorithm=ALGORITHM,
        params=params.model_dump(exclude=NOT_CONTENT),
        producer={**estimator, "detection": DETECTION, "scipy": scipy.__version__},
        make=partial(make_clip, params=params),
        encode=encode,
        detail=describe,
    )
    jobs = [_job(raw, store, sample, params, estimator) for sample in index.samples]
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
