"""Which folders of a data set are its classes, and which are a split, a group or a wrapping."""

from __future__ import annotations

import re
from dataclasses import dataclass

from stroi.cache.errors import RefusedInput
from stroi.pipeline.datasets.reading.tree import FolderTree

_SPLIT = re.compile(
    r"(?P<train>train(ing)?)?(?P<test>test(ing)?)?(?P<val>val(id(ation)?)?)?([_-]?(set|data))?"
)
"""Names of folders that are a split, in lower case."""


@dataclass(frozen=True)
class Layout:
    """Where the classes are; places are relative to the root.

    Attributes:
        classes: Place and split of each class; the split is empty if the data set has none.
        above: The folders above the classes, whose own files are in no class.
        empty: Folders next to them that hold no video.
        top: The folder that wraps the data set; empty if it is the root.
    """

    classes: tuple[tuple[str, str], ...]
    above: tuple[str, ...]
    empty: tuple[str, ...] = ()
    top: str = ""


def split_of(name: str) -> str:
    """The split that a folder of this name is: ``train``, ``test``, ``val`` or none."""
    match = _SPLIT.fullmatch(name.casefold())
    found = [split for split, text in (match.groupdict() if match else {}).items() if text]
    return found[0] if len(found) == 1 else ""


def find_layout(tree: FolderTree) -> Layout:
    """Find the classes.

    Folders that are named like splits and hold all videos are the splits; the classes are in them.
    A folder that alone holds all videos, two or more levels deep, wraps the data set: it is looked
    into. Otherwise the folders on top are the classes.

    Raises:
        RefusedInput: ``DATASET_LAYOUT`` if other folders with videos stand next to a train and a
            test folder of classes.
    """
    place, above = "", [""]
    empty: list[str] = []
    while True:
        inside = tree.inside(place)
        holding = [one for one in inside if _has_clips(tree, one)]
        splits = {one: split_of(one.rpartition("/")[2]) for one in holding}
        named = [one for one in holding if splits[one]]
        rest = [one for one in inside if one not in holding]
        if named and len(named) == len(holding):
            starts = _unwrap(tree, named)
            classes = [
                (one, splits[split]) for split in named for one in tree.inside(starts[split])
            ]
            between = {one for split in named for one in (split, starts[split])}
            return Layout(tuple(classes), (*above, *sorted(between)), (*empty, *rest), place)
        if {"train", "test"} <= set(splits.values()) and not any(
            tree.folder(one).videos for one in named
        ):
            other = next(one for one in holding if not splits[one])
            raise RefusedInput(
                "DATASET_LAYOUT",
                f"{tree.root} has the folders {', '.join(map(ascii, named))}, and {other!a} with"
                " videos beside them: it is neither a class nor a split",
                remedy=f"move {other!a} elsewhere, or into one of the others",
            )
        if len(holding) != 1 or not _wraps(tree, holding[0]):
            return Layout(tuple((one, "") for one in inside), tuple(above), tuple(empty), place)
        place = holding[0]
        above.append(place)
        empty += rest


def _unwrap(tree: FolderTree, splits: list[str]) -> dict[str, str]:
    """Where the classes of each split begin: inside a folder that wraps them, if all have one."""
    starts = {}
    for split in splits:
        holding = [one for one in tree.inside(split) if _has_clips(tree, one)]
        if len(holding) != 1 or not _wraps(tree, holding[0]):
            return {one: one for one in splits}
        starts[split] = holding[0]
    return starts


def _has_clips(tree: FolderTree, place: str) -> bool:
    """Whether a folder holds videos; its own images are not the frames of one."""
    return bool(tree.folder(place).videos) or any(map(tree.has_videos, tree.inside(place)))


def _wraps(tree: FolderTree, place: str) -> bool:
    """Whether a folder holds no video itself, and a folder of videos that is no video."""
    inside = tree.inside(place)
    return not tree.folder(place).videos and any(_has_clips(tree, inner) for inner in inside)
