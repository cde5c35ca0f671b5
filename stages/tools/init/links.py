"""Links to the videos: one at data/NAME/raw, or one for each file that a table lists."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields
from pathlib import Path

from stroi.cache.errors import RefusedInput
from stroi.cache.files.atomic import check_writable, write_atomic
from stroi.pipeline.datasets.table import TABLE
from stroi.pipeline.index.csv import csv_bytes
from stroi.pipeline.index.table import ClipEntry


def link_folder(raw: Path, videos: Path, *, force: bool = False) -> None:
    """Make `raw` a link to the folder `videos`, unless it is that folder.

    Args:
        raw: ``data/NAME/raw`` of the project.
        videos: Folder of the videos.
        force: Replace a link to another place.

    Raises:
        RefusedInput: ``INIT_RAW`` if `raw` is something else, ``INIT_INSIDE`` if `videos` contains
            the project's own data.
        StroiError: If nothing can be written there.
    """
    target = videos.resolve()
    check_outside(raw, videos)
    if raw.resolve() == target and raw.exists():
        return
    if raw.is_symlink() and force:
        raw.unlink()
    if raw.is_symlink() or raw.exists():
        what = f"a link to {raw.readlink()}" if raw.is_symlink() else "a file or folder"
        raise RefusedInput(
            "INIT_RAW",
            f"{raw} is {what}, not {target}",
            remedy="take another name; or move it away"
            + (", or replace the link by --force" if raw.is_symlink() else ""),
        )
    check_writable(raw.parent)
    raw.symlink_to(target)


def link_table(raw: Path, videos: Path, table: Path, clips: Iterable[ClipEntry]) -> None:
    """Make `raw` a folder with links to the table and to each file that it lists.

    Files are linked one by one because DVC does not follow a linked folder inside a data set.

    Args:
        raw: ``data/NAME/raw`` of the project.
        videos: The folder that the table's paths are relative to.
        table: The table; the next run notices a change in it.
        clips: The clips that it lists. Missing files are left to stage ``index``, which names them.

    Raises:
        RefusedInput: ``INIT_RAW`` if a file that is no link has that name, ``INIT_INSIDE`` as
            `link_folder`.
        StroiError: If nothing can be written there.
    """
    check_outside(raw, videos)
    _check_folder(raw)
    _link(raw / TABLE, table)
    _link_files(raw, videos, clips)


def link_own(raw: Path, root: Path, clips: Sequence[ClipEntry]) -> None:
    """Make `raw` a folder with a link to each file of the clips, and a table that lists them.

    Args:
        raw: ``data/NAME/raw`` of the project.
        root: The folder that the clips' paths are relative to.
        clips: Clips with skeletons of one's own.

    Raises:
        RefusedInput: ``INIT_RAW`` if a file that is no link has the name of one.
        StroiError: If nothing can be written there.
    """
    if raw.resolve() != root.resolve():
        _check_folder(raw)
        _link_files(raw, root, clips)
    elif (raw / TABLE).exists():
        return
    names = [field.name for field in fields(ClipEntry)]
    rows = [[getattr(clip, name) for name in names] for clip in clips]
    write_atomic(raw / TABLE, csv_bytes(("sample_id", *names[1:]), rows))


def _check_folder(raw: Path) -> None:
    if raw.is_symlink():
        raise _in_the_way(raw, "a link")
    check_writable(raw)


def _link_files(raw: Path, videos: Path, clips: Iterable[ClipEntry]) -> None:
    for path in sorted({path for clip in clips for path in (clip.video, clip.skeleton) if path}):
        for file in _files(videos / path):
            _link(raw / file.relative_to(videos), file)


def check_outside(raw: Path, videos: Path) -> None:
    """Refuse a folder that DVC would find its own results in.

    Raises:
        RefusedInput: ``INIT_INSIDE``.
    """
    target = videos.resolve()
    results = raw.parent.resolve()
    if results == target or target in results.parents:
        raise RefusedInput(
            "INIT_INSIDE",
            f"{target} contains {results}, the folder of the results",
            remedy="give a folder that contains nothing but the videos",
        )


def _files(path: Path) -> Iterator[Path]:
    """A file, or the files of a folder of frames or of poses."""
    if path.is_dir():
        yield from (entry for entry in sorted(path.iterdir()) if entry.is_file())
    elif path.exists():
        yield path


def _link(link: Path, file: Path) -> None:
    target = file.resolve()
    if link.is_symlink():
        if link.readlink() == target:
            return
        link.unlink()
    elif os.path.lexists(link):
        raise _in_the_way(link, "no link")
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(target)


def _in_the_way(path: Path, what: str) -> RefusedInput:
    return RefusedInput(
        "INIT_RAW", f"{path} is {what}", remedy="move it away, or take another name"
    )
