"""Skeletons of one's own in a folder for each class, and the videos next to them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from stroi.cache.errors import RefusedInput
from stroi.pipeline.datasets.folders import (
    list_folders,
    name_clip,
    split_within_classes,
    without_ending,
)
from stroi.pipeline.datasets.listing import DatasetListing
from stroi.pipeline.datasets.reading.layout import find_layout
from stroi.pipeline.datasets.reading.messages import left_out_notes
from stroi.pipeline.datasets.reading.tree import SKELETON_ENDINGS, FolderTree, join
from stroi.pipeline.datasets.table import TABLE, read_table
from stroi.pipeline.index.ledger import ClipOutcome
from stroi.pipeline.index.table import ClipEntry
from stroi.pipeline.params.name_pattern import compile_pattern


@dataclass(frozen=True)
class OwnListing:
    """Clips with skeletons of one's own.

    Attributes:
        root: The folder that contains skeletons and videos; places are relative to it.
        listing: The clips; one without a video has none.
    """

    root: Path
    listing: DatasetListing


def list_own(
    skeletons: Path, videos: Path | None, table: Path | None = None, pattern: str = ""
) -> OwnListing:
    """List the clips of a folder of skeletons.

    Args:
        skeletons: Holds ``CLASS/CLIP.npz`` (or .csv), with a group or a split between as for
            videos; or the files that a table lists.
        videos: Holds a video of the same class, group and name for each; None if they are in the
            same folder or there are none.
        table: The table; by default ``table.csv`` of one of the folders, if it is there. Its
            columns skeleton and video are relative to the folder of each.
        pattern: Of the names, without a table.

    Raises:
        RefusedInput: ``DATASET_EMPTY`` if there is no skeleton; as `list_folders` or `read_table`.
    """
    # Links are followed first: places must not lead through one.
    own, seen = skeletons.resolve(), (videos or skeletons).resolve()
    root = Path(os.path.commonpath([own, seen]))
    tables = [folder / TABLE for folder in (own, seen) if (folder / TABLE).exists()]
    if table is not None or tables:
        listing = read_table(table or tables[0], seen, own)
    else:
        listing = _with_videos(list_skeletons(own, pattern), seen, needed=videos is not None)
    listing = replace(
        listing,
        clips=tuple(
            replace(
                clip,
                skeleton=_below(root, own, clip.skeleton),
                video=_below(root, seen, clip.video),
            )
            for clip in listing.clips
        ),
    )
    lacking = [clip.id for clip in listing.clips if not clip.skeleton]
    if lacking:
        raise RefusedInput(
            "INIT_SKELETONS",
            f"{len(lacking)} clips of the table have no skeleton, first {lacking[0]!a}",
            remedy="fill in the column skeleton, or leave the rows out",
        )
    return OwnListing(root, listing)


def list_skeletons(root: Path, pattern: str = "") -> DatasetListing:
    """Clips of ``CLASS/FILE`` or ``CLASS/GROUP/FILE``, below a split or not; without videos.

    Raises:
        RefusedInput: As `list_own`.
    """
    compiled = compile_pattern(pattern) if pattern else None
    tree = FolderTree(root, SKELETON_ENDINGS, ())
    found: list[ClipEntry | ClipOutcome] = []
    for place, split in find_layout(tree).classes:
        clip = ClipEntry("", "", place.rpartition("/")[2], split=split)
        inner = [(one, one.rpartition("/")[2]) for one in tree.inside(place)]
        for folder, group in ((place, ""), *inner):
            found += [
                name_clip(root, replace(clip, group=group, video=join(folder, name)), compiled)
                for name in tree.folder(folder).videos
            ]
    clips = split_within_classes([one for one in found if isinstance(one, ClipEntry)])
    left_out = tuple(one for one in found if isinstance(one, ClipOutcome))
    if not clips:
        first = f", first left out: {left_out[0].detail}" if left_out else ""
        raise RefusedInput(
            "DATASET_EMPTY",
            f"{root} holds no skeleton ({', '.join(SKELETON_ENDINGS)}) in a class's folder{first}",
            remedy="make a folder for each class and put a file per clip into it: CLASS/CLIP.npz"
            " (docs/own-skeletons.md)",
        )
    own = tuple(replace(clip, skeleton=clip.video, video="") for clip in clips)
    listing = DatasetListing.of(own)
    return replace(listing, left_out=left_out, notes=tuple(left_out_notes(left_out)))


def _with_videos(listing: DatasetListing, videos: Path, *, needed: bool) -> DatasetListing:
    """The clips with the video of the same place and name, where there is one."""
    try:
        found = list_folders(videos)
    except RefusedInput as refused:
        if needed or refused.code != "DATASET_EMPTY":
            raise
        return listing
    by_name = {without_ending(clip.video): clip.video for clip in found.clips}
    clips = tuple(
        replace(clip, video=by_name.pop(without_ending(clip.skeleton), ""))
        for clip in listing.clips
    )
    return replace(listing, clips=clips, notes=(*listing.notes, *_unpaired(clips, by_name)))


def _unpaired(clips: tuple[ClipEntry, ...], left: dict[str, str]) -> Iterator[str]:
    without = [clip.skeleton for clip in clips if not clip.video]
    if without:
        yield f"{len(without)} of {len(clips)} clips have no video, first {without[0]!a}"
    if left:
        yield f"left out: {len(left)} videos without a skeleton, first {min(left.values())!a}"


def _below(root: Path, folder: Path, place: str) -> str:
    return (folder.relative_to(root) / place).as_posix() if place else ""
