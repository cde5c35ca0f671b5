"""Files of scores of other networks: pickles, CSV files, lists of names."""

from __future__ import annotations

import os
import pickle
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from stroi.cache.errors import RefusedInput
from stroi.cache.files.opening import open_regular, read_regular
from stroi.pipeline.index.csv import iterate_csv

MAX_BYTES = 1 << 32
"""Largest file of scores that is read."""

IDS_REMEDY = "name the clips by --ids FILE: one id a line, in the order of the scores"

_MAX_LIST_BYTES = 1 << 28
_DAMAGED = (
    pickle.UnpicklingError, EOFError, ValueError, TypeError, LookupError, AttributeError,
    ImportError, OverflowError, MemoryError,
)  # fmt: skip


class _Unpickler(pickle.Unpickler):
    """Reads containers, numbers, texts and numpy arrays; anything else could run code."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("_codecs", "encode"):
            return _encode
        if (module, name) not in _FOUND:
            raise pickle.UnpicklingError(f"it holds {module}.{name}"[:200])
        return super().find_class(module, name)


_FOUND = {("collections", "OrderedDict"), ("numpy", "dtype"), ("numpy", "ndarray")} | {
    (f"numpy.{core}.{module}", name)
    for core in ("core", "_core")
    for module, name in (
        ("multiarray", "_reconstruct"), ("multiarray", "scalar"), ("numeric", "_frombuffer"),
    )
}  # fmt: skip


def _encode(text: str, encoding: str) -> bytes:
    """How pickles of protocol 2 hold bytes."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"it holds text in {encoding[:40]}")
    return text.encode("latin1")


def read_pickle(path: Path) -> object:
    """Read a pickle of plain values and numpy arrays; no code of it runs.

    Raises:
        RefusedInput: ``SCORES_PICKLE`` if it holds anything else or is damaged.
    """
    try:
        with open_regular(path) as (fd, size), os.fdopen(fd, "rb", closefd=False) as file:
            if size > MAX_BYTES:
                raise pickle.UnpicklingError(f"{size} bytes, at most {MAX_BYTES} are read")
            return _Unpickler(file).load()
    except (*_DAMAGED, OSError) as error:
        raise RefusedInput(
            "SCORES_PICKLE",
            f"{path} is no pickle of plain values and numpy arrays ({ascii(str(error))[1:-1]})",
            remedy="save the scores as a dict of arrays by sample id, or as a CSV file",
        ) from None


def rows_of(loaded: object, where: Path, ids: Sequence[str] | None) -> dict[str, Any]:
    """Rows by name out of a pickle: a dict by name, or a list or array in the order of `ids`.

    Raises:
        RefusedInput: ``SCORES_FORM`` if it is neither; ``SCORES_IDS`` if `ids` are missing or as
            many as there are no rows.
    """
    if isinstance(loaded, Mapping):
        names, rows = [str(name) for name in loaded], list(loaded.values())
    elif isinstance(loaded, (list, tuple)) or (isinstance(loaded, np.ndarray) and loaded.ndim == 2):
        names, rows = [], list(loaded)
    else:
        raise RefusedInput(
            "SCORES_FORM",
            f"{where} holds no dict, list or array of rows but {type(loaded).__name__}",
            remedy="save a dict of arrays by sample id",
        )
    if ids is not None:
        names = list(ids)
    if len(names) != len(rows):
        have = f"{len(names)} ids for them" if names else "no names"
        raise RefusedInput(
            "SCORES_IDS", f"{where} has {len(rows)} rows and {have}", remedy=IDS_REMEDY
        )
    return dict(_pairs_once(names, rows))


def _pairs_once(names: Sequence[str], rows: Iterable[Any]) -> Iterable[tuple[str, Any]]:
    seen: set[str] = set()
    for name, row in zip(names, rows, strict=True):
        if name in seen:
            raise RefusedInput(
                "ID_DUPLICATE", f"{name!a} is there twice", remedy="name each clip once"
            )
        seen.add(name)
        yield name, row


def read_table(path: Path) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Rows by id and the class names out of a CSV file: a column ``id``, then one per class.

    Raises:
        RefusedInput: ``CSV_*``; ``SCORES_SHAPE`` if a cell is no number.
    """
    names: list[str] = []
    rows: list[list[float]] = []
    classes: tuple[str, ...] = ()
    for line, row in iterate_csv(path, required=("id",)):
        names.append(row.pop("id"))
        classes = tuple(row)
        try:
            rows.append([float(value) for value in row.values()])
        except ValueError as error:
            raise RefusedInput(
                "SCORES_SHAPE", f"{path}:{line}: {error}", remedy="give one number per class"
            ) from None
    return dict(_pairs_once(names, rows)), classes


def _lines(path: Path) -> tuple[str, ...]:
    try:
        return tuple(read_regular(path, _MAX_LIST_BYTES).decode("utf-8-sig").split("\n"))
    except (OSError, UnicodeDecodeError) as error:
        raise RefusedInput(
            "LIST", f"{path}: {getattr(error, 'strerror', None) or 'no UTF-8 text'}",
            remedy="give a text file with one name a line",
        ) from None  # fmt: skip


def read_list(path: Path) -> tuple[str, ...]:
    """Names, one a line; empty lines are left away.

    Raises:
        RefusedInput: ``LIST``.
    """
    return tuple(line.strip() for line in _lines(path) if line.strip())
