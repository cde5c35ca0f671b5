"""Adapter ``pku-mmd``: phase 1 of PKU-MMD, long videos cut into clips by their label files.

The layout follows the data set's own page and README (https://struct002.github.io/PKUMMD and
https://github.com/ECHO960/PKU-MMD) and the folder names of its archives, as the programs that read
them have them: ``RGB_VIDEO/0002-L.avi``, ``Train_Label_PKU_final/0002-L.txt`` of lines ``label,
start, end, confidence``, ``PKU_Skeleton_Renew/0002-L.txt`` and ``Split/cross-subject.txt``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from stroi.cache.errors import RefusedInput
from stroi.pipeline.datasets.listing import DatasetListing
from stroi.pipeline.datasets.segments import (
    Row,
    add_once,
    cut,
    files_below,
    left,
    split_lines,
)
from stroi.pipeline.index.ledger import ClipOutcome
from stroi.pipeline.index.table import ClipEntry

CLASSES = (
    *("bow", "brushing hair", "brushing teeth", "check time", "cheer up", "clapping"),
    *("cross hands in front", "drink water", "drop", "eat meal", "falling"),
    *("giving something to other person", "hand waving", "handshaking", "hopping"),
    *("hugging other person", "jump up", "kicking other person", "kicking something"),
    *("make a phone call", "pat on back of other person", "pickup", "playing with phone"),
    *("point finger at the other person", "pointing to something with finger"),
    *("punching other person", "pushing other person", "put on a hat"),
    *("put something inside pocket", "reading", "rub two hands together", "salute"),
    *("sitting down", "standing up", "take off a hat", "take off glasses", "take off jacket"),
    *("take out something from pocket", "taking a selfie", "tear up paper", "throw"),
    *("touch back", "touch chest", "touch head", "touch neck", "typing on a keyboard"),
    *("use a fan", "wear jacket", "wear on glasses", "wipe face", "writing"),
)
"""The 51 classes; a label is a position from 1."""

KNOWN_VIDEOS, KNOWN_CLIPS = 1076, 21_545
"""Of the whole phase 1, by its README."""

SPLIT_FILES = ("cross-subject", "cross-view")
"""Their names; newer downloads have an underscore instead of the hyphen."""

TRAINING_VIEWS = frozenset("MR")
"""Cameras of the cross-view protocol's training part; the left one measures."""

_VIDEO = re.compile(r"(?P<recording>\d{4})-(?P<view>[LMR])", re.ASCII)
_HEADS = {"training videos:": "train", "validataion videos:": "test", "validation videos:": "test"}
"""Lines before lists of videos, the second as the files spell it; what they call validation is
what every published figure is measured on."""


@dataclass
class _Found:
    """Places by video, relative to the data set's root; split files by their name."""

    videos: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    skeletons: dict[str, str] = field(default_factory=dict)
    splits: dict[str, str] = field(default_factory=dict)


def list_pku_mmd(root: Path) -> DatasetListing:
    """Actions of PKU-MMD's phase 1, anywhere below `root`.

    A clip's camera is the view (L, M or R), its group the recording, which three cameras saw, and
    its split what ``cross-subject.txt`` says: ``train``, ``test``, or nothing. Who performs is not
    published. A clip lasts from ``start`` to the frame before ``end``.

    Returns:
        The clips. Left out are rows that cannot be right (`stroi.pipeline.datasets.segments.cut`;
        ``SEGMENT_ROW`` if one has not four fields), and as a whole videos without labels
        (``LABELS_MISSING``), labels of neither a video nor a skeleton (``VIDEO_MISSING``) and
        label files that are no text (``SEGMENT_TABLE``).

    Raises:
        RefusedInput: ``DATASET_EMPTY`` if there is no clip, ``ID_DUPLICATE`` if a file is there
            twice, ``SPLIT_FILE`` if a split file is malformed, ``LINKED_FOLDER``.
    """
    found = _find(root)
    sides = _side_of(root, found.splits)
    clips: list[ClipEntry] = []
    left_out: list[ClipOutcome] = []
    for name in sorted(found.videos.keys() | found.labels.keys()):
        some, bad = _clips(root, found, name, sides["cross-subject"])
        clips += some
        left_out += bad
    if not clips:
        raise RefusedInput(
            "DATASET_EMPTY",
            f"{root} holds no action of PKU-MMD ({len(left_out)} files and rows left out)",
            remedy="put RGB_VIDEO, Train_Label_PKU_final, PKU_Skeleton_Renew and Split below it",
        )
    return DatasetListing(
        tuple(sorted(clips, key=lambda clip: clip.id)),
        tuple(left_out),
        tuple(_notes(found, clips, left_out, sides)),
    )


