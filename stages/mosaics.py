"""Stage ``mosaics``: cut the K x L spatio-temporal regions of interest of every clip (eq. 1)."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path

import av
import click
import cv2
import numpy as np

from stroi.cache.errors import ClipRejected
from stroi.cache.files.digests import sha256_file
from stroi.cache.files.locks import lock
from stroi.cache.ids import ID_BYTES
from stroi.cache.manifest import MANIFEST_NAME
from stroi.cache.mosaic_columns import scored_columns
from stroi.cache.mosaics import Mosaics, mosaic_fields
from stroi.cache.rois import PAPER_PEOPLE, require_same_people
from stroi.cache.skeletons import Clip, SkeletonCache
from stroi.cache.storage.formats import MOSAICS
from stroi.cache.storage.schema import Arrays
from stroi.pipeline.completion import complete_dataset
from stroi.pipeline.index.ledger import Ledger
from stroi.pipeline.index.table import Index, read_index
from stroi.pipeline.options import as_stage, with_workers
from stroi.pipeline.parallel.executor import Workers
from stroi.pipeline.params.cache_params import NOT_CONTENT
from stroi.pipeline.params.load import load_profile
from stroi.pipeline.params.profile import MosaicParams
from stroi.pipeline.shards.build import TaskSpec
from stroi.pipeline.shards.verify_once import verify_once
from stroi.pipeline.workspace import Workspace
from stroi.stages.mosaic.cut import Cut, cell_side, cut_mosaic
from stroi.stages.video.clip_input import ClipInput, build_cache, clip_inputs
from stroi.stages.video.frame_count import frame_times
from stroi.stages.video.frame_sampling import mosaic_frames, nearest_in_time
from stroi.stages.video.reader import read_selected

STAGE_PARAMS = ("mosaics",)
VERSION = 3
"""Raise it when the same input would give other bytes: video, skeleton and params to pixels."""


def build_mosaics(
    raw: Path,
    index: Index,
    skeletons: Path,
    out: Path,
    params: MosaicParams,
    workers: Workers,
    store: Path,
    people: int | None = None,
) -> Ledger:
    """Write the mosaic cache of a data set to `out`.

    Args:
        raw: Root of the data set.
        index: Its clips.
        skeletons: Folder of their skeletons.
        out: Folder of the cache.
        params: The stage's params.
        workers: Where to run.
        store: Folder of finished work.
        people: The most people per clip that the skeletons must have; None for any number.

    Raises:
        RefusedInput: If the skeletons are damaged; ``PEOPLE_OTHER``.
        StroiError: If more clips than ``max_quarantined`` were quarantined.
    """
    verify_once(skeletons, "skeletons", store, jobs=workers.jobs)
    cache = SkeletonCache(skeletons, verify=False)
    kept = cache.people if cache.ids else people or PAPER_PEOPLE
    require_same_people(
        people or kept, "the profile", kept, f"{skeletons}",
        "run stage skeletons again, or `dvc repro`, or change skeletons.people in the profile",
    )  # fmt: skip
    spec = TaskSpec(
        format=MOSAICS,
        version=VERSION,
        params=params.model_dump(exclude=NOT_CONTENT),
        producer={"opencv": cv2.__version__, "av": av.__version__},
        make=partial(
            make_mosaic,
            skeletons=skeletons,
            skeletons_sha256=sha256_file(skeletons / MANIFEST_NAME),
            params=params,
        ),
        fields=to_fields,
        detail=describe,
        # Each clip's skeleton is an input by its content, however it came about.
        origin={"skeletons": dict(cache.manifest.producer)},
    )
    content = cache.manifest.content_by_id
    clips = [
        replace(clip, digests={**clip.digests, "skeleton": content[clip.id]})
        for clip in clip_inputs(raw, index.samples, store, "video")
        if clip.id in content
    ]
    size = mosaic_bytes(params, kept)
    return build_cache(
        out, spec, clips, params, clip_bytes=lambda _: size, workers=workers, store=store
    )


_SAMPLED = {"frame": ", sampled by frame number", "time": ", sampled by time"}


def make_mosaic(
    clip: ClipInput, *, skeletons: Path, skeletons_sha256: str, params: MosaicParams
) -> Cut:
    """The mosaic of one clip.

    Args:
        clip: The clip.
        skeletons: Folder of the skeleton cache.
        skeletons_sha256: Digest of its manifest: a process may see the folder change.
        params: The stage's params.

    Raises:
        ClipRejected: ``VIDEO_NONE`` if the clip has no video; if the video changed since it was
            indexed; as `cut_clip`.
    """
    if not clip.video:
        raise ClipRejected(
            "VIDEO_NONE",
            "a skeleton without a video",
            remedy="add the video, or train the graph network alone",
        )
    clip.check_unchanged("video")
    skeleton = _open_skeletons(skeletons, skeletons_sha256)[clip.id]
    return cut_clip(clip, skeleton, params)


def cut_clip(clip: ClipInput, skeleton: Clip, params: MosaicParams) -> Cut:
    """The mosaic of a clip with this skeleton.

    Raises:
        ClipRejected: ``MOSAIC_BLACK`` if it shows nothing; if its frames cannot be read.
    """
    video, count = clip.raw / clip.video, len(skeleton.keypoints)
    frame_index = mosaic_frames(count, params)
    if params.sample_by == "time":
        times = frame_times(video, *clip.segment)
        frame_index = nearest_in_time(frame_index, times[:count])
    pictures = read_selected(video, frame_index.tolist(), *clip.segment)
    cut = cut_mosaic(pictures, skeleton, frame_index, params)
    check_not_black(cut, params)
    sampled = _SAMPLED[params.sample_by] if pictures.variable_rate else ""
    return replace(cut, remark=pictures.remark + sampled)


def check_not_black(cut: Cut, params: MosaicParams) -> None:
    """Refuse a mosaic that shows nothing in the columns that are scored.

    Raises:
        ClipRejected: ``MOSAIC_BLACK``.
    """
    columns = scored_columns(params.columns, max(params.columns, params.candidates))
    side = cell_side(params)
    # (K * h, C * w, 3) -> (K * h, C, w, 3)
    cells = cut.mosaic.reshape(len(cut.mosaic), -1, side, 3)
    if cells[:, columns].any():
        return
    highest = float(cut.confidence[:, columns].max())
    if cut.valid[:, columns].any():
        problem = "its crops lie in black parts of the video"
        remedy = "encode the video again, or leave the clip out"
    elif 0 < highest < params.min_confidence:
        problem = (
            f"the joints that it shows have a confidence of at most {highest:.2f}, and"
            f" mosaics.min_confidence is {params.min_confidence:g}"
        )
        remedy = "set mosaics.min_confidence lower: 0.05 to 0.1 for OpenPose, else 0.2 to 0.3"
    elif highest == 0:
        *others, last = (row.title for row in params.rows)
        names = f"{', '.join(others)} or {last}" if others else last
        problem = f"no {names} was found in its frames"
        remedy = "set mosaics.missing to nearest, or leave the clip out"
    else:
        problem = "all its joints lie outside the frame"
        remedy = "estimate the clip's skeleton from this video"
    raise ClipRejected("MOSAIC_BLACK", f"not one cell shows anything: {problem}", remedy=remedy)


@lru_cache(maxsize=1)
def _open_skeletons(folder: Path, _sha256: str) -> SkeletonCache:
    # The stage verified the folder before the workers started.
    return SkeletonCache(folder, verify=False)


def to_fields(cut: Cut) -> Arrays:
    """Array of each field, but the id, of a shard with this mosaic alone."""
    return mosaic_fields(
        Mosaics(
            ids=(),
            mosaic=cut.mosaic[None],
            person_count=np.array([cut.person_count], np.int8),
            frame_index=cut.frame_index[None],
            box=cut.box[None],
            confidence=cut.confidence[None],
            valid=cut.valid[None],
        )
    )


def mosaic_bytes(params: MosaicParams, people: int = PAPER_PEOPLE) -> int:
    """Bytes that a clip takes in a shard that can show `people` persons."""
    columns, rows = max(params.columns, params.candidates), len(params.rows)
    pixels = 3 * rows * columns * cell_side(params) ** 2
    # Per cell and person: box, confidence and flag; per column: the frame; the id and the count.
    return pixels + columns * (people * rows * (16 + 4 + 1) + 4) + ID_BYTES + 1


def describe(cut: Cut) -> str:
    """The ledger's remark: people, frames, and how many cells' joint is missing."""
    valid = cut.valid[: cut.person_count]
    missing = int(np.count_nonzero(~valid))
    people = "1 person" if cut.person_count == 1 else f"{cut.person_count} people"
    return (
        f"{people} in {len(cut.frame_index)} of the frames {cut.frame_index[0]} to"
        f" {cut.frame_index[-1]}; {missing} of {valid.size} cells missing"
        f"{'; ' if cut.remark else ''}{cut.remark}"
    )


@click.command(help="Cut the mosaics of DATASET into data/DATASET/mosaics.")
@click.argument("dataset", shell_complete=complete_dataset)
@as_stage
@with_workers
def command(workspace: Workspace, dataset: str, workers: Workers) -> None:
    """Build the mosaic cache of one data set."""
    profile = load_profile(workspace.root, dataset, workspace.settings)
    with lock(workspace.lock("mosaics", dataset)):
        ledger = build_mosaics(
            workspace.raw(dataset),
            read_index(workspace.index(dataset)),
            workspace.skeletons(dataset),
            workspace.mosaics(dataset),
            profile.mosaics,
            workers,
            workspace.store,
            profile.skeletons.people,
        )
    click.echo(f"mosaics {dataset}: {ledger.summary()}")
