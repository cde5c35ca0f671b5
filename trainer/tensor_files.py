"""Where the tensors of a weights file lie, and their values, read without torch.

Both forms that are read keep every tensor as plain little-endian numbers in one piece. So a file
is judged by its headers first, and then nothing but those pieces is read, one after the other.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stroi.cache.errors import RefusedInput

MAX_FILE = 4 * 2**30
"""Largest weights file in bytes."""

MAX_AXES = 8

ITEMS: dict[str, np.dtype[np.generic]] = {
    "F32": np.dtype("<f4"),
    "I64": np.dtype("<i8"),
    "U8": np.dtype("u1"),
}
"""Element types by safetensors' names."""

_PIECE = 2**22


@dataclass(frozen=True)
class Stored:
    """One tensor in a file.

    Attributes:
        kind: Element type, a key of `ITEMS`.
        shape: Its shape.
        start: Offset of its first byte in the file.
    """

    kind: str
    shape: tuple[int, ...]
    start: int

    @property
    def bytes(self) -> int:
        """Bytes it takes."""
        return math.prod(self.shape) * ITEMS[self.kind].itemsize


@dataclass(frozen=True)
class Wanted:
    """What a network needs under one name: element type, a key of `ITEMS`, and shape."""

    kind: str
    shape: tuple[int, ...]


def refused(code: str, where: str, problem: str, remedy: str = "") -> RefusedInput:
    """The refusal of a weights file, for the caller to raise."""
    return RefusedInput(
        code, f"{where!a}: {problem}", remedy=remedy or "fetch the file again, or train it again"
    )


def pieces(fd: int, start: int, size: int) -> Iterator[bytes]:
    """`size` bytes of a file from `start` on, a few MiB at a time.

    Raises:
        OSError: If the file is shorter by now.
    """
    for at in range(start, start + size, _PIECE):
        wanted = min(_PIECE, start + size - at)
        piece = os.pread(fd, wanted, at)
        if len(piece) != wanted:
            raise OSError("the file became shorter while it was read")
        yield piece


def read_bytes(fd: int, start: int, size: int) -> NDArray[np.uint8]:
    """`size` bytes of a file from `start` on, as a writable array (size,).

    Raises:
        OSError: As `pieces`.
    """
    values = np.empty(size, np.uint8)
    at = 0
    for piece in pieces(fd, start, size):
        values[at : at + len(piece)] = np.frombuffer(piece, np.uint8)
        at += len(piece)
    return values


def read_values(fd: int, stored: Stored) -> NDArray[np.generic]:
    """One tensor as a writable array of its shape."""
    values = read_bytes(fd, stored.start, stored.bytes)
    return values.view(ITEMS[stored.kind]).reshape(stored.shape)


def check_finite(values: NDArray[np.generic], name: str, where: str) -> None:
    """Refuse NaN and infinity in the tensor `name` or a part of it.

    Raises:
        RefusedInput: ``PTH_NONFINITE``.
    """
    if values.dtype == ITEMS["F32"] and not np.isfinite(values).all():
        raise refused(
            "PTH_NONFINITE",
            where,
            f"{name[:80]!a} holds NaN or infinity",
            "fetch the file again; if it was trained here, the training diverged: lower its "
            "learning rate",
        )


def check_shape(shape: object, name: str, where: str) -> tuple[int, ...]:
    """`shape` as a tuple, if it is a list of at most 8 whole numbers that a file can hold.

    Raises:
        RefusedInput: ``PTH_TENSOR``.
    """
    if not (
        isinstance(shape, (list, tuple))
        and len(shape) <= MAX_AXES
        and all(type(n) is int and 0 <= n <= MAX_FILE for n in shape)
    ):
        raise refused("PTH_TENSOR", where, f"{name[:80]!a} has the bad shape {shown_sizes(shape)}")
    return tuple(shape)


def check_network(
    tensors: Mapping[str, Stored],
    wanted: Mapping[str, Wanted],
    where: str,
    *,
    optional: str | None = None,
) -> None:
    """Refuse a file whose tensors are not exactly a network's, by name, shape and type.

    Args:
        tensors: What the file holds.
        wanted: What the network has.
        where: The file, for messages.
        optional: Ending of names that the file may lack.

    Raises:
        RefusedInput: ``PTH_NAMES``, ``PTH_SHAPE`` or ``PTH_TENSOR``.
    """
    missing = wanted.keys() - tensors.keys()
    if optional is not None:
        missing = {name for name in missing if not name.endswith(optional)}
    for problem, names in (
        ("is missing", missing),
        ("does not belong here", tensors.keys() - wanted.keys()),
    ):
        if names:
            text = f"{len(names)} names differ; {min(names)[:80]!a} {problem}"
            raise refused("PTH_NAMES", where, text)
    for name in sorted(wanted.keys() & tensors.keys()):
        found, want = tensors[name], wanted[name]
        if found.shape != want.shape:
            raise refused("PTH_SHAPE", where, f"{name!a} is {found.shape}, want {want.shape}")
        if found.kind != want.kind:
            raise refused("PTH_TENSOR", where, f"{name!a} is {found.kind}, want {want.kind}")


def shown_sizes(sizes: object) -> str:
    """Received sizes, short; what is no flat list of numbers may be too large to be printed."""
    if isinstance(sizes, (list, tuple)) and all(type(n) is int for n in sizes[:MAX_AXES]):
        more = ", ..." if len(sizes) > MAX_AXES else ""
        return f"({', '.join(str(n)[:40] for n in sizes[:MAX_AXES])}{more})"
    return "(no whole numbers)"
