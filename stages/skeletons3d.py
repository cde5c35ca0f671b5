"""Stage ``skeletons3d``: read the 3-D joints that a sensor recorded of the people of every clip."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import click
import cv2
import numpy as np

from stroi.cache.errors import ClipRejected
from stroi.cache.files.locks import lock
from stroi.cache.own_layouts import layout_json
from stroi.cache.rois import PAPER_PEOPLE
from stroi.cache.skeletons3d import JointClip, joint_fields
from stroi.cache.storage.formats import JOINTS
from stroi.pipeline.completion import complete_dataset
from stroi.pipeline.index.ledger import Ledger
from stroi.pipeline.index.table import Index, read_index
from stroi.pipeline.options import as_stage, with_workers
from stroi.pipeline.parallel.executor import Workers
from stroi.pipeline.params.cache_params import recorded_joints
from stroi.pipeline.params.load import load_profile
from stroi.pipeline.params.profile import OwnSkeletonParams, Skeletons3dParams
from stroi.pipeline.shards.build import TaskSpec
from stroi.pipeline.workspace import Workspace
from stroi.stages.sensors.own import read_joints
from stroi.stages.sensors.readers import reader
from stroi.stages.video.clip_input import ClipInput, build_cache, clip_inputs
from stroi.trainer.plugins import origin, versioned

STAGE_PARAMS = ("skeletons3d", "skeletons")
VERSION = 3
"""Raise it when the same input would give other bytes: reading and the choice of bodies."""
JOINT_BYTES = 3 * 4 + 1
"""Bytes of a frame of a shard for each joint of a person."""
KINECT_JOINTS = 25
OWN = "own"


def build_skeletons3d(
    raw: Path,
    index: Index,
    out: Path,
    params: Skeletons3dParams,
    workers: Workers,
    store: Path,
    own: OwnSkeletonParams | None = None,
    people: int = PAPER_PEOPLE,
) -> Ledger:
    """Write the cache of a sensor's skeletons to `out`.

    Args:
        raw: Root of the data set.
        index: Its clips.
        out: Folder of the cache.
        params: The stage's params.
        workers: Where to run.
        store: Folder of finished work.
        own: What skeletons of one's own are like, where the format is ``own``.
        people: P, most people kept per clip.

    Raises:
        StroiError: If more clips than ``max_quarantined`` were quarantined.
    """
    content = recorded_joints(params, own, people)
    producer: dict[str, Any] = {"numpy": np.__version__, **versioned("sensors", params.format)}
    joints, clips = KINECT_JOINTS, clip_inputs(raw, index.samples, store, "skeleton")
    if params.format == OWN and own is not None:
        producer |= {"opencv": cv2.__version__, "layout": layout_json(own.joints)}
        joints = len(own.joints.joints)
        clips = clip_inputs(raw, index.samples, store, "skeleton", "camera")
    spec = TaskSpec(
        format=JOINTS,
        version=VERSION,
        params=content,
        producer=producer,
        make=partial(read_skeleton, params=params, own=own, people=people),
        fields=joint_fields,
        detail=describe,
        origin=origin("sensors", params.format),
    )
    return build_cache(
        out,
        spec,
        clips,
        params,
        clip_bytes=lambda clip: JOINT_BYTES * people * joints * clip.frames,
        workers=workers,
        store=store,
    )


def read_skeleton(
    clip: ClipInput,
    *,
    params: Skeletons3dParams,
    own: OwnSkeletonParams | None = None,
    people: int = PAPER_PEOPLE,
) -> JointClip:
    """The joints of one clip, read from the bytes that the index lists.

    Args:
        clip: The clip.
        params: They name the format of its file.
        own: What skeletons of one's own are like, where the format is ``own``.
        people: P, most people kept.

    Raises:
        ClipRejected: ``SKEL_MISSING`` if the clip has no skeleton file; as
            `ClipInput.check_unchanged`, before and after reading; whatever the reader rejects.
    """
    if not clip.digests["skeleton"]:
        raise ClipRejected(
            "SKEL_MISSING",
            f"{clip.skeleton!a} is no skeleton file" if clip.skeleton else "no skeleton file",
            remedy="put the sensor's file there, or leave the sample out",
        )
    clip.check_unchanged("skeleton")
    path = clip.raw / clip.skeleton
    if params.format == OWN and own is not None:
        joints = read_joints(path, own, clip.camera, clip.start, clip.stop, people=people)
    else:
        read = reader(params.format, params.options)
        joints = read(path, clip.start, clip.stop, people=people)
    clip.check_unchanged("skeleton")
    return joints


def describe(clip: JointClip) -> str:
    """The ledger's remark: people, frames, and the share of frames in which each was seen."""
    # (T, P, V) -> (T, persons)
    seen = clip.state[:, : clip.person_count].max(axis=2) > 0
    shares = " and ".join(f"{share:.0%}" for share in np.mean(seen, axis=0))
    frames, people = clip.state.shape[:2]
    return f"{clip.person_count} of at most {people} people in {frames} frames, seen in {shares}"


@click.command(help="Read the 3D skeletons of a sensor in DATASET into data/DATASET/skeletons3d.")
@click.argument("dataset", shell_complete=complete_dataset)
@as_stage
@with_workers
def command(workspace: Workspace, dataset: str, workers: Workers) -> None:
    """Build the cache of a sensor's skeletons of one data set."""
    profile = load_profile(workspace.root, dataset, workspace.settings)
    with lock(workspace.lock("skeletons3d", dataset)):
        ledger = build_skeletons3d(
            workspace.raw(dataset),
            read_index(workspace.index(dataset)),
            workspace.skeletons3d(dataset),
            profile.skeletons3d,
            workers,
            workspace.store,
            profile.skeletons.own,
            profile.skeletons.people,
        )
    click.echo(f"skeletons3d {dataset}: {ledger.summary()}")
