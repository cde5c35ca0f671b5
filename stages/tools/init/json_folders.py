"""The folders of OpenPose's JSON files that stage ``skeletons`` will read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import click

from stroi.cache.errors import ClipRejected, ParamsError
from stroi.pipeline.datasets.reading.tree import JSON_FOLDER
from stroi.pipeline.index.table import ClipEntry


def with_json_folders(clips: Iterable[ClipEntry]) -> tuple[ClipEntry, ...]:
    """The clips with the folders of their JSON files, the table's or the default ones."""
    return tuple(
        replace(clip, skeleton=clip.skeleton or f"{JSON_FOLDER}/{clip.id}") for clip in clips
    )


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
    for problem in problems[:_SHOWN]:
        click.echo(f"will be quarantined: {problem}")
    if len(problems) > _SHOWN:
        click.echo(f"will be quarantined: {len(problems) - _SHOWN} more")


_SHOWN = 10


def _problems(videos: Path, clips: Sequence[ClipEntry]) -> Iterator[str]:
    from stroi.stages.pose.readers.openpose_files import list_frames

    for clip in clips:
        try:
            list_frames(videos / clip.skeleton)
        except ClipRejected as refused:
            yield f"{clip.id}: {clip.skeleton!a}: {refused.message}"
