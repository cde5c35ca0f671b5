"""Check one file against what its manifest says of it: bytes, structure, ids, values."""

from __future__ import annotations

import csv
import hashlib
import os
import re
import stat
from collections.abc import Callable, Sequence
from pathlib import Path

from stroi.cache.errors import RefusedInput, refuse
from stroi.cache.files.fault_points import fault_point
from stroi.cache.files.opening import open_no_link
from stroi.cache.ids import check_ids, ids_from_array
from stroi.cache.ledger import COLUMNS, LEDGER_NAME, MAX_TABLE_BYTES
from stroi.cache.manifest import FileEntry, Manifest
from stroi.cache.pictures.compact_shard import blob_at, blob_ends, check_compact, picture_size
from stroi.cache.pictures.picture_headers import check_header
from stroi.cache.storage.formats import FORMATS, MOSAICS_COMPACT
from stroi.cache.storage.hdf5 import map_open
from stroi.cache.storage.schema import (
    ID_FIELD,
    MAX_FILE_BYTES,
    Arrays,
    FileFormat,
    check_contents,
    iterate_digests,
)

_MOST_NAMED = 5
_CODE = re.compile(r"[A-Z][A-Z0-9_]{0,63}")
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def check_file(folder: Path, manifest: Manifest, entry: FileEntry) -> dict[str, int]:
    """Read a file once from the disk and check all of it.

    The memory this takes does not depend on the file's size, but for its ids.

    Args:
        folder: The folder of the file.
        manifest: Manifest of the folder.
        entry: What the manifest says of the file.

    Returns:
        Length of each axis that every file of the folder must agree on, by symbol.

    Raises:
        RefusedInput: The first problem of the file.
    """
    path = folder / entry.name
    _check_before_opening(path, entry)
    try:
        with open_no_link(path, "FILE_READ") as (fd, size):
            fault_point("before_check")
            return _check_open(path, manifest, entry, fd, size)
    except OSError as error:
        raise refuse(
            "FILE_READ",
            f"{path} cannot be read: {error.strerror}",
            "check the disk, or fetch the file again",
        ) from error


def _check_before_opening(path: Path, entry: FileEntry) -> None:
    if entry.ids and path.suffix != ".h5":
        raise refuse("SCHEMA", f"{path} cannot hold samples, only .h5 files can", "rebuild it")
    try:
        status = path.lstat()
    except FileNotFoundError:
        raise refuse("FILE_MISSING", f"{path} is missing", "fetch or rebuild it") from None
    except OSError as error:
        text = f"{path} cannot be read: {error.strerror}"
        raise refuse("FILE_READ", text, "check the disk") from error
    if not stat.S_ISREG(status.st_mode):
        raise refuse("FILE_TYPE", f"{path} is not a regular file", "fetch or rebuild it")
    if status.st_size != entry.bytes:
        text = f"{path} has {status.st_size} bytes, the manifest says {entry.bytes}"
        raise refuse("FILE_SIZE", text, "fetch or rebuild it")
    if status.st_size > MAX_FILE_BYTES and path.suffix == ".h5":
        text = f"{path} has {status.st_size} bytes, allowed are {MAX_FILE_BYTES}"
        raise refuse("FILE_SIZE", text, "rebuild it with fewer clips in a file")


def _check_open(
    path: Path, manifest: Manifest, entry: FileEntry, fd: int, size: int
) -> dict[str, int]:
    if size != entry.bytes:
        raise refuse("FILE_SIZE", f"{path} has {size} bytes, the manifest says {entry.bytes}")
    fmt = FORMATS.get(manifest.kind) if path.suffix == ".h5" else None
    if _digest(fd) != entry.sha256:
        damage = f"; {_damage(fmt, path, entry, fd)}" if fmt else ""
        raise refuse("DIGEST", f"{path}: its SHA-256 is not the manifest's{damage}")
    if fmt is None:
        if manifest.kind in FORMATS and path.name == LEDGER_NAME:
            _check_ledger(path, manifest.ids, fd, size)
        return {}
    arrays, drop_pages = map_open(fmt, fd, size, str(path))
    _check_samples(fmt, arrays, path, entry, drop_pages)
    axes = _axes(fmt, arrays)
    if fmt is MOSAICS_COMPACT:
        _check_blobs(arrays, str(path), drop_pages)
        axes["H"], axes["W"] = picture_size(arrays)
    return axes


