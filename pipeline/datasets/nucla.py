"""Northwestern-UCLA Multiview Action 3D: JSON skeletons, colour pictures in folders or videos."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from stroi.cache.errors import RefusedInput
from stroi.cache.files.opening import read_regular
from stroi.cache.storage.strict_json import parse_json
from stroi.pipeline.datasets.listing import DatasetListing
from stroi.pipeline.index.ledger import ClipOutcome
from stroi.pipeline.index.table import ClipEntry

CLASSES: dict[str, str] = {
    "a01": "pick up with one hand",
    "a02": "pick up with two hands",
    "a03": "drop trash",
    "a04": "walk around",
    "a05": "sit down",
    "a06": "stand up",
    "a08": "donning",
    "a09": "doffing",
    "a11": "throw",
    "a12": "carry",
}
"""Class by its code. There is no a07 and no a10."""

KNOWN = {"v1": 516, "v2": 504, "v3": 464}
"""Skeleton files of each view in the release that is passed around: 1,484."""

MAX_SKELETON_BYTES = 4 * 2**20
"""Largest JSON file that is read; the longest sample has a thirtieth of it."""

_SAMPLE = re.compile(r"(a\d\d)_(s\d\d)_(e\d\d)_v(\d\d)", re.ASCII)
_FOLDER = re.compile(r"(a\d\d)_(s\d\d)_(e\d\d)", re.ASCII)
_VIDEO = re.compile(r"v(\d\d)_(s\d\d)_(e\d\d)\.avi", re.ASCII)
_VIEW = re.compile(r"view_(\d)", re.ASCII)
_PICTURE = re.compile(r"frame_(\d{1,9})_tc_\d{1,18}_rgb\.jpg", re.ASCII)
_ACTION = re.compile(r"a\d\d", re.ASCII)
_SUBJECTS = {f"s{number:02d}" for number in range(1, 11)}
_WRONG = re.compile(r"a0[56]_s04_e\d\d_v02|a0[89]_s05_e\d\d_v02", re.ASCII)
"""Samples whose label contradicts another camera's of the same performance (docs/nucla.md)."""
_DEPTH = 8
"""Folders within folders that are read, so that a link to a parent ends."""


def list_nucla(root: Path) -> DatasetListing:
    """Samples of Northwestern-UCLA anywhere below `root`.

    Skeletons are files ``a01_s01_e00_v01.json``. Colour pictures are folders
    ``view_1/a01_s01_e00``, or videos ``a01/v01_s01_e00.avi`` where there is no such folder.
    A sample may lack either. Labels, subjects and cameras come from the names alone.

    Raises:
        RefusedInput: ``NUCLA_EMPTY`` if there is no sample, ``ID_DUPLICATE`` if one is there twice.
    """
    files = _Found()
    for place, is_folder in _entries(root, Path(), 0):
        files.add(place, is_folder)
    videos = {**files.videos, **files.folders}
    clips = [
        _listed(name, videos.get(name), files.skeletons.get(name))
        for name in sorted({*files.skeletons, *videos})
    ]
    if not clips:
        raise RefusedInput(
            "NUCLA_EMPTY",
            f"{root} holds no skeleton and no pictures of Northwestern-UCLA",
            remedy="put all_sqe/*.json or multiview_action/view_* there, see docs/nucla.md",
        )
    remarks = {clip.id: remark for clip in clips if (remark := _remark(root, clip))}
    notes = tuple(_notes(clips, len(remarks)))
    return DatasetListing(tuple(clips), tuple(sorted(files.left_out)), notes, remarks)


@dataclass
class _Found:
    """Places by sample id, relative to the data set's root."""

    skeletons: dict[str, Path] = field(default_factory=dict)
    folders: dict[str, Path] = field(default_factory=dict)
    videos: dict[str, Path] = field(default_factory=dict)
    left_out: list[ClipOutcome] = field(default_factory=list)

    def add(self, place: Path, is_folder: bool) -> None:
        """File a place under its sample, or among what is left out, if it is any of the kinds."""
        above, name = place.parent.name, place.name
        view = _VIEW.fullmatch(above)
        if is_folder and view:
            match = _FOLDER.fullmatch(name)
            self._file(self.folders, place, (*match.groups(), f"0{view[1]}") if match else None)
        elif place.suffix == ".json":
            match = _SAMPLE.fullmatch(place.stem)
            if match or above == "all_sqe":
                self._file(self.skeletons, place, match.groups() if match else None)
        elif place.suffix == ".avi" and _ACTION.fullmatch(above):
            match = _VIDEO.fullmatch(name)
            self._file(self.videos, place, (above, match[2], match[3], match[1]) if match else None)

    def _file(self, kind: dict[str, Path], place: Path, parts: tuple[str, ...] | None) -> None:
        name = "{}_{}_{}_v{}".format(*parts) if parts else place.as_posix()
        problem = _problem(parts)
        if problem:
            self.left_out.append(ClipOutcome(ascii(name)[1:-1][-64:], *problem))
        elif kind.setdefault(name, place) != place:
            raise RefusedInput(
                "ID_DUPLICATE",
                f"sample {name} is both {kind[name]} and {place}",
                remedy="remove one of the two copies",
            )


