"""The index that goes with a published cache: its labels, for exactly its samples."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import astuple, fields
from pathlib import Path, PurePosixPath

from stroi.cache.errors import RefusedInput
from stroi.cache.files.staging import refuse_other, write_if_absent
from stroi.cache.share.card import INDEX_NAMES
from stroi.pipeline.cache_commands.common import first_few, many
from stroi.pipeline.index.csv import csv_bytes
from stroi.pipeline.index.table import Index, Sample, read_index

_REMEDY = "ask the sender for an export with its index"


def index_of(folder: Path, ids: Sequence[str]) -> dict[str, bytes]:
    """The files of an index, restricted to some samples; the classes stay numbered as they are.

    Args:
        folder: The data set's index.
        ids: The samples.

    Returns:
        Bytes by file name.

    Raises:
        RefusedInput: ``INDEX_IDS`` if the index lacks a sample; ``EXPORT_PRIVATE`` if it names a
            place on this machine; any of `read_index`.
    """
    index = read_index(folder)
    known = {sample.id: sample for sample in index.samples}
    missing = sorted(set(ids) - set(known))
    if missing:
        raise RefusedInput(
            "INDEX_IDS",
            f"{folder} lacks {many(len(missing), 'sample')} of the cache: {first_few(missing)}",
            remedy="give the index of the data set that the cache was made from",
        )
    chosen = [known[name] for name in sorted(ids)]
    for sample in chosen:
        for path in (sample.video, sample.skeleton):
            if _leaves(path):
                raise RefusedInput(
                    "EXPORT_PRIVATE",
                    f"{folder}: sample {sample.id!a} names a place outside its data set",
                    remedy="list the data set with paths relative to its root",
                )
    columns = [field.name for field in fields(Sample)]
    return {
        "samples.csv": csv_bytes(columns, (astuple(sample) for sample in chosen)),
        "classes.txt": "".join(f"{name}\n" for name in index.classes).encode(),
    }


def check_index(folder: Path, ids: Sequence[str]) -> Index:
    """The index that came with a cache, for exactly its samples.

    Raises:
        RefusedInput: ``INDEX_MISSING``; ``INDEX_IDS`` if it has other samples than the cache;
            ``EXPORT_PRIVATE`` if a video lies outside the data set; any of `read_index`, such as
            ``LABEL_RANGE``.
    """
    if not all((folder / name).is_file() for name in INDEX_NAMES):
        raise RefusedInput("INDEX_MISSING", f"{folder} came without labels", remedy=_REMEDY)
    index = read_index(folder)
    listed = {sample.id for sample in index.samples}
    for what, names in (("lacks", set(ids) - listed), ("also has", listed - set(ids))):
        if names:
            raise RefusedInput(
                "INDEX_IDS",
                f"the index {what} {many(len(names), 'sample')}: {first_few(sorted(names))}",
                remedy=_REMEDY,
            )
    for sample in index.samples:
        if _leaves(sample.video) or _leaves(sample.skeleton):
            raise RefusedInput(
                "INDEX_PATH", f"the index has {sample.id!a} outside its data set", remedy=_REMEDY
            )
    return index


def refuse_other_index(target: Path, files: dict[str, bytes]) -> None:
    """Refuse to place an index where another one is.

    Raises:
        ParamsError: ``TARGET_EXISTS``.
    """
    for name, data in files.items():
        if os.path.lexists(target / name):
            refuse_other(target / name, data)


def place_index(target: Path, files: dict[str, bytes]) -> None:
    """Write the files of an index; call `refuse_other_index` before anything else is placed.

    Raises:
        ParamsError: ``TARGET_EXISTS`` if another one has appeared meanwhile.
        StroiError: If the disk is full or read-only.
    """
    for name, data in sorted(files.items()):
        write_if_absent(target / name, data)


def _leaves(path: str) -> bool:
    return "\\" in path or PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts
