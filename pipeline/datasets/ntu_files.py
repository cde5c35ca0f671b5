"""The files of NTU RGB+D, wherever they lie below one folder."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from stroi.cache.errors import RefusedInput
from stroi.pipeline.datasets.ntu_lists import NAME
from stroi.pipeline.index.csv import check_inside
from stroi.pipeline.index.ledger import ClipOutcome

VIDEO, SKELETON = "_rgb.avi", ".skeleton"
OTHER_MODALITIES = ("_ir.avi",)
"""What else the data set ships under a sample's name, besides folders of depth pictures."""

_NEARLY = re.compile(r"\.(avi|mp4|mkv|mov|webm|skeleton)$|^s\d+c\d+p\d+r\d+a\d+", re.I | re.ASCII)


@dataclass
class Found:
    """What lies below a folder.

    Attributes:
        videos: Path of each sample's video, relative to the folder.
        skeletons: Path of each sample's skeleton file.
        misnamed: What looks like a sample's file, and is none.
    """

    videos: dict[str, str] = field(default_factory=dict)
    skeletons: dict[str, str] = field(default_factory=dict)
    misnamed: list[ClipOutcome] = field(default_factory=list)


def find_files(root: Path) -> Found:
    """Find all samples' files below `root`, in folders of any name and depth.

    Folders called like a sample hold its depth pictures: nobody looks into them.

    Raises:
        RefusedInput: ``ID_DUPLICATE`` if a sample has two videos or two skeletons;
            ``LINKED_FOLDER`` if a folder is a link, behind which DVC would not see a change;
            ``DATASET_MISSING`` if a folder cannot be read.
    """
    found = Found()
    for place in _walk(root):
        name = place.rpartition("/")[2]
        if name.endswith(OTHER_MODALITIES) and NAME.fullmatch(name[:20]) and len(name) == 27:
            continue
        for ending, known in ((VIDEO, found.videos), (SKELETON, found.skeletons)):
            if name.endswith(ending) and NAME.fullmatch(name.removesuffix(ending)):
                _add(root, place, name.removesuffix(ending), known, found.misnamed)
                break
        else:
            if _NEARLY.search(name):
                found.misnamed.append(_misnamed(name, f"{name!a} is no sample's name"))
    return found


def _add(
    root: Path, place: str, sample: str, known: dict[str, str], bad: list[ClipOutcome]
) -> None:
    try:
        check_inside(root, 0, "path", place)
    except RefusedInput:
        bad.append(_misnamed(sample, f"the folder of {sample} has a name that cannot be listed"))
        return
    if known.setdefault(sample, place) != place:
        raise RefusedInput(
            "ID_DUPLICATE",
            f"{root}: {sample} is there twice: {known[sample]} and {place}",
            remedy="keep one of them",
        )


def _misnamed(name: str, problem: str) -> ClipOutcome:
    plain = re.sub(r"[^A-Za-z0-9_.-]", "_", name)[:64]
    return ClipOutcome(
        plain,
        "NAME_BAD",
        f"{problem}; samples are S001C001P001R001A001_rgb.avi, .skeleton and so on",
    )


def _walk(root: Path) -> Iterator[str]:
    """Paths of all files below `root`, relative to it, in an order that is always the same."""
    for folder, below, files in os.walk(root, onerror=_unreadable):
        inside = Path(folder).relative_to(root)
        for name in below:
            _check_no_link(root, root / inside / name)
        below[:] = sorted(name for name in below if not NAME.fullmatch(name))
        for name in sorted(files):
            yield (inside / name).as_posix()


def _check_no_link(root: Path, folder: Path) -> None:
    if folder.is_symlink():
        raise RefusedInput(
            "LINKED_FOLDER",
            f"{folder} is a link, and DVC would not notice a change behind it",
            remedy=f"link the files one by one, or make {root} itself the link",
        )


def _unreadable(error: OSError) -> None:
    raise RefusedInput(
        "DATASET_MISSING",
        f"{error.filename} cannot be read ({error.strerror})",
        remedy="allow it, or leave the folder out",
    )
