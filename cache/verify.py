"""Is a folder complete, untouched and well-formed? Answered from its manifest alone."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from stroi.cache.checking.sandbox import Answer, Request, ask, dismiss
from stroi.cache.columns import columns_told
from stroi.cache.errors import RefusedInput, refuse
from stroi.cache.files.temporaries import is_temporary
from stroi.cache.manifest import MANIFEST_NAME, FileEntry, Manifest, read_manifest
from stroi.cache.storage.schema import MAX_FILE_BYTES

OnFile = Callable[[FileEntry, str], None]

_LEDGER = "ledger.csv"
_LEDGER_UNLISTED = "1.0"
"""The schema whose manifests did not list the ledger."""

_COLUMNS = "C"
"""The axis whose length a manifest's params may tell."""


def verify(
    folder: Path,
    kind: str | None = None,
    *,
    jobs: int = 1,
    confined: bool = True,
    on_file: OnFile | None = None,
) -> list[str]:
    """Every problem of a folder: manifest, set of files, digests, structure, ids, values.

    Args:
        folder: A folder with a manifest.
        kind: The kind it must be; None takes any.
        jobs: Files that are checked at a time, each by a process of its own.
        confined: Whether to check files in child processes with limits (see
            `stroi.cache.checking.sandbox`); leave it so for files that others made.
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
    return [str(problem) for problem in find_problems(folder, manifest, jobs, confined, on_file)]


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
    problems = list(find_problems(folder, manifest, jobs))
    if problems:
        first, *others = problems
        more = f" (and {len(others)} more)" if others else ""
        raise RefusedInput(
            first.code,
            first.message + more,
            remedy=first.remedy,
            details=tuple(map(str, others)),
        )
    return manifest


def require_sound(path: Path, kind: str) -> None:
    """Refuse a single file of samples, with or without a manifest, before it is opened here.

    A child process checks its structure, ids and values; no digest is looked at, so that this is
    fast for a file that nobody vouches for or whose folder is not to be read whole.

    Args:
        path: The file.
        kind: The kind it must be, such as ``mosaics``.

    Raises:
        RefusedInput: ``FILE_MISSING``, ``FILE_TYPE``, ``FILE_SIZE``, or any of reading a shard.
    """
    size = path.lstat().st_size if path.exists() else 0
    entry = FileEntry(path.name, size, "")
    unopened = _refuse_unopened(path, entry)
    answer = unopened or ask(Request(str(path.absolute()), str(path), kind, size, ""))
    refusal = _refusal(answer)
    if refusal is not None:
        raise refusal


def find_problems(
    folder: Path,
    manifest: Manifest,
    jobs: int = 1,
    confined: bool = True,
    on_file: OnFile | None = None,
) -> Iterator[RefusedInput]:
    """The same as `verify`, for a manifest that was read, one problem after the other.

    Args:
        folder: The manifest's folder.
        manifest: What it must hold.
        jobs: As for `verify`.
        confined: As for `verify`.
        on_file: As for `verify`.

    Yields:
        The refusal of each problem.
    """
    columns = columns_told(manifest.params)
    axes = {} if columns is None else {_COLUMNS: (columns, "the manifest")}
    for entry, answer in _answers(folder, manifest, jobs, confined):
        problem = _refusal(answer) or _other_axes(folder / entry.name, answer.axes, axes)
        if on_file is not None:
            on_file(entry, str(problem or ""))
        if problem:
            yield problem
    listed = {MANIFEST_NAME, *(entry.name for entry in manifest.files)}
    if manifest.schema == _LEDGER_UNLISTED:
        listed.add(_LEDGER)
    for name in sorted(path.name for path in folder.iterdir() if path.name not in listed):
        what = "was left by a killed writer" if is_temporary(name) else "is not in the manifest"
        yield refuse("FILE_EXTRA", f"{folder}: {name!a} {what}", "move it elsewhere")


def _answers(
    folder: Path, manifest: Manifest, jobs: int, confined: bool
) -> Iterator[tuple[FileEntry, Answer]]:
    def answer(entry: FileEntry) -> Answer:
        request = _request(folder, manifest, entry)
        refusal = _refuse_unopened(folder / entry.name, entry)
        if refusal is not None:
            return refusal
        return ask(request) if confined else _check_here(request)

    if jobs <= 1:
        yield from ((entry, answer(entry)) for entry in manifest.files)
        return
    with ThreadPoolExecutor(jobs) as pool:
        yield from zip(manifest.files, pool.map(answer, manifest.files), strict=True)
    dismiss()


def _request(folder: Path, manifest: Manifest, entry: FileEntry) -> Request:
    path = folder / entry.name
    return Request(
        path=str(path.absolute()),
        where=str(path),
        kind=manifest.kind,
        bytes=entry.bytes,
        sha256=entry.sha256,
        ids="\n".join(manifest.ids if entry.name == _LEDGER else entry.ids),
        sample_sha256="".join(entry.sample_sha256),
    )


def _check_here(request: Request) -> Answer:
    # The caller of a confined check never needs the HDF5 library.
    from stroi.cache.checking.check_shard import check

    return check(request)


def _refuse_unopened(path: Path, entry: FileEntry) -> Answer | None:
    if entry.ids and path.suffix != ".h5":
        return Answer("SCHEMA", f"{path} cannot hold samples, only .h5 files can", "rebuild it")
    try:
        status = path.lstat()
    except FileNotFoundError:
        return Answer("FILE_MISSING", f"{path} is missing", "fetch or rebuild it")
    except OSError as error:
        return Answer("FILE_READ", f"{path} cannot be read: {error.strerror}", "check the disk")
    if not stat.S_ISREG(status.st_mode):
        return Answer("FILE_TYPE", f"{path} is not a regular file", "fetch or rebuild it")
    if status.st_size != entry.bytes:
        text = f"{path} has {status.st_size} bytes, the manifest says {entry.bytes}"
        return Answer("FILE_SIZE", text, "fetch or rebuild it")
    if status.st_size > MAX_FILE_BYTES and path.suffix == ".h5":
        text = f"{path} has {status.st_size} bytes, allowed are {MAX_FILE_BYTES}"
        return Answer("FILE_SIZE", text, "rebuild it with fewer clips in a file")
    return None


def _refusal(answer: Answer) -> RefusedInput | None:
    return refuse(answer.code, answer.message, answer.remedy) if answer.code else None


def _other_axes(
    path: Path, found: dict[str, int], axes: dict[str, tuple[int, str]]
) -> RefusedInput | None:
    for axis, length in found.items():
        known, other = axes.setdefault(axis, (length, path.name))
        if known != length:
            return refuse(
                "SCHEMA",
                f"{path} was made with {axis} = {length}, {other} with {known}",
                "rebuild the folder with one set of params",
            )
    return None
