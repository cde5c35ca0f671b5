"""Tables that cut long videos into clips: shared by data sets of untrimmed videos.

A row names a class and the frames from its first to the one after its last, counted from 0 in
decoding order. A row that cannot be right is left out and listed in the ledger under its line's
number; the rest of the table stays. Whether a video is as long as its table requires is known only
when it is decoded (``VIDEO_SEGMENT``).
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf
from pathlib import Path

from stroi.cache.errors import RefusedInput
from stroi.cache.files.opening import read_regular
from stroi.pipeline.datasets.reading.places import linked_folder
from stroi.pipeline.index.csv import check_inside
from stroi.pipeline.index.ledger import ClipOutcome
from stroi.pipeline.index.table import ClipEntry, Sample

MAX_BYTES = 2**22
"""Largest table of one video that is read; a thousand rows have 30 kB."""

MAX_ROWS = 20_000
"""Most rows of it."""

MAX_FRAME = 500_000
"""Most frames of a video, as for the decoder."""

MAX_FILES = 2_000_000
"""Most files and folders of a data set that are listed."""


@dataclass(frozen=True)
class Row:
    """One row of a table, as text.

    Attributes:
        line: Its line in the file, from 1.
        label: Name of its class; empty if the table's class has none.
        start: First frame.
        stop: Frame after the last.
        text: The class as the table has it, for messages.
    """

    line: int
    label: str
    start: str
    stop: str
    text: str


def cut(
    video: ClipEntry, rows: Iterable[Row | ClipOutcome]
) -> tuple[list[ClipEntry], list[ClipOutcome]]:
    """The clips of one video, with the ids ``VIDEO_FIRST_STOP``, both of six digits.

    Args:
        video: The whole video; its id begins the clips' ids, its label counts for nothing.
        rows: The rows of its table, or what is wrong with one.

    Returns:
        The clips, and the rows that were left out: ``SEGMENT_CLASS`` (no class of the data set),
        ``SEGMENT_FRAMES`` (no numbers, or no frame between them), ``SEGMENT_TWICE`` (an earlier
        row has the same frames).
    """
    clips: dict[str, ClipEntry] = {}
    left_out = []
    for row in rows:
        one = row if isinstance(row, ClipOutcome) else _clip(video, row, clips)
        if isinstance(one, ClipOutcome):
            left_out.append(one)
        else:
            clips[one.id] = one
    return list(clips.values()), left_out


def left(video: str, line: int, code: str, problem: str) -> ClipOutcome:
    """A row of a video's table that is left out."""
    return ClipOutcome(f"{video}_line{line}", code, f"line {line} of {video}'s table: {problem}")


def split_lines(path: Path) -> list[tuple[int, str]]:
    """The lines of a small text file that hold something, with their numbers from 1.

    Raises:
        RefusedInput: ``SEGMENT_TABLE`` if it cannot be read, is too large or no ASCII text.
    """
    try:
        text = read_regular(path, MAX_BYTES).decode("ascii")
    except OSError as error:
        raise _bad_table(path, f"cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise _bad_table(path, "is no ASCII text") from None
    lines = [(number, line.strip()) for number, line in enumerate(text.split("\n"), 1)]
    lines = [(number, line) for number, line in lines if line]
    if len(lines) > MAX_ROWS:
        raise _bad_table(path, f"has more than {MAX_ROWS} rows")
    return lines


def files_below(root: Path, videos: re.Pattern[str]) -> Iterator[str]:
    """Paths of all files below `root`, relative to it, with slashes, in order; hidden ones not.

    Args:
        root: The data set's folder.
        videos: Names of videos, without suffix: folders of that name hold a video's frames and
            are skipped.

    Raises:
        RefusedInput: ``LINKED_FOLDER`` if a folder is a link, behind which DVC would not see a
            change; ``DATASET_MISSING`` if a folder cannot be read or there are too many files.
    """
    seen, waiting = 0, [""]
    while waiting:
        folder = waiting.pop()
        inner = []
        for entry in _entries(root, folder):
            seen += 1
            if seen > MAX_FILES:
                raise _no_dataset(root, f"holds more than {MAX_FILES} files")
            place = f"{folder}{entry.name}"
            if videos.fullmatch(entry.name):
                continue
            if entry.is_dir():
                if entry.is_symlink():
                    raise linked_folder(root, root / place)
                inner.append(f"{place}/")
            else:
                yield place
        waiting += reversed(inner)


def add_once(known: dict[str, str], name: str, place: str, root: Path) -> None:
    """Note where the file of a name lies.

    Raises:
        RefusedInput: ``ID_DUPLICATE`` if it lies elsewhere too, ``CSV_VALUE`` if its path cannot
            stand in a table.
    """
    check_inside(root, 0, "path", place)
    first = known.setdefault(name, place)
    if first != place:
        raise RefusedInput(
            "ID_DUPLICATE",
            f"{root}: {first} and {place} are both of {name}",
            remedy="keep one of them",
        )


def overlap_notes(samples: Iterable[Sample]) -> tuple[str, ...]:
    """A sentence about clips that share frames of one video, if there are any.

    Nothing is wrong with them, but a network that trains with one of them knows the others.
    """
    by_video: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        if sample.bytes:
            by_video[sample.sha256].append(sample)
    sharing: set[str] = set()
    for clips in by_video.values():
        if len(clips) > 1:
            sharing.update(_sharing(clips))
    if not sharing:
        return ()
    return (
        f"{len(sharing)} clips share frames of a video with another clip, such as {min(sharing)};"
        " a split has to keep these on one side, or it is refused",
    )


def _sharing(clips: Sequence[Sample]) -> Iterator[str]:
    """Ids of clips of one video that have a frame in common with another."""
    end, last = -inf, ""
    for clip in sorted(clips, key=lambda clip: (clip.start, clip.id)):
        if clip.start < end:
            yield clip.id
            yield last
        if (clip.stop or inf) > end:
            end, last = clip.stop or inf, clip.id


def _clip(video: ClipEntry, row: Row, earlier: Mapping[str, ClipEntry]) -> ClipEntry | ClipOutcome:
    if not row.label:
        return left(video.id, row.line, "SEGMENT_CLASS", f"{row.text[:40]!a} is no class")
    start, stop = _frame(row.start), _frame(row.stop)
    if start is None or stop is None or start >= stop:
        problem = f"no frame from {row.start[:20]!a} to {row.stop[:20]!a}"
        return left(video.id, row.line, "SEGMENT_FRAMES", problem)
    name = f"{video.id}_{start:06d}_{stop:06d}"
    if name in earlier:
        problem = f"an earlier row has the same frames, as {earlier[name].label!a}"
        return left(video.id, row.line, "SEGMENT_TWICE", problem)
    return replace(video, id=name, label=row.label, start=start, stop=stop)


def _frame(text: str) -> int | None:
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        return None
    return int(text) if int(text) <= MAX_FRAME else None


def _entries(root: Path, folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(root / folder) as entries:
            visible = [entry for entry in entries if not entry.name.startswith(".")]
    except OSError as error:
        raise _no_dataset(root / folder, f"cannot be read ({error.strerror})") from None
    return sorted(visible, key=lambda entry: entry.name)


def _no_dataset(folder: Path, problem: str) -> RefusedInput:
    return RefusedInput(
        "DATASET_MISSING", f"{folder} {problem}", remedy="name the data set's own folder"
    )


def _bad_table(path: Path, problem: str) -> RefusedInput:
    return RefusedInput(
        "SEGMENT_TABLE", f"{path.name!a} {problem}", remedy="fetch the label file again"
    )
