"""What a file of samples holds: declared once, for the writer, the reader and the checks."""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from stroi.cache.errors import refuse
from stroi.cache.ids import ID_BYTES, check_ids, check_sorted, ids_from_array

Array = NDArray[Any]
Arrays = Mapping[str, Array]

SCHEMA = "2.0"
"""Version of every format: a reader refuses another major, and takes any minor of its own."""

MAX_FILE_BYTES = 1 << 31
"""Largest file of samples that is written, and that is read."""

_BLOCK = 1 << 20
"""Values checked at a time."""

_VERSION = re.compile(r"([0-9]{1,4})\.([0-9]{1,4})")


@dataclass(frozen=True)
class Field:
    """One array of a file.

    Attributes:
        name: Name of the data set.
        dtype: Type on disk, such as ``<f4``; ``S64`` is ASCII, ``U256`` is UTF-8 in 256 bytes.
        dims: Length of each axis: a number, or a symbol that means the same length in every
            field. ``N`` is the sample axis; ``F`` is the sample axis of a ragged field.
        low: Smallest value allowed; None for no limits at all. NaN and infinities are refused
            in every float field.
        high: Largest value allowed, or the symbol of an axis that is as long; None for no limit.
    """

    name: str
    dtype: str
    dims: tuple[str | int, ...]
    low: float | None = None
    high: float | str | None = None

    @property
    def utf8(self) -> bool:
        """Whether the field holds UTF-8 text."""
        return self.dtype.startswith("U")

    @property
    def numpy(self) -> np.dtype[np.generic]:
        """The dtype as numpy reads it from the file."""
        return np.dtype("S" + self.dtype[1:] if self.utf8 else self.dtype)


ID_FIELD = Field("sample_id", f"S{ID_BYTES}", ("N",))


@dataclass(frozen=True)
class FileFormat:
    """A kind of file: its fields in the order in which they are written.

    Attributes:
        kind: Name of the kind, stored in the file.
        fields: All fields; the first is `ID_FIELD`.
        ragged_lengths: Name of the field (N,) with the rows of axis ``F`` of each sample.
        multiples: Pairs of symbols; the first length must be a multiple of the second.
    """

    kind: str
    fields: tuple[Field, ...]
    ragged_lengths: str = ""
    multiples: tuple[tuple[str, str], ...] = ()


def _keep() -> None:
    """Give back nothing."""


def check_version(text: str, where: str) -> tuple[int, int]:
    """Major and minor schema version, refused unless the major is that of `SCHEMA`.

    Raises:
        RefusedInput: ``SCHEMA``.
    """
    match = _VERSION.fullmatch(text)
    if match is None:
        raise refuse("SCHEMA", f"{where}: schema {text[:32]!a} is not a version")
    major, minor = int(match[1]), int(match[2])
    ours = int(SCHEMA.split(".")[0])
    if major > ours:
        raise refuse(
            "SCHEMA",
            f"{where}: schema {text} is newer than {SCHEMA}, which this stroi reads",
            "install a newer stroi",
        )
    if major < ours:
        raise refuse(
            "SCHEMA",
            f"{where}: schema {text} is of an older stroi, this one reads {SCHEMA}",
            "make it again with this stroi",
        )
    return major, minor


def check_arrays(fmt: FileFormat, arrays: Arrays, where: str) -> None:
    """Refuse arrays that do not fit `fmt`: names, types, shapes, ids, values.

    Args:
        fmt: The declaration.
        arrays: Array of each field, as on disk.
        where: The file, for messages.

    Raises:
        RefusedInput: ``SCHEMA``, ``H5_LENGTHS``, ``H5_EMPTY``, ``ID_BAD``, ``ID_DUPLICATE``,
            ``ID_ORDER``, ``NONFINITE`` or ``RANGE``.
    """
    check_shapes(fmt, {name: array.shape for name, array in arrays.items()}, where)
    for field in fmt.fields:
        if arrays[field.name].dtype != field.numpy:
            raise refuse(
                "SCHEMA",
                f"{where}: {field.name} is {arrays[field.name].dtype}, want {field.numpy}",
            )
    check_contents(fmt, arrays, where)


def check_shapes(fmt: FileFormat, shapes: Mapping[str, tuple[int, ...]], where: str) -> None:
    """Refuse missing fields, wrong numbers of axes, and lengths that do not agree.

    Raises:
        RefusedInput: ``SCHEMA``, ``H5_LENGTHS`` or ``H5_EMPTY``.
    """
    bound: dict[str, tuple[int, str]] = {}
    for field in fmt.fields:
        if field.name not in shapes:
            raise refuse("SCHEMA", f"{where}: {field.name} is missing")
        shape = shapes[field.name]
        expected = "(" + ", ".join(map(str, field.dims)) + ")"
        if len(shape) != len(field.dims):
            raise refuse("SCHEMA", f"{where}: {field.name} is {shape}, want {expected}")
        for length, dim in zip(shape, field.dims, strict=True):
            if length == 0:
                raise refuse("H5_EMPTY", f"{where}: {field.name} holds nothing: {shape}")
            if isinstance(dim, int):
                if length != dim:
                    raise refuse("SCHEMA", f"{where}: {field.name} is {shape}, want {expected}")
                continue
            known, other = bound.setdefault(dim, (length, field.name))
            if known != length:
                raise refuse(
                    "H5_LENGTHS",
                    f"{where}: {field.name} has {length} along {dim}, {other} has {known}",
                )
    for whole, part in fmt.multiples:
        if bound[whole][0] % bound[part][0]:
            raise refuse(
                "SCHEMA",
                f"{where}: {whole} = {bound[whole][0]} of {bound[whole][1]} is not a multiple of"
                f" {part} = {bound[part][0]} of {bound[part][1]}",
            )


