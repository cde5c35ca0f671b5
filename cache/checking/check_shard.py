"""Check one file against what its manifest says of it: bytes, structure, ids, values."""

from __future__ import annotations

import csv
import hashlib
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from stroi.cache.checking.sandbox import Answer, Request
from stroi.cache.errors import RefusedInput, refuse
from stroi.cache.files.fault_points import fault_point
from stroi.cache.files.opening import open_no_link
from stroi.cache.ids import check_ids, ids_from_array
from stroi.cache.ledger import MAX_TABLE_BYTES
from stroi.cache.pictures.compact_shard import blob_at, blob_ends, check_compact, picture_size
from stroi.cache.pictures.picture_headers import check_header
from stroi.cache.storage.formats import FORMATS, MOSAICS_COMPACT
from stroi.cache.storage.hdf5 import map_open
from stroi.cache.storage.schema import (
    ID_FIELD,
    Arrays,
    Format,
    check_contents,
    iterate_digests,
)

LEDGER = "ledger.csv"

_SHOWN = 5
_HEX_DIGITS = 64
_LEDGER_COLUMNS = ["id", "status", "code", "detail"]
_CODE = re.compile(r"[A-Z][A-Z0-9_]{0,63}")
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def check(request: Request) -> Answer:
    """Read a file once from the disk and check all of it.

    The memory this takes does not depend on the file's size, but for its ids.
    """
    try:
        with open_no_link(Path(request.path), "FILE_READ") as (fd, size):
            fault_point("before_check")
            return Answer(axes=_check_open(request, fd, size))
    except RefusedInput as error:
        return Answer(error.code, error.message.replace(request.path, request.where), error.remedy)
    except OSError as error:
        text = f"{request.where} cannot be read: {error.strerror}"
        return Answer("FILE_READ", text, "check the disk, or fetch the file again")


def _check_open(request: Request, fd: int, size: int) -> dict[str, int]:
    where = request.where
    if size != request.bytes:
        raise refuse("FILE_SIZE", f"{where} has {size} bytes, the manifest says {request.bytes}")
    same = not request.sha256 or _digest(fd) == request.sha256
    fmt = FORMATS.get(request.kind) if request.path.endswith(".h5") else None
    if not same:
        damage = f"; {_damage(fmt, fd, request)}" if fmt else ""
        raise refuse("DIGEST", f"{where}: its SHA-256 is not the manifest's{damage}")
    if fmt is None:
        if request.kind in FORMATS and request.path.endswith(f"/{LEDGER}"):
            _check_ledger(request, fd, size)
        return {}
    arrays, release = map_open(fmt, fd, size, where)
    _check_samples(fmt, arrays, request, release)
    axes = _axes(fmt, arrays)
    if fmt is MOSAICS_COMPACT:
        _check_blobs(arrays, where, release)
        axes["H"], axes["W"] = picture_size(arrays)
    return axes


def _digest(fd: int) -> str:
    with open(fd, "rb", buffering=0, closefd=False) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _check_samples(
    fmt: Format, arrays: Arrays, request: Request, release: Callable[[], None]
) -> None:
    where, expected = request.where, _split(request.ids)
    stored = arrays[ID_FIELD.name]
    if not request.sha256:
        expected = ids_from_array(stored)
    if len(stored) != len(expected):
        raise refuse(
            "DIGEST", f"{where} holds {len(stored)} samples, the manifest says {len(expected)}"
        )
    check_contents(fmt, arrays, where, release)
    if ids_from_array(stored) != expected:
        raise refuse("DIGEST", f"{where} holds other samples than the manifest says")


def _check_blobs(arrays: Arrays, where: str, release: Callable[[], None]) -> None:
    """Refuse blobs that are not pictures of the declared size; none is decoded."""
    check_compact(arrays, where)
    height, width = picture_size(arrays)
    ends = blob_ends(arrays)
    for row, name in enumerate(ids_from_array(arrays[ID_FIELD.name])):
        blob = blob_at(arrays, ends, row).tobytes()
        check_header(blob, height, width, f"{where}: {name!a}")
        release()


def _axes(fmt: Format, arrays: Arrays) -> dict[str, int]:
    """Length of each axis but the first of every field, by symbol."""
    return {
        axis: length
        for field in fmt.fields
        for axis, length in zip(field.dims[1:], arrays[field.name].shape[1:], strict=True)
        if isinstance(axis, str)
    }


def _damage(fmt: Format, fd: int, request: Request) -> str:
    """Say which samples of a changed file are hit."""
    try:
        arrays, release = map_open(fmt, fd, request.bytes, request.where)
    except RefusedInput as error:
        return f"no sample can be read: {error.code}: {error.message}"
    expected = _split(request.ids)
    found = arrays[ID_FIELD.name]
    if len(found) != len(expected):
        return f"it holds {len(found)} samples instead of {len(expected)}"
    if not request.sample_sha256:
        return "its samples have no digests of their own"
    hit = []
    for row, sample in enumerate(iterate_digests(fmt, arrays, release)):
        digest = request.sample_sha256[row * _HEX_DIGITS : (row + 1) * _HEX_DIGITS]
        if sample != digest or ids_from_array(found[row : row + 1])[0] != expected[row]:
            hit.append(expected[row])
    if not hit:
        return "no sample is hit, but the headers or the gaps between the arrays are"
    more = f" and {len(hit) - _SHOWN} more" if len(hit) > _SHOWN else ""
    return f"damaged: {', '.join(hit[:_SHOWN])}{more} of {len(expected)} samples"


def _split(ids: str) -> tuple[str, ...]:
    return tuple(ids.split("\n")) if ids else ()


def _check_ledger(request: Request, fd: int, size: int) -> None:
    """Refuse a ledger that does not agree with the shards, or is not safe to show."""
    if size > MAX_TABLE_BYTES:
        raise _bad_ledger(request, f"has {size} bytes, allowed are {MAX_TABLE_BYTES}")
    os.lseek(fd, 0, os.SEEK_SET)
    done: list[str] = []
    others: list[str] = []
    with open(fd, encoding="utf-8", newline="", closefd=False) as text:
        rows = csv.reader(text, strict=True)
        try:
            if next(rows, None) != _LEDGER_COLUMNS:
                raise _bad_ledger(request, f"does not start with {','.join(_LEDGER_COLUMNS)}")
            for row in rows:
                (done if _is_done(row) else others).append(row[0])
        except (ValueError, csv.Error) as error:
            raise _bad_ledger(request, f"line {rows.line_num}: {error}") from error
    check_ids([*done, *others], where=request.where)
    if tuple(sorted(done)) != _split(request.ids):
        raise _bad_ledger(request, "says that other samples are done than the shards hold")


def _is_done(row: Sequence[str]) -> bool:
    if len(row) != len(_LEDGER_COLUMNS):
        raise ValueError(f"{len(row)} fields instead of {len(_LEDGER_COLUMNS)}")
    _, status, code, detail = row
    if status != ("quarantined" if code else "done"):
        raise ValueError("the status contradicts the code")
    if (code and not _CODE.fullmatch(code)) or _UNSAFE.search(detail):
        raise ValueError(f"not a code or a sentence: {(code + ' ' + detail)[:80]!a}")
    return not code


def _bad_ledger(request: Request, problem: str) -> RefusedInput:
    return refuse("LEDGER", f"{request.where}: {problem}", "fetch the ledger again")
