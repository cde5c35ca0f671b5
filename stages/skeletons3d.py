"""Stage ``skeletons3d``: read what a sensor saw of the people of every clip."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import click
import numpy as np

from stroi.cache.errors import ClipRejected
from stroi.cache.files.digests import sha256_file
from stroi.cache.files.locks import lock
from stroi.cache.skeletons3d import JointClip, assemble_joints
from stroi.cache.storage.assemble import Encoded
from stroi.pipeline.index.ledger import Ledger, check_share
from stroi.pipeline.index.table import Index, Sample, read_index, segment_inputs
from stroi.pipeline.options import in_project, with_workers
from stroi.pipeline.parallel.executor import Workers
from stroi.pipeline.params.cache_params import NOT_CONTENT
from stroi.pipeline.params.load import load_profile
from stroi.pipeline.params.profile import Skeletons3dParams
from stroi.pipeline.shards.build import ClipTask, TaskSpec, build_shards
from stroi.pipeline.workspace import Workspace
from stroi.stages.sensors import READERS

STAGE_PARAMS = ("skeletons3d",)
FRAME_BYTES = 2 * 25 * (3 * 4 + 1)
"""Bytes of a frame of a joint shard: two people of 25 joints at most."""

VERSION = 2
"""Raise it when the same files give other joints: reading and the choice of bodies."""


@dataclass(frozen=True)
class Source:
    """Where a clip's skeleton file lies; no label.

    Attributes:
        raw: Root of the data set.
        skeleton: The file, relative to `raw`; empty if the clip has none.
        sha256: Its digest in the index.
        start: First frame of the clip in it.
        stop: Frame after its last; 0 if it lasts to the end.
    """

    raw: Path
    skeleton: str
    sha256: str
    start: int = 0
    stop: int = 0


def make_joints(source: Source, *, layout: str) -> JointClip:
    """The joints of one clip, read from bytes that are those of the index.

    Args:
        source: The clip's file.
        layout: How it is written, a key of `stroi.stages.sensors.READERS`.

    Raises:
        ClipRejected: ``SKEL_MISSING`` if the clip has no such file, ``SKEL_CHANGED`` if it is
            not the one that was indexed, or changed while it was read; whatever its reader
            refuses.
    """
    if not source.sha256:
        raise ClipRejected(
            "SKEL_MISSING",
            f"{source.skeleton!a} is no skeleton file" if source.skeleton else "no skeleton file",
            remedy="put the sensor's file there, or leave the sample out",
        )
    path = source.raw / source.skeleton
    _check_unchanged(path, source.sha256)
    clip = READERS[layout](path, source.start, source.stop)
    _check_unchanged(path, source.sha256)
    return clip


def _check_unchanged(path: Path, sha256: str) -> None:
    try:
        found = sha256_file(path) if path.is_file() else ""
    except OSError as error:
        raise ClipRejected(
            "SKEL_OPEN",
            f"{path.name!a}: {error.strerror}",
            remedy="put the file back where it can be read, or leave the sample out",
        ) from None
    if found != sha256:
        raise ClipRejected(
            "SKEL_CHANGED",
            f"{path.name!a} changed since it was indexed",
            remedy="rebuild the index when nobody writes there",
        )


def encode(ids: Sequence[str], clips: Sequence[JointClip]) -> Encoded:
    """A joint shard."""
    return assemble_joints(ids, clips)


def describe(clip: JointClip) -> str:
    """The ledger's remark: people, frames, and the share of frames in which each was seen."""
    shown = clip.state[:, : clip.person_count].max(axis=2) > 0
    seen = " and ".join(f"{share:.0%}" for share in np.mean(shown, axis=0))
    return f"{clip.person_count} of at most 2 people in {len(shown)} frames, seen in {seen}"


def build_joints(
    raw: Path, index: Index, out: Path, params: Skeletons3dParams, workers: Workers, store: Path
) -> Ledger:
    """Write the joint cache of a data set to `out`.

    Raises:
        StroiError: If more clips than ``max_quarantined`` were quarantined.
    """
    spec = TaskSpec(
        kind="skeletons3d",
        algorithm=VERSION,
        params=params.model_dump(exclude=dict.fromkeys(NOT_CONTENT, True)),
        producer={"numpy": np.__version__},
        make=partial(make_joints, layout=params.format),
        encode=encode,
        detail=describe,
    )
    segments = segment_inputs(index.samples)
    jobs = [_job(raw, sample, segments[sample.id]) for sample in index.samples]
    ledger = build_shards(
        out, spec, jobs, clips_per_shard=params.clips_per_shard, store=store, workers=workers
    )
    check_share(ledger, params.max_quarantined, out)
    return ledger


def _job(raw: Path, sample: Sample, segment: Mapping[str, str]) -> ClipTask[Source]:
    inputs = {"skeleton": sample.skeleton_sha256, **segment}
    source = Source(
        raw, sample.skeleton, sample.skeleton_sha256, start=sample.start, stop=sample.stop
    )
    return ClipTask(
        sample.id, inputs, source, bytes=FRAME_BYTES * max(0, sample.stop - sample.start)
    )


@click.command(help="Read the 3D skeletons of a sensor in DATASET into data/DATASET/skeletons3d.")
@click.argument("dataset")
@in_project
@with_workers
def command(workspace: Workspace, dataset: str, workers: Workers) -> None:
    """Build the joint cache of one data set."""
    params = load_profile(workspace.root, dataset).skeletons3d
    with lock(workspace.lock("skeletons3d", dataset)):
        ledger = build_joints(
            workspace.raw(dataset),
            read_index(workspace.index(dataset)),
            workspace.skeletons3d(dataset),
            params,
            workers,
            workspace.store,
        )
    click.echo(f"skeletons3d {dataset}: {ledger.summary()}")
