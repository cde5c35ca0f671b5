"""Adapter ``folders``: a folder for each class, the videos in it; no table is needed."""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from stroi.cache.errors import RefusedInput
from stroi.cache.ids import ID_BYTES, check_ids
from stroi.pipeline.datasets.listing import DatasetListing
from stroi.pipeline.index.csv import MAX_TEXT, check_inside
from stroi.pipeline.index.ledger import ClipOutcome
from stroi.pipeline.index.table import ClipEntry
from stroi.pipeline.params.name_pattern import compile_pattern

VIDEO_ENDINGS = (
    ".avi", ".mkv", ".mov", ".mp4", ".m4v", ".webm", ".mpg", ".mpeg", ".mpe", ".vob", ".ts", ".mts",
    ".m2ts", ".3gp", ".3g2", ".wmv", ".asf", ".flv", ".f4v", ".ogv", ".divx", ".qt",
)  # fmt: skip
"""Files that are listed as videos, in any case; their content is checked when they are opened."""

OTHER_ENDINGS = (".dv", ".gif", ".mxf", ".rm", ".rmvb", ".swf")
"""Videos that have to be converted first."""

IMAGE_ENDINGS = (".jpg", ".jpeg", ".png")
SPLITS = ("train", "test", "val")
"""If the top level has these folders and no other, they are a split and the classes lie below."""

_DIGEST = 8
_NO_VIDEO = "NOT_A_VIDEO"
_UNFIT = re.compile(r"[^A-Za-z0-9_-]+")


def list_folders(root: Path, pattern: str = "") -> DatasetListing:
    """Clips of ``<class>/<video>``, or of ``<split>/<class>/<video>``.

    A video is a file with one of `VIDEO_ENDINGS`, or a folder of images. Names that begin with a
    dot are skipped. A sample's id is its path with ``_`` between the parts and without the
    ending, or what `sample_id` makes of it.

    Args:
        root: The data set.
        pattern: Of the videos' names, as `stroi.pipeline.params.name_pattern` reads it; a name that
            does not match is left out.

    Returns:
        The clips. Left out are videos of other kinds (``VIDEO_KIND``), videos that lie in no class
        (``NOT_IN_CLASS``), folders without an image in a class (``FOLDER_EMPTY``), and names that
        cannot be listed (``NAME_BAD``) or do not fit the pattern (``NAME_PATTERN``). The notes
        count them, and all other files.

    Raises:
        RefusedInput: ``DATASET_EMPTY`` if no video is found, ``PATTERN_UNFIT`` if none fits the
            pattern, ``ID_DUPLICATE`` if two would have one id, ``LINKED_FOLDER`` if a folder is a
            link, behind which DVC would not see a change, ``DATASET_MISSING`` if a folder cannot
            be read.
    """
    compiled = compile_pattern(pattern) if pattern else None
    entries = [problem or _listed(root, place, compiled) for place, problem in _videos(root)]
    clips = [one for one in entries if isinstance(one, ClipEntry)]
    others = [one for one in entries if isinstance(one, ClipOutcome)]
    if not clips:
        raise _nothing(root, pattern, others)
    left_out = tuple(one for one in others if one.code != _NO_VIDEO)
    return DatasetListing(
        tuple(sorted(clips, key=lambda clip: clip.id)), left_out, tuple(_notes(others))
    )


def sample_id(place: str) -> str:
    """The id of a video by its path: that of ``wave/anna 1.avi`` is ``wave_anna_1-`` and a digest.

    Runs of characters that an id may not have become ``_``; where that, or cutting it to 64,
    changed anything, the first digits of the path's SHA-256 follow.

    Args:
        place: Path relative to the data set, with the ending if it is a file.
    """
    whole = "_".join(_without_ending(place).split("/"))
    try:
        check_ids((whole,))
    except RefusedInput:
        digest = hashlib.sha256(place.encode("utf-8", "surrogateescape")).hexdigest()[:_DIGEST]
        plain = _UNFIT.sub("_", whole).strip("_-")[: ID_BYTES - _DIGEST - 1]
        return f"{plain or 'clip'}-{digest}"
    return whole


def _without_ending(place: str) -> str:
    stem, dot, ending = place.rpartition(".")
    return stem if f"{dot}{ending}".lower() in VIDEO_ENDINGS else place


