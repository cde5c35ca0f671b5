"""The index: one row per clip of a data set, the only place where labels live."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from operator import attrgetter
from pathlib import Path

from stroi.cache.errors import RefusedInput
from stroi.cache.files.atomic import write_atomic
from stroi.cache.files.digests import digest
from stroi.cache.files.opening import read_regular
from stroi.cache.storage.formats import MAX_CLASS_BYTES
from stroi.pipeline.index.csv import (
    check_inside,
    check_row_id,
    check_text,
    csv_bytes,
    iterate_csv,
)

MAX_CLASSES_BYTES = 2**20
"""Largest list of class names that is read."""

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, order=True, slots=True)
class ClipEntry:
    """One clip as its data set lists it.

    Attributes:
        id: Sample id, unique also without regard to case.
        video: Path of the video, a file or a folder of frames, relative to the data set's root;
            empty if there is none, then there is a skeleton.
        label: Class name.
        subject: Who performs; empty if unknown.
        camera: Which view; empty if unknown.
        group: Any other unit that a split may keep together, such as the setup of NTU RGB+D.
        split: The data set's own split, such as ``train``; empty if it has none.
        start: First frame of the clip in its video, from 0.
        stop: Frame after its last; 0 if the clip lasts to the video's end.
        skeleton: Path of a ready skeleton, a file or a folder, relative to the root; empty if
            none.
    """

    id: str
    video: str
    label: str
    subject: str = ""
    camera: str = ""
    group: str = ""
    split: str = ""
    start: int = 0
    stop: int = 0
    skeleton: str = ""


@dataclass(frozen=True, order=True, slots=True)
class Sample(ClipEntry):
    """One clip of the index: as listed, with its files digested.

    Attributes:
        bytes: Size of the video; 0 if there is none.
        sha256: Digest of the video, hexadecimal; empty if there is none.
        skeleton_sha256: Digest of the ready skeleton, a sensor's file; empty if there is none.
        pose_sha256: Digest of OpenPose's files of the clip; empty if there is no folder of them.
    """

    bytes: int = 0
    sha256: str = ""
    skeleton_sha256: str = ""
    pose_sha256: str = ""


@dataclass(frozen=True)
class Index:
    """The clips of a data set, sorted by id, and its class names in label order."""

    samples: tuple[Sample, ...]
    classes: tuple[str, ...]

    def labels(self, ids: Iterable[str]) -> dict[str, int]:
        """Label (position in `classes`) of each of `ids`.

        Raises:
            RefusedInput: If an id is not in the index.
        """
        known = {sample.id: sample.label for sample in self.samples}
        number = {name: at for at, name in enumerate(self.classes)}
        try:
            return {sample_id: number[known[sample_id]] for sample_id in ids}
        except KeyError as missing:
            raise RefusedInput(
                "ID_UNKNOWN",
                f"sample {missing.args[0]!a} is not in the index",
                remedy="run `dvc repro` so that all stages see the same index",
            ) from None


def tolerance(frames: int) -> float:
    """How many of so many announced frames may be missing: few are, for no fault of the video.

    B-frames in AVI files lack two; many missing mean damage or a lying header.
    """
    return max(3, 0.05 * frames)


def segment_digest(sample: Sample) -> str:
    """Digest of the part of its video that a clip is."""
    return digest([sample.start, sample.stop])


def segment_inputs(samples: Sequence[Sample]) -> dict[str, dict[str, str]]:
    """The part of its video that each clip is, as an input to its results, by sample id.

    All clips of a data set have one or, if none is a part, none has: a manifest records the same
    inputs for all its samples.
    """
    parts = any(sample.start or sample.stop for sample in samples)
    return {sample.id: {"segment": segment_digest(sample)} if parts else {} for sample in samples}


_COLUMNS = tuple(field.name for field in fields(Sample))
_row = attrgetter(*_COLUMNS)
_NUMBERS = ("start", "stop", "bytes")
_DIGITS = 18
_COMMON = ("label", "subject", "camera", "group", "split")
_SINCE_1_2 = {"group": "", "start": "0", "stop": "0", "skeleton_sha256": "", "pose_sha256": ""}
"""Columns that an index which came with an older cache does not have, and what they mean then."""
_REQUIRED = tuple(name for name in _COLUMNS if name not in _SINCE_1_2)
_TEXTS = tuple(name for name in _COLUMNS if name not in _NUMBERS)


def write_index(folder: Path, samples: Iterable[Sample]) -> None:
    """Write ``samples.csv`` and ``classes.txt``; classes are the sorted label names.

    Raises:
        RefusedInput: As `read_index`, if it would not be read again.
    """
    path = folder / "samples.csv"
    rows = sorted(samples)
    ids: dict[str, int] = {}
    for line, sample in enumerate(rows, 2):
        _check_sample(path, line, sample)
        check_row_id(path, line, sample.id, ids)
    classes = sorted({row.label for row in rows})
    names = "".join(f"{name}\n" for name in classes).encode()
    if len(names) > MAX_CLASSES_BYTES:
        raise _range(
            f"{folder / 'classes.txt'} would have {len(names)} bytes, at most"
            f" {MAX_CLASSES_BYTES} are read"
        )
    for line, name in enumerate(classes, 1):
        _check_class(folder / "classes.txt", line, name)
    write_atomic(path, csv_bytes(_COLUMNS, map(_row, rows)))
    write_atomic(folder / "classes.txt", names)


def read_index(folder: Path) -> Index:
    """Read what `write_index` wrote, or a part of it that came with a cache.

    Raises:
        RefusedInput: ``CSV_*`` if a file is missing or malformed, ``ID_BAD``, ``ID_DUPLICATE``,
            ``VIDEO_OUTSIDE`` if a video or skeleton does not lie in the data set's folder, or
            ``LABEL_RANGE`` if a label has no class, or a class no name of its own.
    """
    path = folder / "samples.csv"
    classes = _read_classes(folder / "classes.txt")
    known = set(classes)
    ids: dict[str, int] = {}
    samples: list[Sample] = []
    for line, row in iterate_csv(path, required=_REQUIRED):
        sample = _sample(path, line, _SINCE_1_2 | row)
        check_row_id(path, line, sample.id, ids)
        if sample.label not in known:
            raise _range(
                f"{path}:{line}: sample {sample.id!a}: label {sample.label!a} is not in classes.txt"
            )
        samples.append(sample)
    return Index(tuple(sorted(samples, key=lambda sample: sample.id)), classes)


def _read_classes(path: Path) -> tuple[str, ...]:
    """Class names, one a line; a class's number is its line's."""
    try:
        text = read_regular(path, MAX_CLASSES_BYTES).decode()
    except FileNotFoundError:
        raise RefusedInput(
            "CSV_MISSING", f"{path} does not exist", remedy="run the stage that writes it"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "no UTF-8 text"
        raise RefusedInput("CSV_TEXT", f"{path}: {reason}", remedy="save it as UTF-8") from None
    names = text.split("\n")
    if names.pop():
        raise _range(f"{path}: the last line has no end: it was cut")
    first: dict[str, int] = {}
    for line, name in enumerate(names, 1):
        if not name:
            raise _range(f"{path}:{line}: an empty line leaves a gap in the class numbers")
        _check_class(path, line, name)
        if first.setdefault(name, line) != line:
            raise _range(f"{path}:{line}: class {name!a} is that of line {first[name]}")
    return tuple(names)


def _range(problem: str) -> RefusedInput:
    return RefusedInput("LABEL_RANGE", problem, remedy="run `dvc repro` to rebuild the index")


def _sample(path: Path, line: int, row: Mapping[str, str]) -> Sample:
    numbers = {name: _number(path, line, name, row[name]) for name in _NUMBERS}
    text = {name: row[name] for name in _TEXTS}
    # What many rows have in common is kept once.
    text |= {name: sys.intern(row[name]) for name in _COMMON}
    sample = Sample(**text, start=numbers["start"], stop=numbers["stop"], bytes=numbers["bytes"])
    _check_sample(path, line, sample)
    return sample


def _check_sample(path: Path, line: int, sample: Sample) -> None:
    if sample.stop and sample.stop <= sample.start:
        raise _value(path, line, f"no frame from {sample.start} to {sample.stop}")
    for column in _NUMBERS:
        if not 0 <= getattr(sample, column) < 10**_DIGITS:
            raise _value(path, line, f"{column} {getattr(sample, column)} is out of range")
    for column in _COMMON:
        check_text(path, line, column, getattr(sample, column), empty=column != "label")
    for column in ("video", "skeleton"):
        if getattr(sample, column):
            check_inside(path, line, column, getattr(sample, column))
    if not (sample.video or sample.skeleton):
        raise _value(path, line, "neither a video nor a skeleton")
    _check_digest(path, line, "sha256", sample.sha256, needed=sample.video != "")
    _check_digest(path, line, "skeleton_sha256", sample.skeleton_sha256, needed=False)
    _check_digest(path, line, "pose_sha256", sample.pose_sha256, needed=False)


def _check_class(path: Path, line: int, name: str) -> None:
    check_text(path, line, "class", name)
    if len(name.encode()) > MAX_CLASS_BYTES:
        raise _value(path, line, f"class {name[:40]!a} has more than {MAX_CLASS_BYTES} bytes")


def _check_digest(path: Path, line: int, column: str, text: str, *, needed: bool) -> None:
    if (needed or text) and _SHA256.fullmatch(text) is None:
        raise _value(path, line, f"{column} {text[:70]!a} is no digest")


def _number(path: Path, line: int, column: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= _DIGITS):
        raise _value(path, line, f"{column} {text[:40]!a} is no number from 0")
    return int(text)


def _value(path: Path, line: int, problem: str) -> RefusedInput:
    return RefusedInput("CSV_VALUE", f"{path}:{line}: {problem}", remedy="rebuild the index")
