"""One cache made from another, file by file: resumable, and never over anything else."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from stroi.cache.files.digests import sha256_bytes
from stroi.cache.files.opening import read_no_link
from stroi.cache.files.staging import exclusive_folder, target_exists, write_if_absent
from stroi.cache.ledger import LEDGER_NAME, MAX_TABLE_BYTES
from stroi.cache.manifest import (
    MANIFEST_NAME,
    FileEntry,
    Manifest,
    file_entry,
    read_manifest,
    write_manifest,
)
from stroi.cache.storage.hdf5 import encode
from stroi.cache.storage.schema import Arrays, Format, sample_digests

_LEDGER_UNLISTED = "1.0"


def convert_folder(
    folder: Path,
    target: Path,
    origin: Manifest,
    convert: Callable[[FileEntry], FileEntry],
    describe: Callable[[tuple[FileEntry, ...]], Manifest],
) -> Manifest:
    """Make a cache from another one.

    Files that are there already come first, so that a folder of something else is refused before
    anything is added to it.

    Args:
        folder: The cache that is read, verified before.
        target: The one that is made: new, or left by an earlier run of the same conversion.
        origin: Manifest of `folder`.
        convert: Makes one ``.h5`` file by `settle_shard`; all other files are copied.
        describe: The manifest that lists these files; written last.

    Returns:
        That manifest.

    Raises:
        ParamsError: ``TARGET_EXISTS`` if `target` holds anything else.
        OutputInUse: If another process is filling `target`.
        StroiError: If the disk is full or read-only.
    """
    entries = (*origin.files, *_unlisted_ledger(folder, origin))
    with exclusive_folder(target, {MANIFEST_NAME, *(entry.name for entry in entries)}):
        made = []
        for entry in sorted(entries, key=lambda each: not os.path.lexists(target / each.name)):
            is_shard = entry.name.endswith(".h5")
            made.append(convert(entry) if is_shard else _copy(folder, target, entry))
        manifest = describe(tuple(sorted(made, key=lambda each: each.name)))
        path = target / MANIFEST_NAME
        there = os.path.lexists(path) or not write_manifest(target, manifest, replace=False)
        if there and read_manifest(target) != manifest:
            raise target_exists(path)
    return manifest


def settle_shard(path: Path, fmt: Format, arrays: Arrays, entry: FileEntry) -> FileEntry:
    """Write a shard, unless it is there.

    Args:
        path: The shard.
        fmt: Its format.
        arrays: What it holds.
        entry: What the origin's manifest says of the file that it is made from.

    Returns:
        What the new manifest shall say of it.

    Raises:
        ParamsError: ``TARGET_EXISTS`` if it is there with other bytes.
        RefusedInput: If the arrays do not fit the format.
        StroiError: If the disk is full or read-only.
    """
    data = encode(fmt, arrays)
    write_if_absent(path, data)
    return replace(
        entry,
        name=path.name,
        bytes=len(data),
        sha256=sha256_bytes(data),
        sample_sha256=sample_digests(fmt, arrays),
    )


def _unlisted_ledger(folder: Path, origin: Manifest) -> list[FileEntry]:
    if origin.schema != _LEDGER_UNLISTED or not os.path.lexists(folder / LEDGER_NAME):
        return []
    return [file_entry(LEDGER_NAME, _read(folder / LEDGER_NAME))]


def _copy(folder: Path, target: Path, entry: FileEntry) -> FileEntry:
    write_if_absent(target / entry.name, _read(folder / entry.name))
    return entry


def _read(path: Path) -> bytes:
    return read_no_link(path, "LEDGER", MAX_TABLE_BYTES)