def _listed(root: Path, place: str, pattern: re.Pattern[str] | None) -> ClipEntry | ClipOutcome:
    name = sample_id(place)
    try:
        check_inside(root, 0, "path", place)
        for part in place.split("/"):
            check_inside(root, 0, "name", part)
    except RefusedInput:
        detail = f"a path that cannot be listed: use at most {MAX_TEXT} printable characters"
        return ClipOutcome(name, "NAME_BAD", f"{detail}, without spaces at the ends of names")
    *split, label, last = place.split("/")
    match = pattern.fullmatch(_without_ending(last)) if pattern else None
    fields = match.groupdict() if match else {}
    if (pattern and not match) or any(value != value.strip() for value in fields.values()):
        return ClipOutcome(name, "NAME_PATTERN", f"{last!a} does not fit index.pattern")
    return ClipEntry(
        id=name,
        video=place,
        label=label,
        subject=fields.get("subject", ""),
        camera=fields.get("camera", ""),
        group=fields.get("group", ""),
        split="".join(split),
    )


def _videos(root: Path) -> Iterator[tuple[str, ClipOutcome | None]]:
    """Paths of all videos, relative to `root`; of what is none with the reason."""
    files, folders = _entries(root, "")
    yield from ((name, _stray(name)) for name in files)
    splits = bool(folders) and set(folders) <= set(SPLITS)
    for folder in folders:
        if not splits:
            yield from _class_videos(root, folder)
            continue
        files, classes = _entries(root, folder)
        yield from ((f"{folder}/{name}", _stray(f"{folder}/{name}")) for name in files)
        for label in classes:
            yield from _class_videos(root, f"{folder}/{label}")


def _class_videos(root: Path, folder: str) -> Iterator[tuple[str, ClipOutcome | None]]:
    files, folders = _entries(root, folder)
    for name in files:
        place = f"{folder}/{name}"
        yield place, None if name.lower().endswith(VIDEO_ENDINGS) else _no_video(place)
    for name in folders:
        place = f"{folder}/{name}"
        inside, _ = _entries(root, place)
        if any(file.lower().endswith(IMAGE_ENDINGS) for file in inside):
            yield place, None
        else:
            detail = f"{place!a} is in a class, and holds no image that could be a frame"
            yield place, ClipOutcome(sample_id(place), "FOLDER_EMPTY", detail)


def _entries(root: Path, folder: str) -> tuple[list[str], list[str]]:
    """Names of the files and of the folders in a folder, sorted; hidden ones left out."""
    try:
        with os.scandir(root / folder) as entries:
            kept = [entry for entry in entries if not entry.name.startswith(".")]
    except OSError as error:
        raise RefusedInput(
            "DATASET_MISSING",
            f"{root / folder} cannot be read ({error.strerror})",
            remedy="allow it, or leave the folder out",
        ) from None
    for entry in sorted(kept, key=lambda entry: entry.name):
        if entry.is_dir() and entry.is_symlink():
            raise RefusedInput(
                "LINKED_FOLDER",
                f"{entry.path} is a link, and DVC would not notice a change behind it",
                remedy=f"link the files one by one, or make {root} itself the link",
            )
    folders = sorted(entry.name for entry in kept if entry.is_dir())
    return sorted(entry.name for entry in kept if not entry.is_dir()), folders


def _stray(place: str) -> ClipOutcome:
    if not place.lower().endswith(VIDEO_ENDINGS):
        return _no_video(place)
    return ClipOutcome(sample_id(place), "NOT_IN_CLASS", f"{place!a} lies in no class's folder")


def _no_video(place: str) -> ClipOutcome:
    if place.lower().endswith(OTHER_ENDINGS):
        detail = f"{place!a} is a video of a kind that is not read: convert it to H.264 in MP4"
        return ClipOutcome(sample_id(place), "VIDEO_KIND", detail)
    detail = f"{place!a} does not end in {', '.join(VIDEO_ENDINGS)}"
    return ClipOutcome(sample_id(place), _NO_VIDEO, detail)


def _nothing(root: Path, pattern: str, left_out: list[ClipOutcome]) -> RefusedInput:
    misfits = [one for one in left_out if one.code == "NAME_PATTERN"]
    if misfits:
        return RefusedInput(
            "PATTERN_UNFIT",
            f"{root}: none of {len(misfits)} videos fits {pattern!a}, first: {misfits[0].detail}",
            remedy="a pattern is matched with the whole name without its ending, such as"
            " {subject}_{camera}_{*}",
        )
    return RefusedInput(
        "DATASET_EMPTY",
        f"{root} holds no video in a class's folder ({len(left_out)} other entries)",
        remedy=f"put videos ({', '.join(VIDEO_ENDINGS)}, or folders of numbered images) into one"
        " folder per class: CLASS/VIDEO, or train/CLASS/VIDEO and test/CLASS/VIDEO",
    )


def _notes(left_out: list[ClipOutcome]) -> Iterator[str]:
    for code, count in sorted(Counter(one.code for one in left_out).items()):
        first = min(one for one in left_out if one.code == code)
        yield f"left out: {count} with {code}, first: {first.detail}"
