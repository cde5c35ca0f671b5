"""Is a folder complete, untouched and well-formed? Answered from its manifest alone."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from stroi.cache.checking.check_shard import check_file
from stroi.cache.checking.sandbox import LimitedRun
from stroi.cache.errors import RefusedInput, raise_first, refuse
from stroi.cache.files.temporaries import is_temporary
from stroi.cache.ledger import LEDGER_NAME, MAX_TABLE_BYTES
from stroi.cache.manifest import MANIFEST_NAME, FileEntry, Manifest, read_manifest
from stroi.cache.rois import recorded_rows

OnFile = Callable[[FileEntry, str], None]
Outcome = dict[str, int] | RefusedInput
"""Lengths of the axes of a good file, or what is wrong with it."""

_COLUMNS, _ROWS = "C", "K"
"""The axes whose lengths a manifest's params may declare."""

_MEMORY = 192 << 20
_BYTES_PER_ID = 1 << 10
_CPU_SECONDS = 3
_BYTES_PER_CPU_SECOND = 1 << 25
_IDS_PER_CPU_SECOND = 50_000


def verify(
    folder: Path,
    kind: str | None = None,
    *,
    jobs: int = 1,
    received: bool = False,
    on_file: OnFile | None = None,
) -> list[str]:
    """Every problem of a folder: manifest, set of files, digests, structure, ids, values.

    Args:
        folder: A folder with a manifest.
        kind: The kind it must be; None takes any.
        jobs: Files that are checked at a time.
        received: Whether others made the files: each is then checked in a child process with
            limits on memory and time.
        on_file: Called with each file in turn and its problem, or an empty text.

    Returns:
        One line ``CODE: what is wrong; remedy`` for each problem, naming the file and, where
        one is hit, the sample; empty if the folder is complete and untouched: all its manifest
        says of params, versions and inputs then holds for every byte.
    """
    try:
        manifest = read_manifest(folder, kind)
    except RefusedInput as error:
        return [str(error)]
    problems = find_problems(folder, manifest, jobs, received=received, on_file=on_file)
    return [str(problem) for problem in problems]


def require_verified(folder: Path, kind: str | Sequence[str], *, jobs: int = 1) -> Manifest:
    """The manifest of a folder that has no problem.

    Args:
        folder: A folder with a manifest.
        kind: The kind it must be, or several that it may be.
        jobs: As for `verify`.

    Raises:
        RefusedInput: As `read_manifest`; the first problem of `verify`, the others as details.
    """
    manifest = read_manifest(folder, kind)
    raise_first(list(find_problems(folder, manifest, jobs)))
    return manifest


def declared_columns(params: Mapping[str, Any]) -> int | None:
    """C, the columns of every mosaic, as a manifest's params declare it; None if they do not."""
    counts = [params.get(name) for name in ("candidates", "columns")]
    return next((count for count in counts if type(count) is int and count), None)


def find_problems(
    folder: Path,
    manifest: Manifest,
    jobs: int = 1,
    *,
    received: bool = False,
    on_file: OnFile | None = None,
) -> Iterator[RefusedInput]:
    """The same as `verify`, for a manifest that was read, one problem after the other.

    Args:
        folder: The manifest's folder.
        manifest: What it must hold.
        jobs: As for `verify`.
        received: As for `verify`.
        on_file: As for `verify`.

    Yields:
        The refusal of each problem.
    """
    columns = declared_columns(manifest.params)
    axes = {} if columns is None else {_COLUMNS: (columns, "the manifest")}
    try:
        if "rows" in manifest.params:
            rows = recorded_rows(manifest.params, str(folder / MANIFEST_NAME))
            axes[_ROWS] = (len(rows), "the manifest")
    except RefusedInput as error:
        yield error
    check = _check_in_children if received else _check_in_threads
    for entry, outcome in zip(manifest.files, check(folder, manifest, jobs), strict=True):
        if isinstance(outcome, RefusedInput):
            problem: RefusedInput | None = outcome
        else:
            problem = _other_axes(folder / entry.name, outcome, axes)
        if on_file is not None:
            on_file(entry, str(problem or ""))
        if problem:
            yield problem
    listed = {MANIFEST_NAME, *(entry.name for entry in manifest.files)}
    for name in sorted(path.name for path in folder.iterdir() if path.name not in listed):
        what = "was left by a killed writer" if is_temporary(name) else "is not in the manifest"
        yield refuse("FILE_EXTRA", f"{folder}: {name!a} {what}", "move it elsewhere")


def _check_in_threads(folder: Path, manifest: Manifest, jobs: int) -> Iterator[Outcome]:
    def check(entry: FileEntry) -> Outcome:
        try:
            return check_file(folder, manifest, entry)
        except RefusedInput as error:
            return error

    if jobs <= 1:
        yield from map(check, manifest.files)
        return
    with ThreadPoolExecutor(jobs) as pool:
        yield from pool.map(check, manifest.files)


def _check_in_children(folder: Path, manifest: Manifest, jobs: int) -> Iterator[Outcome]:
    running: deque[LimitedRun] = deque()
    try:
        for entry in manifest.files:
            if len(running) >= jobs:
                yield _outcome(running.popleft())
            running.append(_start_child(folder, manifest, entry))
        while running:
            yield _outcome(running.popleft())
    finally:
        for run in running:
            run.kill()


def _start_child(folder: Path, manifest: Manifest, entry: FileEntry) -> LimitedRun:
    size = min(entry.bytes, MAX_TABLE_BYTES)
    ids = len(manifest.ids) if entry.name == LEDGER_NAME else len(entry.ids)
    return LimitedRun(
        partial(check_file, folder, manifest, entry),
        str(folder / entry.name),
        memory=_MEMORY + ids * _BYTES_PER_ID,
        seconds=_CPU_SECONDS + size // _BYTES_PER_CPU_SECOND + ids // _IDS_PER_CPU_SECOND,
    )


def _outcome(run: LimitedRun) -> Outcome:
    try:
        axes: dict[str, int] = run.result()
    except RefusedInput as error:
        return error
    return axes


def _other_axes(
    path: Path, lengths: dict[str, int], axes: dict[str, tuple[int, str]]
) -> RefusedInput | None:
    for axis, length in lengths.items():
        known, other = axes.setdefault(axis, (length, path.name))
        if known != length:
            return refuse(
                "SCHEMA",
                f"{path} was made with {axis} = {length}, {other} with {known}",
                "rebuild the folder with one set of params",
            )
    return None
