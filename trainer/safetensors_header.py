"""The header of a safetensors file: the layout of the whole file, checked before any tensor."""

from __future__ import annotations

import os
from typing import Any

from stroi.cache.jsontext import parse_json
from stroi.trainer.tensor_files import ITEMS, MAX_FILE, Stored, check_shape, refused

MAX_HEADER = 8 * 2**20
"""Longest header in bytes; the format allows 100 MB."""

META = "stroi"
"""The one metadata key that is ours; its value is a JSON object."""


def read_header(fd: int, size: int, where: str) -> tuple[dict[str, Stored], dict[str, Any]]:
    """Every tensor of a file and our meta values; nothing but the header is read.

    Args:
        fd: The file, open for reading.
        size: Its size in bytes.
        where: The file, for messages.

    Returns:
        Tensors by name, and the meta values ({} in a foreign file).

    Raises:
        RefusedInput: ``PTH_SIZE``, ``ST_HEADER``, ``ST_OFFSETS`` (tensors do not tile the file
            exactly), ``PTH_TENSOR``, ``JSON``, ``JSON_DUPLICATE_KEY``, ``JSON_DEPTH`` or
            ``JSON_SIZE``.
    """
    if size > MAX_FILE:
        raise refused("PTH_SIZE", where, f"{size} bytes, at most {MAX_FILE} are read")
    length = int.from_bytes(os.pread(fd, 8, 0), "little")
    if size < 8 or length > min(MAX_HEADER, size - 8):
        raise refused("ST_HEADER", where, f"a header of {length} bytes in a file of {size}")
    entries = parse_json(os.pread(fd, length, 8), repr(where))
    if not isinstance(entries, dict):
        raise refused("ST_HEADER", where, "the header is not an object")
    meta = _meta(entries.pop("__metadata__", {}), where)
    return _tensors(entries, 8 + length, size, where), meta


def _meta(foreign: object, where: str) -> dict[str, Any]:
    text = foreign.get(META, "{}") if isinstance(foreign, dict) else None
    meta = parse_json(text, repr(where)) if isinstance(text, str) else None
    if not isinstance(meta, dict):
        raise refused("ST_HEADER", where, "the metadata is not ours to read")
    return meta


def _tensors(entries: dict[str, Any], first: int, size: int, where: str) -> dict[str, Stored]:
    """Every tensor of an allowed type, and all of them tiling the rest of the file exactly."""
    found: dict[str, Stored] = {}
    for name, entry in entries.items():
        try:
            kind, shape, (start, stop) = entry["dtype"], entry["shape"], entry["data_offsets"]
        except (TypeError, KeyError, ValueError):
            raise refused("ST_HEADER", where, f"{name[:80]!a} is no tensor entry") from None
        if not isinstance(kind, str) or kind not in ITEMS:
            raise refused("PTH_TENSOR", where, f"{name[:80]!a} has type {str(kind)[:20]!a}")
        if not (type(start) is int and type(stop) is int and 0 <= start <= stop):
            raise refused("ST_OFFSETS", where, f"{name[:80]!a} has no good offsets")
        found[name] = Stored(kind, check_shape(shape, name, where), first + start)
        if stop - start != found[name].bytes:
            raise refused("ST_OFFSETS", where, f"{name[:80]!a} does not fill its place")
    reached = first
    for tensor in sorted(found.values(), key=lambda tensor: (tensor.start, tensor.bytes)):
        if tensor.start != reached:
            at = min(tensor.start, reached)
            raise refused("ST_OFFSETS", where, f"hole or overlap at byte {at}")
        reached += tensor.bytes
    if reached != size:
        raise refused("ST_OFFSETS", where, f"tensors end at byte {reached} of {size}")
    return found
