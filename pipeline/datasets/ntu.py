"""Adapters ``ntu60`` and ``ntu120``: NTU RGB+D as it is shipped, anywhere below one folder."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from pathlib import Path

from stroi.cache.errors import RefusedInput
from stroi.pipeline.datasets.folders import VIDEO_ENDINGS
from stroi.pipeline.datasets.listing import DatasetListing
from stroi.pipeline.datasets.ntu_lists import (
    NAME,
    NTU_60,
    NTU_120,
    Name,
    NtuSet,
    class_names,
    good_names,
    listed_missing,
    unknown_part,
)
from stroi.pipeline.datasets.segments import add_once, files_below
from stroi.pipeline.index.ledger import ClipOutcome
from stroi.pipeline.index.table import ClipEntry

VIDEOS = tuple(f"_rgb{ending}" for ending in VIDEO_ENDINGS)
"""The data set ships ``_rgb.avi``; copies in other containers are usual."""
SKELETON = ".skeleton"
OTHER_MODALITIES = tuple(f"_ir{ending}" for ending in VIDEO_ENDINGS)
"""What else the data set ships under a sample's name, besides folders of depth images."""

_NEARLY = re.compile(r"\.(avi|mp4|mkv|mov|webm|skeleton)$|^s\d+c\d+p\d+r\d+a\d+", re.I | re.ASCII)
_PARTS = {
    axis: itemgetter(slice(4 * number, 4 * number + 4)) for number, axis in enumerate(Name._fields)
}
"""Where the parts of a sample's name stand."""


def list_ntu60(root: Path) -> DatasetListing:
    """Samples of NTU RGB+D 60."""
    return list_ntu(root, NTU_60)


def list_ntu120(root: Path) -> DatasetListing:
    """Samples of NTU RGB+D 120."""
    return list_ntu(root, NTU_120)


def list_ntu(root: Path, ntu: NtuSet) -> DatasetListing:
    """Samples of which `root` holds a video ``NAME_rgb.avi``, a file ``NAME.skeleton``, or both.

    The video may be a copy in another container, such as ``NAME_rgb.mp4``.

    A sample's subject is its performer (``P001``), its camera ``C001``, its group the setup
    (``S001``) and its label ``A001 drink water``.

    Returns:
        The samples. Left out are those that the data set lists as having no good skeleton
        (``LISTED_MISSING``), names that no sample of it has (``NAME_UNKNOWN``), and files with a
        name close to a sample's (``NAME_BAD``). The notes list what is missing.

    Raises:
        RefusedInput: As `find_files`; ``DATASET_EMPTY`` if there is no sample at all;
            ``NTU_SIZES`` if all samples are there and the protocols have other sizes than were
            published.
    """
    found = find_files(root)
    clips: list[ClipEntry] = []
    left_out = list(found.misnamed)
    for sample in sorted(found.videos.keys() | found.skeletons.keys()):
        if problem := unknown_part(sample, ntu):
            left_out.append(ClipOutcome(sample, "NAME_UNKNOWN", problem))
        elif sample in listed_missing():
            detail = "the data set lists it as having no good skeleton"
            left_out.append(ClipOutcome(sample, "LISTED_MISSING", detail))
        else:
            clips.append(_listed(sample, found))
    if not clips:
        raise RefusedInput(
            "DATASET_EMPTY",
            f"{root} holds no sample of {ntu.title} ({len(left_out)} files and samples left out)",
            remedy="put S001C001P001R001A001.skeleton, S001C001P001R001A001_rgb.avi and the"
            " others below it",
        )
    return DatasetListing(tuple(clips), tuple(left_out), notes(ntu, clips, left_out))


def _listed(sample: str, found: Found) -> ClipEntry:
    name = Name.of(sample)
    return ClipEntry(
        id=sample,
        video=found.videos.get(sample, ""),
        label=class_names()[name.action],
        subject=name.performer,
        camera=name.camera,
        group=name.setup,
        skeleton=found.skeletons.get(sample, ""),
    )


@dataclass
class Found:
    """What lies below a folder.

    Attributes:
        videos: Path of each sample's video, relative to the folder.
        skeletons: Path of each sample's skeleton file.
        misnamed: Files whose names are close to a sample's.
    """

    videos: dict[str, str] = field(default_factory=dict)
    skeletons: dict[str, str] = field(default_factory=dict)
    misnamed: list[ClipOutcome] = field(default_factory=list)