def check_contents(
    fmt: FileFormat, arrays: Arrays, where: str, drop_pages: Callable[[], None] = _keep
) -> None:
    """Refuse bad ids, values that are not finite or out of range, and lengths that do not add up.

    Args:
        fmt: The declaration.
        arrays: Array of each field, as on disk.
        where: The file, for messages.
        drop_pages: Called after each block of values, to give back the memory of mapped arrays.

    Raises:
        RefusedInput: ``ID_BAD``, ``ID_DUPLICATE``, ``ID_ORDER``, ``NONFINITE``, ``RANGE`` or
            ``H5_LENGTHS``.
    """
    ids = ids_from_array(arrays[ID_FIELD.name])
    check_ids(ids, where=where)
    check_sorted(ids, where=where)
    _check_ragged(fmt, arrays, where)
    for field in fmt.fields:
        _check_values(fmt, field, arrays, where, drop_pages)


def sample_digests(fmt: FileFormat, arrays: Arrays) -> tuple[str, ...]:
    """SHA-256 of each sample: its bytes in every field of `fmt` in order, the id aside.

    Args:
        fmt: The declaration.
        arrays: Array of each field, as on disk; the ids may be missing.

    Returns:
        N texts of 64 hexadecimal digits, in the order of the ids.
    """
    return tuple(iterate_digests(fmt, arrays))


def iterate_digests(
    fmt: FileFormat, arrays: Arrays, drop_pages: Callable[[], None] = _keep
) -> Iterator[str]:
    """The same as `sample_digests`, one sample after the other.

    Args:
        fmt: The declaration.
        arrays: Array of each field, as on disk.
        drop_pages: Called now and then, to give back the memory of mapped arrays.
    """
    fields = [field for field in fmt.fields if field.dims[0] in ("N", "F") and field != ID_FIELD]
    count = next(len(arrays[field.name]) for field in fields if field.dims[0] == "N")
    ends = (
        np.cumsum(arrays[fmt.ragged_lengths], dtype=np.int64).tolist() if fmt.ragged_lengths else []
    )
    for row, rows in enumerate(itertools.pairwise([0, *ends] if ends else [0] * (count + 1))):
        sha = hashlib.sha256()
        for field in fields:
            start, stop = rows if field.dims[0] == "F" else (row, row + 1)
            flat = arrays[field.name][start:stop].reshape(-1)
            for place in range(0, len(flat), _BLOCK):
                sha.update(flat[place : place + _BLOCK].tobytes())
                if place:
                    drop_pages()
        drop_pages()
        yield sha.hexdigest()


def ragged_rows(lengths: NDArray[np.integer[Any]], row: int) -> slice:
    """Where sample `row` lies in a ragged field; `lengths` (N,) are those of the samples."""
    stop = int(lengths[: row + 1].sum(dtype=np.int64))
    return slice(stop - int(lengths[row]), stop)


def _check_ragged(fmt: FileFormat, arrays: Arrays, where: str) -> None:
    if not fmt.ragged_lengths:
        return
    total = int(np.sum(cast("NDArray[np.int64]", arrays[fmt.ragged_lengths]), dtype=np.int64))
    for field in fmt.fields:
        rows = arrays[field.name].shape[0]
        if field.dims[0] == "F" and rows != total:
            raise refuse(
                "H5_LENGTHS",
                f"{where}: {field.name} has {rows} rows, {fmt.ragged_lengths} adds up to {total}",
            )


def _check_values(
    fmt: FileFormat, field: Field, arrays: Arrays, where: str, drop_pages: Callable[[], None]
) -> None:
    flat = arrays[field.name].reshape(-1)
    if flat.dtype.kind != "f" and field.low is None:
        return
    high = _length(fmt, arrays, field.high) if isinstance(field.high, str) else field.high
    for start in range(0, len(flat), _BLOCK):
        block = cast("NDArray[np.float64]", flat[start : start + _BLOCK])
        if flat.dtype.kind == "f" and not (finite := np.isfinite(block)).all():
            owner = _owner(fmt, field, arrays, start + int(np.argmin(finite)))
            raise refuse("NONFINITE", f"{where}: {field.name} of {owner} holds NaN or infinity")
        if (outside := _outside(field.low, high, block)).any():
            owner = _owner(fmt, field, arrays, start + int(np.argmax(outside)))
            above = "" if high is None else f" or above {high:g}"
            raise refuse("RANGE", f"{where}: {field.name} of {owner} is below {field.low:g}{above}")
        drop_pages()


def _length(fmt: FileFormat, arrays: Arrays, symbol: str) -> int:
    """Length of the axis that `symbol` stands for."""
    field = next(field for field in fmt.fields if symbol in field.dims)
    return int(arrays[field.name].shape[field.dims.index(symbol)])


def _outside(
    low: float | None, high: float | None, block: NDArray[np.float64]
) -> NDArray[np.bool_]:
    if low is None:
        return np.zeros(1, np.bool_)
    below = block < low
    return below if high is None else below | (block > high)


def _owner(fmt: FileFormat, field: Field, arrays: Arrays, element: int) -> str:
    array = arrays[field.name]
    row = element // (array.size // len(array))
    if field.dims[0] == "F":
        ends = np.cumsum(arrays[fmt.ragged_lengths], dtype=np.int64)
        row = int(np.searchsorted(ends, row, side="right"))
    return ascii(ids_from_array(arrays[ID_FIELD.name][row : row + 1])[0])