def _problem(parts: tuple[str, ...] | None) -> tuple[str, str] | None:
    """Why something with these parts of a name is no sample: code and sentence."""
    if parts is None:
        return "NAME_UNKNOWN", "not named like a sample of Northwestern-UCLA"
    action, subject, _, view = parts
    if action not in CLASSES:
        return "CLASS_UNKNOWN", f"{action} is none of the 10 classes"
    if subject not in _SUBJECTS or f"v{int(view)}" not in KNOWN:
        return "NAME_UNKNOWN", f"there is no {subject} in view {int(view)}"
    return None


def _entries(root: Path, folder: Path, depth: int) -> Iterator[tuple[Path, bool]]:
    """Everything below `folder`, relative to `root`, except the contents of sample folders."""
    with os.scandir(root / folder) as entries:
        inside = sorted((entry.name, entry.is_dir()) for entry in entries)
    for name, is_folder in inside:
        if name.startswith("."):
            continue
        yield folder / name, is_folder
        if is_folder and depth < _DEPTH and not _VIEW.fullmatch(folder.name):
            yield from _entries(root, folder / name, depth + 1)


def _listed(name: str, video: Path | None, skeleton: Path | None) -> ClipEntry:
    action, subject, _, view = name.split("_")
    return ClipEntry(
        id=name,
        video=video.as_posix() if video else "",
        label=f"{action} {CLASSES[action]}",
        subject=subject,
        camera=f"v{int(view[1:])}",
        skeleton=skeleton.as_posix() if skeleton else "",
    )


def _remark(root: Path, clip: ClipEntry) -> str:
    """How many pictures and skeleton frames a sample has, where the two differ.

    Pictures carry frame numbers, skeleton frames none, so the two cannot be paired for certain
    where they differ; nothing in the pipeline pairs them.
    """
    if not (clip.video and clip.skeleton) or clip.video.endswith(".avi"):
        return ""
    frames = _skeleton_frames(root / clip.skeleton)
    with os.scandir(root / clip.video) as entries:
        matches = [_PICTURE.fullmatch(entry.name) for entry in entries]
    numbers = sorted(int(match[1]) for match in matches if match)
    if frames is None or not numbers or len(numbers) == frames:
        return ""
    span = f"numbered {numbers[0]} to {numbers[-1]}"
    return f"{len(numbers)} pictures, {span}, and {frames} skeleton frames"


def _skeleton_frames(path: Path) -> int | None:
    """Frames in a JSON file; None if it is not what the stage that reads it will take."""
    try:
        content = parse_json(read_regular(path, MAX_SKELETON_BYTES), path.name)
    except (OSError, RefusedInput):
        return None
    frames = content.get("skeletons") if isinstance(content, dict) else None
    return len(frames) if isinstance(frames, list) else None


def _notes(clips: list[ClipEntry], uneven: int) -> Iterator[str]:
    here = Counter(clip.camera for clip in clips if clip.skeleton)
    lacking = {view: known - here[view] for view, known in KNOWN.items() if here[view] < known}
    if lacking:
        views = ", ".join(f"{count:,} of view {view[1:]}" for view, count in lacking.items())
        yield f"{sum(lacking.values()):,} of the 1,484 known skeleton files are not here: {views}"
    blind = sum(not clip.video for clip in clips)
    if blind:
        yield f"{blind:,} of {len(clips):,} samples have no pictures, hence no mosaic"
    wrong = sum(bool(_WRONG.fullmatch(clip.id)) for clip in clips)
    if wrong:
        yield (
            f"{wrong} samples have a label that camera 1 contradicts, see docs/nucla.md; "
            "the split v12-3-sound does not train on them"
        )
    if uneven:
        yield f"{uneven:,} samples have more or fewer pictures than skeleton frames, see the ledger"