def _digest(fd: int) -> str:
    with open(fd, "rb", buffering=0, closefd=False) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _check_samples(
    fmt: FileFormat, arrays: Arrays, path: Path, entry: FileEntry, drop_pages: Callable[[], None]
) -> None:
    stored = arrays[ID_FIELD.name]
    if len(stored) != len(entry.ids):
        raise refuse(
            "DIGEST", f"{path} holds {len(stored)} samples, the manifest says {len(entry.ids)}"
        )
    check_contents(fmt, arrays, str(path), drop_pages)
    if ids_from_array(stored) != entry.ids:
        raise refuse("DIGEST", f"{path} holds other samples than the manifest says")


def _check_blobs(arrays: Arrays, where: str, drop_pages: Callable[[], None]) -> None:
    """Refuse blobs that are not pictures of the declared size; none is decoded."""
    check_compact(arrays, where)
    height, width = picture_size(arrays)
    ends = blob_ends(arrays)
    for row, name in enumerate(ids_from_array(arrays[ID_FIELD.name])):
        blob = blob_at(arrays, ends, row).tobytes()
        check_header(blob, height, width, f"{where}: {name!a}")
        drop_pages()


def _axes(fmt: FileFormat, arrays: Arrays) -> dict[str, int]:
    """Length of each axis but the first of every field, by symbol."""
    return {
        axis: length
        for field in fmt.fields
        for axis, length in zip(field.dims[1:], arrays[field.name].shape[1:], strict=True)
        if isinstance(axis, str)
    }


def _damage(fmt: FileFormat, path: Path, entry: FileEntry, fd: int) -> str:
    """Say which samples of a changed file are hit."""
    try:
        arrays, drop_pages = map_open(fmt, fd, entry.bytes, str(path))
    except RefusedInput as error:
        return f"no sample can be read: {error.code}: {error.message}"
    stored = arrays[ID_FIELD.name]
    if len(stored) != len(entry.ids):
        return f"it holds {len(stored)} samples instead of {len(entry.ids)}"
    if not entry.sample_sha256:
        return "its samples have no digests of their own"
    digests = iterate_digests(fmt, arrays, drop_pages)
    hit = [
        name
        for row, (name, digest) in enumerate(zip(entry.ids, entry.sample_sha256, strict=True))
        if next(digests) != digest or ids_from_array(stored[row : row + 1])[0] != name
    ]
    if not hit:
        return "no sample is hit, but the headers or the gaps between the arrays are"
    more = f" and {len(hit) - _MOST_NAMED} more" if len(hit) > _MOST_NAMED else ""
    return f"damaged: {', '.join(hit[:_MOST_NAMED])}{more} of {len(entry.ids)} samples"


def _check_ledger(path: Path, ids: tuple[str, ...], fd: int, size: int) -> None:
    """Refuse a ledger that does not agree with the shards, or is not safe to show."""
    if size > MAX_TABLE_BYTES:
        raise _bad_ledger(path, f"has {size} bytes, allowed are {MAX_TABLE_BYTES}")
    os.lseek(fd, 0, os.SEEK_SET)
    done: list[str] = []
    others: list[str] = []
    with open(fd, encoding="utf-8", newline="", closefd=False) as text:
        rows = csv.reader(text, strict=True)
        try:
            if next(rows, None) != list(COLUMNS):
                raise _bad_ledger(path, f"does not start with {','.join(COLUMNS)}")
            for row in rows:
                (done if _is_done(row) else others).append(row[0])
        except (ValueError, csv.Error) as error:
            raise _bad_ledger(path, f"line {rows.line_num}: {error}") from error
    check_ids([*done, *others], where=str(path))
    if tuple(sorted(done)) != ids:
        raise _bad_ledger(path, "says that other samples are done than the shards hold")


def _is_done(row: Sequence[str]) -> bool:
    if len(row) != len(COLUMNS):
        raise ValueError(f"{len(row)} fields instead of {len(COLUMNS)}")
    _, status, code, detail = row
    if status != ("quarantined" if code else "done"):
        raise ValueError("the status contradicts the code")
    if (code and not _CODE.fullmatch(code)) or _UNSAFE.search(detail):
        raise ValueError(f"not a code or a sentence: {(code + ' ' + detail)[:80]!a}")
    return not code


def _bad_ledger(path: Path, problem: str) -> RefusedInput:
    return refuse("LEDGER", f"{path}: {problem}", "fetch the ledger again")
