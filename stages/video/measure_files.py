"""Digesting the files of a data set, each once, and a first look into its videos."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from functools import partial
from importlib import metadata
from pathlib import Path

from stroi.cache.errors import ClipRejected
from stroi.cache.files.digests import settled_state
from stroi.cache.manifest import stroi_version
from stroi.pipeline.index.ledger import ClipOutcome
from stroi.pipeline.parallel.executor import Tick, Workers, parallel_map_unordered
from stroi.stages.video.file_states import KnownFile, read_known, write_known
from stroi.stages.video.fingerprint import measure_clip

_CHUNK = 64

Measured = KnownFile | ClipOutcome | None
"""A file, or why it is no video; None if there is no such file."""


def measure_files(
    raw: Path, places: Sequence[str], videos: Collection[str], workers: Workers, store: Path
) -> dict[str, Measured]:
    """Digest every file that changed since the last time, and look into the videos among them.

    Args:
        raw: The data set.
        places: Files and folders of frames, relative to it.
        videos: Those that are videos.
        workers: Where to run.
        store: Folder of finished work, which has what was found the last time.

    Returns:
        What was found, by place.

    Raises:
        StroiError: If the disk fails.
    """
    checker = f"stroi {stroi_version()}, av {metadata.version('av')}"
    before = read_known(store, raw)
    found: dict[str, Measured] = {}
    for place in places:
        known = before.get(place)
        if known is None or (place in videos and known.checked_by != checker):
            continue
        if known.state == settled_state(raw / place):
            found[place] = known
    left = [place for place in places if place not in found]
    if not left:
        return found
    results = parallel_map_unordered(
        partial(_measure_chunk, raw, videos, checker),
        [left[at : at + _CHUNK] for at in range(0, len(left), _CHUNK)],
        workers=workers,
        total=len(left),
        label="index",
        scratch=store,
    )
    for chunk in results:
        found |= chunk
    write_known(store, raw, {at: one for at, one in found.items() if isinstance(one, KnownFile)})
    return found


def _measure_chunk(
    raw: Path, videos: Collection[str], checker: str, places: Sequence[str], tick: Tick
) -> dict[str, Measured]:
    measured: dict[str, Measured] = {}
    for place in places:
        one = _measure(raw / place)
        if place in videos and isinstance(one, KnownFile):
            one = _check(raw, place, replace(one, checked_by=checker))
        measured[place] = one
        tick()
    return measured


def _measure(path: Path) -> Measured:
    if not (path.is_file() or path.is_dir()):
        return None
    state = settled_state(path)
    try:
        sha256, size = measure_clip(path)
    except ClipRejected as rejected:
        return ClipOutcome("", rejected.code, rejected.text)
    return KnownFile(state if settled_state(path) == state else "", sha256, size)


def _check(raw: Path, place: str, file: KnownFile) -> KnownFile:
    # Only here: listing clips must not need a decoder.
    from stroi.stages.video.reader import check_clip

    try:
        check_clip(raw / place)
    except ClipRejected as rejected:
        # Wherever the data set lies, its index has the same bytes.
        text = rejected.text.replace(ascii(f"{raw}/")[1:-1], "")
        return replace(file, code=rejected.code, detail=text)
    return file
