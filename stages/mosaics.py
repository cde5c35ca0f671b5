"""Stage ``mosaics``: cut the K x L spatio-temporal regions of interest of every clip (eq. 1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import click
import cv2
import numpy as np

from stroi.cache.errors import ClipRejected
from stroi.cache.files.locks import lock
from stroi.cache.ids import ID_BYTES
from stroi.cache.mosaics import Mosaics, assemble_mosaics
from stroi.cache.skeletons import SkeletonCache
from stroi.cache.storage.assemble import Encoded
from stroi.pipeline.index.ledger import Ledger, check_share
from stroi.pipeline.index.table import Index, Sample, read_index, segment_inputs
from stroi.pipeline.options import in_project, with_workers
from stroi.pipeline.parallel.executor import Workers
from stroi.pipeline.params.cache_params import NOT_CONTENT
from stroi.pipeline.params.load import load_profile
from stroi.pipeline.params.profile import MosaicParams
from stroi.pipeline.shards.build import ClipTask, TaskSpec, build_shards
from stroi.pipeline.workspace import Workspace
from stroi.stages.mosaic.cut import PERSONS, ROWS, Cut, cell_side, cut_mosaic
from stroi.stages.video.fingerprint import check_unchanged
from stroi.stages.video.frame_sampling import sample_candidates
from stroi.stages.video.reader import read_selected

STAGE_PARAMS = ("mosaics",)
VERSION = 2
"""Raise it when the same video, skeleton and params give other pixels."""


@dataclass(frozen=True)
class Source:
    """Where one clip's video and skeleton are; no label.

    Attributes:
        id: Sample id.
        video: The video; None if the clip has none.
        sha256: Its digest in the index.
        start: First frame of the clip in the video.
        stop: Frame after its last; 0 if it lasts to the video's end.
        skeletons: Folder of the skeleton cache.
    """

    id: str
    video: Path | None
    sha256: str
    start: int
    stop: int
    skeletons: Path


@lru_cache(maxsize=1)
def _skeletons(folder: Path) -> SkeletonCache:
    # The stage verified the folder once, before the workers started.
    return SkeletonCache(folder, verify=False)


def make_mosaic(source: Source, *, params: MosaicParams) -> Cut:
    """The mosaic of one clip.

    Raises:
        ClipRejected: ``VIDEO_NONE`` if the clip has no video; if the video changed since it was
            indexed, or its frames cannot be read.
    """
    if source.video is None:
        raise ClipRejected(
            "VIDEO_NONE",
            "a skeleton without a video",
            remedy="add the video, or train the graph network alone",
        )
    check_unchanged(source.video, source.sha256)
    clip = _skeletons(source.skeletons)[source.id]
    wanted = sample_candidates(
        len(clip.keypoints), params.columns, params.candidates, params.sampling
    )
    return cut_mosaic(
        read_selected(source.video, wanted.tolist(), source.start, source.stop),
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
    return assemble_mosaics(
        [
            Mosaics(
                ids=(name,),
                mosaic=cut.mosaic[None],
                person_count=np.array([cut.person_count], np.int8),
                frame_index=cut.frame_index[None],
                box=cut.box[None],
                confidence=cut.confidence[None],
                valid=cut.valid[None],
            )
            for name, cut in zip(ids, cuts, strict=True)
        ]
    )


def clip_bytes(params: MosaicParams) -> int:
    """Bytes that a clip takes in a shard."""
    columns = max(params.columns, params.candidates)
    pixels = 3 * len(ROWS) * columns * cell_side(params.cell, params.size) ** 2
    # Per cell and person: box, confidence and flag; per column: the frame; the id and the count.
    return pixels + columns * (PERSONS * len(ROWS) * (16 + 4 + 1) + 4) + ID_BYTES + 1


def describe(cut: Cut) -> str:
    """The ledger's remark: people, frames, and how many cells' joint is missing."""
    shown = cut.valid[: cut.person_count]
    missing = int(np.count_nonzero(~shown))
    people = "1 person" if cut.person_count == 1 else f"{cut.person_count} people"
    return (
        f"{people} in {len(cut.frame_index)} of the frames {cut.frame_index[0]} to"
        f" {cut.frame_index[-1]}; {missing} of {shown.size} cells missing"
    )


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
    spec = TaskSpec(
        kind="mosaics",
        algorithm=VERSION,
        params=params.model_dump(exclude=NOT_CONTENT),
        producer={"opencv": cv2.__version__},
        make=partial(make_mosaic, params=params),
        encode=encode,
        detail=describe,
        # Each clip's skeleton is an input by its content, however it came about.
        origin={"skeletons": dict(cache.manifest.producer)},
    )
    segments = segment_inputs(index.samples)
    size = clip_bytes(params)
    jobs = [
        _job(raw, sample, skeletons, poses[sample.id], segments[sample.id], size)
        for sample in index.samples
        if sample.id in poses
    ]
    ledger = build_shards(
        out, spec, jobs, clips_per_shard=params.clips_per_shard, store=store, workers=workers
    )
    check_share(ledger, params.max_quarantined, out)
    return ledger


def _job(
    raw: Path, sample: Sample, skeletons: Path, pose: str, segment: Mapping[str, str], size: int
) -> ClipTask[Source]:
    video = raw / sample.video if sample.video else None
    source = Source(sample.id, video, sample.sha256, sample.start, sample.stop, skeletons)
    inputs = {"video": sample.sha256, "skeleton": pose, **segment}
    return ClipTask(sample.id, inputs, source, bytes=size)


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
    click.echo(f"mosaics {dataset}: {ledger.summary()}")
