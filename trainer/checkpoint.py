"""Checkpoints: safetensors with one JSON text in the header; checked before anything is loaded.

A received file is hostile until its header, offsets, names, shapes and values have been checked.
No pickle is ever opened.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from stroi.cache.errors import RefusedInput
from stroi.cache.files import write_atomic
from stroi.cache.jsontext import parse_json

MAX_HEADER = 8 * 2**20
MAX_FILE = 4 * 2**30
ITEM_BYTES = {"F32": 4, "I64": 8, "U8": 1}
_NAMES = {torch.float32: "F32", torch.int64: "I64", torch.uint8: "U8"}
_META = "stroi"
_REMEDY = "fetch the file again, or train it again"


def write_tensors(path: Path, tensors: Mapping[str, Tensor], meta: Mapping[str, Any]) -> None:
    """Write tensors and what belongs to them as one file, complete or absent.

    Args:
        path: Final name, ``*.safetensors``.
        tensors: float32, int64 or uint8 tensors by name, on any device.
        meta: JSON values.

    Raises:
        StroiError: If the disk is full or read-only.
    """
    plain = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    # One metadata key: the library writes several in an order that differs between runs.
    text = json.dumps(meta, sort_keys=True, allow_nan=False)
    write_atomic(path, safetensors.torch.save(plain, metadata={_META: text}))


def read_tensors(
    path: Path, like: Mapping[str, Tensor] | None = None, *, ignore: Sequence[str] = ()
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read a file of `write_tensors`, or a foreign safetensors file, after checking it.

    Args:
        path: The file.
        like: Tensors whose names, shapes and types it must have; None takes it as it is.
        ignore: Names that are allowed and left out.

    Returns:
        Tensors by name, and the meta values ({} in a foreign file).

    Raises:
        RefusedInput: ``PTH_READ``, ``ST_HEADER``, ``ST_OFFSETS``, ``JSON_DUPLICATE_KEY``,
            ``PTH_SIZE``, ``PTH_NAMES``, ``PTH_SHAPE``, ``PTH_TENSOR`` or ``PTH_NONFINITE``.
    """
    data = _read(path)
    entries, meta = _header(data, path)
    for name in ignore:
        entries.pop(name, None)
    if like is not None:
        _check_names(entries, like, path)
    loaded = safetensors.torch.load(data)
    tensors = {name: loaded[name] for name in entries}
    for name, value in tensors.items():
        if not torch.isfinite(value).all():
            raise _refused("PTH_NONFINITE", path, f"{name!a} holds NaN or infinity")
    return tensors, meta


def read_meta(path: Path) -> dict[str, Any]:
    """The meta values of a checkpoint; its tensors are not judged.

    Raises:
        RefusedInput: As `read_tensors`, for the header.
    """
    return _header(_read(path), path)[1]


def _refused(code: str, path: Path, problem: str) -> RefusedInput:
    return RefusedInput(code, f"{path}: {problem}", remedy=_REMEDY)


def _read(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if not path.is_file() or size > MAX_FILE:
            raise _refused("PTH_SIZE", path, f"{size} bytes, or no regular file")
        return path.read_bytes()
    except OSError as error:
        raise _refused("PTH_READ", path, f"cannot be read: {error.strerror}") from error


def _header(data: bytes, path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Entries by name and our meta values, the layout of the file checked."""
    length = int.from_bytes(data[:8], "little")
    if len(data) < 8 or length > MAX_HEADER or 8 + length > len(data):
        raise _refused("ST_HEADER", path, f"a header of {length} bytes in {len(data)}")
    entries = parse_json(data[8 : 8 + length], str(path))
    if not isinstance(entries, dict):
        raise _refused("ST_HEADER", path, "the header is not an object")
    foreign = entries.pop("__metadata__", {})
    text = foreign.get(_META, "{}") if isinstance(foreign, dict) else None
    meta = parse_json(text.encode(), str(path)) if isinstance(text, str) else None
    if not isinstance(meta, dict):
        raise _refused("ST_HEADER", path, "the metadata is not ours to read")
    _check_offsets(entries, len(data) - 8 - length, path)
    return entries, meta


def _check_offsets(entries: dict[str, Any], total: int, path: Path) -> None:
    """Every tensor of an allowed type, and all of them tiling the rest of the file exactly."""
    spans = []
    for name, entry in entries.items():
        try:
            shape, (start, stop), kind = entry["shape"], entry["data_offsets"], entry["dtype"]
            whole = all(type(n) is int and 0 <= n <= MAX_FILE for n in (*shape, start, stop))
        except (TypeError, KeyError, ValueError):
            raise _refused("ST_HEADER", path, f"{name!a} is no tensor entry") from None
        if not whole or not isinstance(kind, str) or kind not in ITEM_BYTES:
            raise _refused("PTH_TENSOR", path, f"{name!a} has type {kind!a} or a bad shape")
        if stop - start != math.prod(shape) * ITEM_BYTES[kind]:
            raise _refused("ST_OFFSETS", path, f"{name!a} does not fill its place")
        spans.append((start, stop))
    reached = 0
    for start, stop in sorted(spans):
        if start != reached:
            raise _refused("ST_OFFSETS", path, f"hole or overlap at byte {min(start, reached)}")
        reached = stop
    if reached != total:
        raise _refused("ST_OFFSETS", path, f"tensors end at byte {reached} of {total}")


def _check_names(entries: dict[str, Any], like: Mapping[str, Tensor], path: Path) -> None:
    for problem, names in (
        ("is missing", like.keys() - entries.keys()),
        ("does not belong here", entries.keys() - like.keys()),
    ):
        if names:
            text = f"{len(names)} names differ; {sorted(names)[0][:80]!a} {problem}"
            raise _refused("PTH_NAMES", path, text)
    for name, value in like.items():
        found, want = tuple(entries[name]["shape"]), tuple(value.shape)
        if found != want:
            raise _refused("PTH_SHAPE", path, f"{name!a} is {found}, want {want}")
        if entries[name]["dtype"] != _NAMES[value.dtype]:
            text = f"{name!a} is {entries[name]['dtype']}, want {_NAMES[value.dtype]}"
            raise _refused("PTH_TENSOR", path, text)