def find_files(root: Path) -> Found:
    """Find all samples' files below `root`, in folders of any name and depth.

    Folders named like a sample hold its depth images and are skipped.

    Raises:
        RefusedInput: ``ID_DUPLICATE`` if a sample has two videos or two skeletons; as
            `files_below`.
    """
    found = Found()
    for place in files_below(root, NAME):
        name = place.rpartition("/")[2]
        sample, ending = name[:20], name[20:]
        if NAME.fullmatch(sample) and ending in OTHER_MODALITIES:
            continue
        for endings, known in ((VIDEOS, found.videos), ((SKELETON,), found.skeletons)):
            if NAME.fullmatch(sample) and ending in endings:
                try:
                    add_once(known, sample, place, root)
                except RefusedInput as refused:
                    if refused.code == "ID_DUPLICATE":
                        raise
                    problem = f"the folder of {sample} has a name that cannot be listed"
                    found.misnamed.append(_misnamed(sample, problem))
                break
        else:
            if _NEARLY.search(name):
                found.misnamed.append(_misnamed(name, f"{name!a} is no sample's name"))
    return found


def _misnamed(name: str, problem: str) -> ClipOutcome:
    plain = re.sub(r"[^A-Za-z0-9_.-]", "_", name)[:64]
    return ClipOutcome(
        plain,
        "NAME_BAD",
        f"{problem}; samples are S001C001P001R001A001_rgb.avi, .skeleton and so on",
    )


def notes(
    ntu: NtuSet, clips: Sequence[ClipEntry], left_out: Iterable[ClipOutcome]
) -> tuple[str, ...]:
    """Sentences about a listing.

    Args:
        ntu: The data set.
        clips: Its listed samples.
        left_out: Those that are left out.

    Raises:
        RefusedInput: ``NTU_SIZES`` if all samples are there, and a protocol has another size than
            was published.
    """
    there = {clip.id for clip in clips}
    expected = good_names(ntu)
    absent = [name for name in expected if name not in there]
    sizes = _sizes(ntu, there)
    if not absent:
        _check_sizes(ntu, sizes)
    protocols = "; ".join(f"{name} {train:,} / {test:,}" for name, (train, test) in sizes.items())
    part = "all" if not absent else f"{len(there):,} of"
    lines = [f"{ntu.title}: {part} {len(expected):,} samples; train / test: {protocols}"]
    lines += _absent(expected, absent)
    lines += _without("video", [clip.id for clip in clips if not clip.video])
    lines += _without("skeleton", [clip.id for clip in clips if not clip.skeleton])
    counts = sorted(Counter(outcome.code for outcome in left_out).items())
    if counts:
        codes = ", ".join(f"{count:,} {code}" for code, count in counts)
        lines.append(f"{ntu.title}: left out, see ledger.csv: {codes}")
    return tuple(lines)


def ranges(values: Sequence[str]) -> str:
    """Numbered names in order, in short: ``P001, P003 to P005``."""
    runs: list[list[str]] = []
    for value in values:
        if runs and int(value[1:]) == int(runs[-1][-1][1:]) + 1:
            runs[-1].append(value)
        else:
            runs.append([value])
    return ", ".join(f"{run[0]} to {run[-1]}" if len(run) > 2 else ", ".join(run) for run in runs)


def _sizes(ntu: NtuSet, there: Iterable[str]) -> dict[str, tuple[int, int]]:
    parts = [Name.of(sample) for sample in there]
    sizes = {}
    for protocol in ntu.protocols:
        train = sum(map(protocol.trains, parts))
        sizes[protocol.title] = (train, len(parts) - train)
    return sizes


def _check_sizes(ntu: NtuSet, sizes: dict[str, tuple[int, int]]) -> None:
    for protocol in ntu.protocols:
        if sizes[protocol.title] != protocol.sizes:
            raise RefusedInput(
                "NTU_SIZES",
                f"{ntu.title}: {protocol.title} has {sizes[protocol.title]} training and test"
                f" samples, published are {protocol.sizes}",
                remedy="this stroi's own lists are damaged: install it again",
            )


def _absent(expected: Sequence[str], absent: Sequence[str]) -> list[str]:
    """What is wholly absent, and how much is missing besides."""
    if not absent:
        return []
    gone: list[set[str]] = []
    lines = []
    for axis, part in _PARTS.items():
        whole, lack = Counter(map(part, expected)), Counter(map(part, absent))
        gone.append({value for value, count in lack.items() if count == whole[value]})
        if gone[-1]:
            lines.append(f"no sample of {axis} {ranges(sorted(gone[-1]))}")
    parts = tuple(zip(_PARTS.values(), gone, strict=True))
    single = [name for name in absent if not any(part(name) in values for part, values in parts)]
    if single:
        lines.append(f"{len(single):,} missing{' besides' * bool(lines)}, first {single[0]}")
    return lines


def _without(what: str, without: Sequence[str]) -> list[str]:
    if not without:
        return []
    samples = "sample" if len(without) == 1 else "samples"
    return [f"{len(without):,} {samples} without a {what}, first {without[0]}"]