def _find(root: Path) -> _Found:
    found = _Found()
    for place in files_below(root, _VIDEO):
        *folders, name = place.split("/")
        stem, _, suffix = name.rpartition(".")
        if stem.replace("_", "-") in SPLIT_FILES and suffix == "txt":
            add_once(found.splits, stem.replace("_", "-"), place, root)
        elif _VIDEO.fullmatch(stem) and (kind := _kind(folders, suffix)):
            add_once(getattr(found, kind), stem, place, root)
    return found


def _kind(folders: list[str], suffix: str) -> str:
    """What a file is, by its suffix or by the folder that it lies in, the innermost first."""
    if suffix in ("label", "skeleton"):
        return f"{suffix}s"
    for folder in reversed(folders):
        if suffix == "avi" and folder.lower().startswith("rgb"):
            return "videos"
        if suffix == "txt" and "label" in folder.lower():
            return "labels"
        if suffix == "txt" and "skeleton" in folder.lower():
            return "skeletons"
    return ""


def _clips(
    root: Path, found: _Found, name: str, side: dict[str, str]
) -> tuple[list[ClipEntry], list[ClipOutcome]]:
    """Clips and left-out rows of one video."""
    if name not in found.labels:
        return [], [ClipOutcome(name, "LABELS_MISSING", f"{name} has no label file")]
    if name not in found.videos and name not in found.skeletons:
        return [], [
            ClipOutcome(name, "VIDEO_MISSING", f"{name} has neither a video nor a skeleton")
        ]
    recording, _, view = name.partition("-")
    video = ClipEntry(
        id=name,
        video=found.videos.get(name, ""),
        label="",
        camera=view,
        group=recording,
        split=side.get(name, ""),
        skeleton=found.skeletons.get(name, ""),
    )
    try:
        lines = split_lines(root / found.labels[name])
    except RefusedInput as refused:
        return [], [ClipOutcome(name, refused.code, refused.message)]
    return cut(video, _rows(name, lines))


def _rows(video: str, lines: list[tuple[int, str]]) -> Iterator[Row | ClipOutcome]:
    for number, line in lines:
        fields = [text.strip() for text in line.split(",")]
        if len(fields) != 4:
            problem = f"{line[:40]!a} is not label, start, end, confidence"
            yield left(video, number, "SEGMENT_ROW", problem)
            continue
        label = fields[0]
        known = label.isascii() and label.isdigit() and 1 <= int(label[:4]) <= len(CLASSES)
        text = f"{int(label):02d} {CLASSES[int(label) - 1]}" if known and len(label) < 4 else ""
        yield Row(number, text, fields[1], fields[2], label)


def _notes(
    found: _Found,
    clips: list[ClipEntry],
    left_out: list[ClipOutcome],
    sides: dict[str, dict[str, str]],
) -> Iterator[str]:
    videos = {clip.id.split("_")[0] for clip in clips}
    yield (
        f"PKU-MMD: {len(clips)} actions in {len(videos)} videos, of {KNOWN_CLIPS} in {KNOWN_VIDEOS}"
    )
    if left_out:
        yield f"PKU-MMD: {len(left_out)} rows or videos left out, first {left_out[0].detail}"
    for kind, text in (("videos", "no colour video"), ("skeletons", "no skeleton file")):
        lacking = sorted(videos - getattr(found, kind).keys())
        if lacking:
            yield f"PKU-MMD: {len(lacking)} of the videos have {text}, first {lacking[0]}"
    unknown = sorted(videos - sides["cross-subject"].keys())
    if unknown:
        yield (
            f"PKU-MMD: {len(unknown)} videos are not in cross-subject.txt and are on neither side"
            f" of a split by it, first {unknown[0]}"
        )
    yield from _view_note(sides)


def _side_of(root: Path, places: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """``train`` or ``test`` of every video that a split file lists, by protocol and video.

    Args:
        root: The data set's folder.
        places: Where the split files lie, relative to it; those that are not there list nothing.

    Raises:
        RefusedInput: ``SPLIT_FILE`` if one is malformed, or has a video on both sides.
    """
    return {
        protocol: _read_split(root / places[protocol]) if protocol in places else {}
        for protocol in SPLIT_FILES
    }


def _view_note(sides: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
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


def _read_split(path: Path) -> dict[str, str]:
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
