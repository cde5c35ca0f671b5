"""The folders of OpenPose's JSON files that stage ``skeletons`` will read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import click

from stroi.cache.errors import ClipRejected, ParamsError
from stroi.pipeline.datasets.reading.tree import JSON_FOLDER, json_place
from stroi.pipeline.index.table import ClipEntry
from stroi.stages.tools.init.crop_size import Torsos, torso_lengths


def with_json_folders(clips: Iterable[ClipEntry]) -> tuple[ClipEntry, ...]:
    """The clips with the folders of their JSON files, the table's or the default ones."""
    return tuple(replace(clip, skeleton=json_place(clip.skeleton, clip.id)) for clip in clips)


def check_json_folders(videos: Path, clips: Sequence[ClipEntry]) -> None:
    """Name the clips that stage ``skeletons`` will quarantine for their JSON files.

    Args:
        videos: The folder that the clips' paths are relative to.
        clips: The clips with their folders.

    Raises:
        ParamsError: ``INIT_SOURCE`` if no clip has one that can be read.
    """
    problems = list(_problems(videos, clips))
    if len(problems) == len(clips):
        raise ParamsError(
            "INIT_SOURCE",
            f"no clip has JSON files of OpenPose, first: {problems[0]}",
            remedy=f"put the files of each clip into {videos / JSON_FOLDER}/SAMPLE_ID, or name"
            " their folder in the table's column skeleton (docs/pose-sources.md)",
        )
    list_problems(problems)


def list_problems(problems: Sequence[str]) -> None:
    """Name clips that a stage will quarantine, the first of them."""
    for problem in problems[:_SHOWN]:
        click.echo(f"will be quarantined: {problem}")
    if len(problems) > _SHOWN:
        click.echo(f"will be quarantined: {len(problems) - _SHOWN} more")


def json_torsos(videos: Path, clips: Sequence[ClipEntry]) -> Torsos:
    """Lengths of the torsos in some frames of every clip, evenly spaced.

    Clips whose files cannot be read have none; `check_json_folders` and stage ``skeletons`` name
    them.
    """
    from stroi.stages.pose.readers.openpose_files import list_clip
    from stroi.stages.pose.readers.openpose_json import read_openpose_json

    lengths: list[tuple[float, int]] = []
    measured = 0
    for clip in clips:
        try:
            files = list(list_clip(videos / clip.skeleton, clip.start, clip.stop).by_frame.values())
            chosen = {(2 * at + 1) * len(files) // (2 * FRAMES) for at in range(FRAMES)}
            people = [read_openpose_json(files[at]) for at in sorted(chosen) if files]
        except ClipRejected:
            continue
        found = [(one, 0) for frame in people for one in torso_lengths(frame)]
        lengths += found
        measured += bool(found)
    return Torsos(tuple(lengths), measured)


_SHOWN = 10
FRAMES = 5
"""Frames of each clip in which torsos are measured."""


def _problems(videos: Path, clips: Sequence[ClipEntry]) -> Iterator[str]:
    from stroi.stages.pose.readers.openpose_files import list_frames

    for clip in clips:
        try:
            list_frames(videos / clip.skeleton)
        except ClipRejected as refused:
            yield f"{clip.id}: {clip.skeleton!a}: {refused.message}"
