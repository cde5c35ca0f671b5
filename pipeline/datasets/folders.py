"""Adapter ``folders``: a folder for each class, the videos in it; no table is needed."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from stroi.cache.errors import RefusedInput
from stroi.cache.ids import ID_BYTES, check_ids
from stroi.pipeline.datasets.listing import DatasetListing
from stroi.pipeline.datasets.reading.layout import Layout, find_layout, split_of
from stroi.pipeline.datasets.reading.messages import (
    describe_content,
    left_out_notes,
    nothing_found,
    why_no_video,
)
from stroi.pipeline.datasets.reading.tree import SKELETON_ENDINGS, FolderTree, join
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
NOT_A_VIDEO = "NOT_A_VIDEO"
"""Code of other files: they are counted, and are not in the ledger."""

_DIGEST = 8
_UNFIT = re.compile(r"[^A-Za-z0-9_-]+")


def list_folders(root: Path, pattern: str = "") -> DatasetListing:
    """Clips of ``<class>/<video>`` or ``<class>/<group>/<video>``, below a split or not.

    A video is a file with one of `VIDEO_ENDINGS`, or a folder of images. Which folders are the
    classes `find_layout` decides. Names that begin with a dot and folders of a system are skipped.
    A sample's id is its path with ``_`` between the parts and without the ending, or what
    `sample_id` makes of it.

    Args:
        root: The data set.
        pattern: Of the videos' names, as `stroi.pipeline.params.name_pattern` reads it; a name that
            does not match is left out. A group that it names replaces the folder's.

    Returns:
        The clips. Left out are videos of other kinds (``VIDEO_KIND``), videos that lie in no class
        (``NOT_IN_CLASS``) or deeper than a group (``TOO_DEEP``), folders without a video
        (``FOLDER_EMPTY``), and names that cannot be listed (``NAME_BAD``) or do not fit the pattern
        (``NAME_PATTERN``). The notes count them, and all other files.

    Raises:
        RefusedInput: ``DATASET_EMPTY`` if no video is found, ``DATASET_LAYOUT`` if it is not clear
            what is a class, ``PATTERN_UNFIT`` if none fits the pattern, ``ID_DUPLICATE`` if two
            would have one id, ``LINKED_FOLDER`` if a folder is a link, ``DATASET_MISSING`` if a
            folder cannot be read.
    """
    compiled = compile_pattern(pattern) if pattern else None
    tree = FolderTree(root, VIDEO_ENDINGS + OTHER_ENDINGS, IMAGE_ENDINGS)
    layout = find_layout(tree)
    found: list[ClipEntry | ClipOutcome] = [*_strays(tree, layout)]
    for place, split in layout.classes:
        found += _class_clips(tree, place, split)
    entries = [
        name_clip(root, one, compiled) if isinstance(one, ClipEntry) else one for one in found
    ]
    clips = split_within_classes([one for one in entries if isinstance(one, ClipEntry)])
    others = [one for one in entries if isinstance(one, ClipOutcome)]
    if not clips:
        raise nothing_found(tree, pattern, others, VIDEO_ENDINGS)
    left_out = tuple(one for one in others if one.code != NOT_A_VIDEO)
    groups = {one.group for one in found if isinstance(one, ClipEntry) and one.group}
    grouped = groups if any(clip.group for clip in clips) else set()
    notes = (*_layout_notes(layout, grouped), *left_out_notes(others))
    return DatasetListing(tuple(sorted(clips, key=lambda clip: clip.id)), left_out, notes)


def sample_id(place: str) -> str:
    """The id of a video by its path: that of ``wave/anna 1.avi`` is ``wave_anna_1-`` and a digest.

    Runs of characters that an id may not have become ``_``; where that, or cutting it to 64,
    changed anything, the first digits of the path's SHA-256 follow.

    Args:
        place: Path relative to the data set, with the ending if it is a file.
    """
    whole = "_".join(without_ending(place).split("/"))
    try:
        check_ids((whole,))
    except RefusedInput:
        digest = hashlib.sha256(place.encode("utf-8", "surrogateescape")).hexdigest()[:_DIGEST]
        plain = _UNFIT.sub("_", whole).strip("_-")[: ID_BYTES - _DIGEST - 1]
        return f"{plain or 'clip'}-{digest}"
    return whole


def without_ending(place: str) -> str:
    """A path without the ending of a video or a skeleton."""
    stem, dot, ending = place.rpartition(".")
    return stem if f"{dot}{ending}".lower() in VIDEO_ENDINGS + SKELETON_ENDINGS else place


def _strays(tree: FolderTree, layout: Layout) -> Iterator[ClipOutcome]:
    """What lies above the classes."""
    for place in layout.above:
        here = tree.folder(place)
        for name in (*here.videos, *here.others):
            yield _file(join(place, name)) or _left(
                join(place, name), "NOT_IN_CLASS", "is a video that lies in no class's folder"
            )
        if here.images:
            problem = f"holds {here.images} images that lie in no class's folder"
            yield _left(place or ".", "NOT_IN_CLASS", problem)
    for place in layout.empty:
        yield _left(place, "FOLDER_EMPTY", describe_content(tree, place))


def _class_clips(tree: FolderTree, place: str, split: str) -> Iterator[ClipEntry | ClipOutcome]:
    """The videos of a class and of its groups, not named yet; of what is none the reason."""
    here, label = tree.folder(place), place.rpartition("/")[2]
    clip = ClipEntry("", "", label, split=split)
    if here.images:
        problem = f"holds {here.images} images: put the frames of each video into its own folder"
        yield _left(place, NOT_A_VIDEO, problem)
    yield from _videos(place, (*here.videos, *here.others), clip)
    for inner in tree.inside(place):
        below = tree.folder(inner)
        deeper = [one for one in tree.inside(inner) if tree.has_videos(one)]
        if below.videos or deeper:
            group = replace(clip, group=inner.rpartition("/")[2])
            yield from _videos(inner, (*below.videos, *below.others), group)
            yield from (_frames(tree, one, group) for one in tree.inside(inner))
        else:
            yield _frames(tree, inner, clip)


def _videos(
    place: str, files: tuple[str, ...], clip: ClipEntry
) -> Iterator[ClipEntry | ClipOutcome]:
    for name in files:
        yield _file(join(place, name)) or replace(clip, video=join(place, name))


def _frames(tree: FolderTree, place: str, clip: ClipEntry) -> ClipEntry | ClipOutcome:
    """A folder of images as a video, or why it is none."""
    if tree.folder(place).videos or any(map(tree.has_videos, tree.inside(place))):
        return _left(place, "TOO_DEEP", "holds videos deeper than CLASS/GROUP/VIDEO")
    if tree.folder(place).images:
        return replace(clip, video=place)
    return _left(place, "FOLDER_EMPTY", describe_content(tree, place))


def name_clip(
    root: Path, clip: ClipEntry, pattern: re.Pattern[str] | None
) -> ClipEntry | ClipOutcome:
    """A clip with its id and the fields of its name, or why it cannot be listed."""
    place = clip.video
    name = sample_id(place)
    try:
        check_inside(root, 0, "path", place)
        for part in place.split("/"):
            check_inside(root, 0, "name", part)
    except RefusedInput:
        detail = f"a path that cannot be listed: use at most {MAX_TEXT} printable characters"
        return ClipOutcome(name, "NAME_BAD", f"{detail}, without spaces at the ends of names")
    last = place.rpartition("/")[2]
    match = pattern.fullmatch(without_ending(last)) if pattern else None
    fields = match.groupdict() if match else {}
    if (pattern and not match) or any(value != value.strip() for value in fields.values()):
        return ClipOutcome(name, "NAME_PATTERN", f"{last!a} does not fit index.pattern")
    # Folders that were copied from macOS spell an accent as a character of its own.
    label, group = (unicodedata.normalize("NFC", text) for text in (clip.label, clip.group))
    return replace(
        clip,
        id=name,
        label=label,
        subject=fields.get("subject", ""),
        camera=fields.get("camera", ""),
        group=fields.get("group", group),
    )


def split_within_classes(clips: list[ClipEntry]) -> list[ClipEntry]:
    """``CLASS/train/VIDEO`` and ``CLASS/test/VIDEO``: what looks like groups is the split."""
    splits = {split_of(clip.group) for clip in clips}
    if any(clip.split for clip in clips) or "" in splits or not {"train", "test"} <= splits:
        return clips
    return [replace(clip, group="", split=split_of(clip.group)) for clip in clips]


def _file(place: str) -> ClipOutcome | None:
    """Why a file is no video that can be read; None if it may be one."""
    if place.lower().endswith(VIDEO_ENDINGS):
        return None
    if place.lower().endswith(OTHER_ENDINGS):
        return _left(place, "VIDEO_KIND", "is a video of a kind that is not read: convert it")
    return _left(place, NOT_A_VIDEO, why_no_video(place, VIDEO_ENDINGS))


def _left(place: str, code: str, problem: str) -> ClipOutcome:
    return ClipOutcome(sample_id(place), code, f"{place!a} {problem}")


def _layout_notes(layout: Layout, groups: set[str]) -> Iterator[str]:
    if layout.top:
        yield f"the data set is in {layout.top!a}"
    if groups:
        class_name = layout.classes[0][0].rpartition("/")[2]
        yield (
            f"CLASS/GROUP/VIDEO: {len(groups)} groups, such as {min(groups)!a}; the classes are the"
            f" folders above, such as {class_name!a}"
        )
