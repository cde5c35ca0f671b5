"""PKU-MMD's split files: which of its videos train, and which measure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from stroi.cache.errors import RefusedInput
from stroi.pipeline.datasets.segments import split_lines

SPLIT_FILES = ("cross-subject", "cross-view")
"""Their names; newer downloads have an underscore instead of the hyphen."""

TRAINING_VIEWS = frozenset("MR")
"""Cameras of the cross-view protocol's training part; the left one measures."""

_VIDEO = re.compile(r"\d{4}-[LMR]", re.ASCII)
_HEADS = {"training videos:": "train", "validataion videos:": "test", "validation videos:": "test"}
"""Lines before lists of videos, the second as the files spell it; what they call validation is
what every published figure is measured on."""


def side_of(root: Path, places: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """``train`` or ``test`` of every video that a split file lists, by protocol and video.

    Args:
        root: The data set's folder.
        places: Where the split files lie, relative to it; those that are not there list nothing.

    Raises:
        RefusedInput: ``SPLIT_FILE`` if one is malformed, or has a video on both sides.
    """
    return {
        protocol: _read(root / places[protocol]) if protocol in places else {}
        for protocol in SPLIT_FILES
    }


def view_note(sides: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    """A sentence if ``cross-view.txt`` divides otherwise than by camera."""
    listed = sides["cross-view"]
    other = [video for video, side in sorted(listed.items()) if side != _by_camera(video)]
    if other:
        yield (
            f"PKU-MMD: cross-view.txt has {len(other)} videos on another side than their camera's,"
            f" first {other[0]}; a split by camera follows the camera"
        )


def _by_camera(video: str) -> str:
    return "train" if video[-1] in TRAINING_VIEWS else "test"


def _read(path: Path) -> dict[str, str]:
    side, sides = "", dict[str, str]()
    try:
        lines = split_lines(path)
    except RefusedInput as refused:
        raise _malformed(refused.message) from None
    for number, line in lines:
        if line.lower() in _HEADS:
            side = _HEADS[line.lower()]
            continue
        for video in filter(None, (text.strip() for text in line.split(","))):
            if not side or not _VIDEO.fullmatch(video):
                raise _malformed(f"{path.name}:{number}: {video[:40]!a} is no listed video")
            if sides.setdefault(video, side) != side:
                raise _malformed(f"{path.name}:{number}: {video} is on both sides")
    return sides


def _malformed(problem: str) -> RefusedInput:
    return RefusedInput(
        "SPLIT_FILE", problem, remedy="take the file from the data set's folder Split"
    )
