"""Stage ``mosaics``: cut the K x L spatio-temporal regions of interest of every clip (eq. 1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import click
import cv2
import numpy as np

from stroi.cache.locks import lock
from stroi.cache.mosaics import Mosaics, encode_mosaics, sample_digests
from stroi.cache.skeletons import SkeletonCache
from stroi.pipeline.fanout import Workers
from stroi.pipeline.index import Index, read_index
from stroi.pipeline.ledger import Ledger, check_share
from stroi.pipeline.options import in_project, say, with_workers
from stroi.pipeline.params import load_profile
from stroi.pipeline.profile import MosaicParams
from stroi.pipeline.shards import NOT_CONTENT, Encoded, Job, Recipe, build_shards
from stroi.pipeline.workspace import Workspace
from stroi.stages.roi.mosaic import Cut, cut_mosaic
from stroi.stages.roi.sampling import sample_frames
from stroi.stages.source import check_unchanged
from stroi.stages.video import read_selected

GROUPS = ("mosaics",)
ALGORITHM = 1
"""Raise it when the same video, skeleton and params give other pixels."""


@dataclass(frozen=True)
class Source:
    """Where one clip's video and skeleton are; no label."""

    id: str
    video: Path
    sha256: str
    skeletons: Path


@lru_cache(maxsize=1)
def _skeletons(folder: Path) -> SkeletonCache:
    # The stage verified the folder once, before the workers started.
    return SkeletonCache(folder, verify=False)


def make_mosaic(source: Source, *, params: MosaicParams) -> Cut:
    """The mosaic of one clip.

    Raises:
        ClipRejected: If the video changed since it was indexed, or its frames cannot be read.
    """
    check_unchanged(source.video, source.sha256)
    clip = _skeletons(source.skeletons)[source.id]
    wanted = sample_frames(len(clip.keypoints), params.columns, params.sampling)
    return cut_mosaic(
        read_selected(source.video, wanted.tolist()),
        clip,
        wanted,
        cell=params.cell,
        size=params.size,
        min_confidence=params.min_confidence,
        border=params.border,
        missing=params.missing,
    )


def encode(ids: Sequence[str], cuts: Sequence[Cut]) -> Encoded:
    """A mosaic shard."""
    mosaics = Mosaics(
        ids=tuple(ids),
        mosaic=np.stack([cut.mosaic for cut in cuts]),
        person_count=np.array([cut.person_count for cut in cuts], np.int8),
        frame_index=np.stack([cut.frame_index for cut in cuts]),
        box=np.stack([cut.box for cut in cuts]),
        confidence=np.stack([cut.confidence for cut in cuts]),
        valid=np.stack([cut.valid for cut in cuts]),
    )
    return Encoded(encode_mosaics(mosaics), sample_digests(mosaics))


def describe(cut: Cut) -> str:
    """The ledger's remark: how many cells are black because their joint is missing."""
    shown = cut.valid[: cut.person_count]
    missing = int(np.count_nonzero(~shown))
    return f"{missing} of {shown.size} cells missing" if missing else ""


def build_mosaics(
    raw: Path,
    index: Index,
    skeletons: Path,
    out: Path,
    params: MosaicParams,
    workers: Workers,
    store: Path,
) -> Ledger:
    """Write the mosaic cache of a data set to `out`.

    Raises:
        RefusedInput: If the skeletons are damaged.
        StroiError: If more clips than ``max_quarantined`` were quarantined.
    """
    cache = SkeletonCache(skeletons)
    poses = cache.manifest.content_by_id
    recipe = Recipe(
        kind="mosaics",
        algorithm=ALGORITHM,
        params=params.model_dump(exclude=NOT_CONTENT),
        producer={"opencv": cv2.__version__, "skeletons": dict(cache.manifest.producer)},
        make=partial(make_mosaic, params=params),
        encode=encode,
        detail=describe,
    )
    jobs = [
        Job(
            sample.id,
            {"video": sample.sha256, "skeleton": poses[sample.id]},
            Source(sample.id, raw / sample.video, sample.sha256, skeletons),
        )
        for sample in index.samples
        if sample.id in poses
    ]
    ledger = build_shards(
        out, recipe, jobs, clips_per_shard=params.clips_per_shard, store=store, workers=workers
    )
    check_share(ledger, params.max_quarantined, out)
    return ledger


@click.command(help="Cut the mosaics of DATASET into data/DATASET/mosaics.")
@click.argument("dataset")
@in_project
@with_workers
def command(workspace: Workspace, dataset: str, workers: Workers) -> None:
    """Build the mosaic cache of one data set."""
    params = load_profile(workspace.root, dataset).mosaics
    with lock(workspace.lock("mosaics", dataset)):
        ledger = build_mosaics(
            workspace.raw(dataset),
            read_index(workspace.index(dataset)),
            workspace.skeletons(dataset),
            workspace.mosaics(dataset),
            params,
            workers,
            workspace.store,
        )
    say(f"mosaics {dataset}: {ledger.summary()}")
