"""What is said about files and folders of a data set that are no clip."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from stroi.cache.errors import RefusedInput
from stroi.pipeline.datasets.reading.tree import FolderTree
from stroi.pipeline.index.ledger import CONVERT, ClipOutcome

_LISTED = 20
"""Entries that an error lists one by one."""

_KINDS = {
    (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".rar", ".7z"): "is an archive: unpack it",
    (".csv", ".tsv"): "is a table: `stroi init NAME --table FILE` reads it",
    (".xlsx", ".xls", ".ods"): "is a workbook: save it as CSV for `stroi init NAME --table FILE`",
    (".npz",): "is a file of skeletons: `stroi init NAME --skeletons DIR` reads it",
    (".skeleton",): "is a skeleton of NTU RGB+D: `stroi init NAME --labels ntu60` reads it",
}


def why_no_video(place: str, video_endings: Sequence[str]) -> str:
    """Why a file is not taken as a video."""
    for endings, problem in _KINDS.items():
        if place.lower().endswith(endings):
            return problem
    return f"does not end in {', '.join(video_endings)}"


def describe_content(tree: FolderTree, place: str) -> str:
    """What a folder without videos holds instead."""
    counts = Counter(_kinds(tree, place))
    content = ", ".join(f"{count} {kind}" for kind, count in counts.most_common(4))
    return f"holds no video ({content or 'it is empty'})"


def left_out_notes(left_out: Sequence[ClipOutcome]) -> Iterator[str]:
    """One sentence for each code."""
    for code, count in sorted(Counter(one.code for one in left_out).items()):
        first = min(one for one in left_out if one.code == code)
        yield f"left out: {count} with {code}, first: {first.detail}"


def nothing_found(
    tree: FolderTree, pattern: str, left_out: Sequence[ClipOutcome], video_endings: Sequence[str]
) -> RefusedInput:
    """The refusal of a data set without a clip: everything that was found, and why it is none."""
    misfits = [one for one in left_out if one.code == "NAME_PATTERN"]
    if misfits:
        return RefusedInput(
            "PATTERN_UNFIT",
            f"{tree.root}: none of {len(misfits)} videos fits {pattern!a}, first:"
            f" {misfits[0].detail}",
            remedy="a pattern is matched with the whole name without its ending, such as"
            " {subject}_{camera}_{*}",
        )
    skipped = tree.folder("").skipped
    lines = [f"{one.code}: {one.detail}" for one in left_out]
    lines += [f"skipped: {name!a} is hidden, a system's, or has poses" for name in skipped]
    hidden = len(lines) - _LISTED
    more = (f"and {hidden} more",) if hidden > 0 else ()
    found = f"found: {len(left_out)} other entries, first: {left_out[0].detail}" if left_out else ""
    return RefusedInput(
        "DATASET_EMPTY",
        f"{tree.root} holds no video in a class's folder ({found or 'it is empty'})",
        remedy=_remedy(tree.root, left_out, video_endings),
        details=(*lines[:_LISTED], *more),
    )


def _remedy(root: Path, left_out: Sequence[ClipOutcome], video_endings: Sequence[str]) -> str:
    codes = Counter(one.code for one in left_out)
    if codes["VIDEO_KIND"]:
        return f"convert the videos, one by one: {CONVERT}"
    if codes["NOT_IN_CLASS"]:
        return (
            "make a folder for each class and put its videos into it: CLASS/VIDEO; or list the"
            f" videos with their labels in {root / 'table.csv'} (docs/own-videos.md)"
        )
    if codes["TOO_DEEP"]:
        deep = min(one for one in left_out if one.code == "TOO_DEEP")
        return (
            "name the folder that contains the folders of the classes, or list the videos with"
            f" their labels in {root / 'table.csv'} (docs/own-videos.md); first: {deep.detail}"
        )
    hints = sorted(one for one in left_out if one.detail.endswith(tuple(_KINDS.values())))
    hint = f"{hints[0].detail}; or " if hints else ""
    return (
        f"{hint}put videos ({', '.join(video_endings)}, or folders of numbered images) into one"
        " folder per class: CLASS/VIDEO, CLASS/GROUP/VIDEO, or the same below train and test"
    )


def _kinds(tree: FolderTree, place: str) -> Iterator[str]:
    """The ending of every file below a folder."""
    here = tree.folder(place)
    yield from ["images"] * here.images
    for name in here.others:
        yield ascii(PurePosixPath(name).suffix.lower())[1:-1] or "files without ending"
    for inner in tree.inside(place):
        yield from _kinds(tree, inner)
