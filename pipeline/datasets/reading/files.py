"""The files of listed clips: which are missing, and which are copies of one another."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from stroi.cache.files.digests import digest, sha256_file
from stroi.pipeline.datasets.reading.places import PlaceFinder
from stroi.pipeline.index.checks import OF_NOTHING
from stroi.pipeline.index.table import ClipEntry, Sample

MEND_MISSING = "put the files there or correct their paths"
"""What to do about clips without a file."""

_NAMED = 3


def missing_notes(root: Path, clips: Sequence[ClipEntry]) -> tuple[list[str], int]:
    """A sentence about files that are not there, and how many clips lack one."""
    finder = PlaceFinder(root)
    missing = {
        clip.id: place
        for clip in clips
        for place in (clip.video, clip.skeleton)
        if place and not (root / place).exists()
    }
    if not missing:
        return [], 0
    shown = []
    for place in sorted(set(missing.values()))[:_NAMED]:
        meant = finder.suggest(place)
        shown.append(f"{place!a}" + (f" (perhaps {meant!a})" if meant else ""))
    more = ", ..." if len(set(missing.values())) > _NAMED else ""
    text = (
        f"the files of {len(missing)} of {len(clips)} clips are missing: {', '.join(shown)}{more}"
    )
    return [text], len(missing)


def with_digests(root: Path, clips: Iterable[ClipEntry]) -> list[Sample]:
    """The clips with a digest of each video that another one may be a copy of.

    Files of different size differ, so few are read. A video that has no twin gets a digest of its
    path, which serves to compare the clips of one listing and for nothing else.
    """
    samples = [Sample(**asdict(clip)) for clip in clips]
    by_size: dict[tuple[int, ...], list[str]] = defaultdict(list)
    for place in sorted({clip.video for clip in samples if clip.video}):
        by_size[_size(root / place)].append(place)
    digests: dict[str, str] = {}
    for size, places in by_size.items():
        for place in places:
            if not size:
                digests[place] = ""
            elif len(places) == 1:
                digests[place] = digest(place)
            else:
                digests[place] = _digest(root / place)
    return [replace(one, sha256=digests.get(one.video, "")) for one in samples]


def twin_notes(samples: Iterable[Sample]) -> Iterator[str]:
    """A sentence about videos of equal content under two names."""
    by_digest: dict[str, dict[str, str]] = defaultdict(dict)
    for sample in samples:
        if sample.sha256 and sample.sha256 != OF_NOTHING:
            by_digest[sample.sha256][sample.video] = sample.label
    twins = sorted(sorted(videos) for videos in by_digest.values() if len(videos) > 1)
    if not twins:
        return
    shown = "; ".join(" and ".join(map(ascii, places[:2])) for places in twins[:_NAMED])
    more = f"; and {len(twins) - _NAMED} more" if twins[_NAMED:] else ""
    classes = sum(len({*videos.values()}) > 1 for videos in by_digest.values())
    doubt = f" ({classes} in two classes)" if classes else ""
    yield (
        f"{len(twins)} videos are there under two names{doubt}: {shown}{more}: keep one of each,"
        " because a split that has them on two sides is refused"
    )


def _size(path: Path) -> tuple[int, ...]:
    """What equal files have in common and can be read fast; () if there is nothing to compare."""
    try:
        if not path.is_dir():
            return (path.stat().st_size,)
        with os.scandir(path) as entries:
            files = sorted((entry.name, entry.stat().st_size) for entry in entries)
        if not any(size for _, size in files):
            return ()
        return (len(files), *(size for _, size in (*files[:1], *files[-1:])))
    except OSError:
        return ()


def _digest(path: Path) -> str:
    try:
        if not path.is_dir():
            return sha256_file(path)
        files = sorted(file for file in path.iterdir() if file.is_file())
        return digest([[file.name, sha256_file(file)] for file in files])
    except OSError:
        return ""
