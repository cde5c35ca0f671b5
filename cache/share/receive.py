"""Take in a cache that another published: copied first, checked there, placed last.

Nothing of the source is trusted or read twice: the copy, which no other user can enter, is what is
checked and what gets the target's name.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stroi.cache.errors import RefusedInput, raise_first, refusals_naming
from stroi.cache.files.atomic import os_errors_as_ours
from stroi.cache.files.staging import move_into_place, new_file, refuse_existing, staging_folder
from stroi.cache.ledger import LEDGER_NAME, MAX_TABLE_BYTES
from stroi.cache.manifest import (
    MANIFEST_NAME,
    MAX_MANIFEST_BYTES,
    Manifest,
    read_manifest,
)
from stroi.cache.share.archive import (
    RECEIVED_REMEDY,
    ReceivedFiles,
    open_received,
    refuse_received,
)
from stroi.cache.share.card import PUBLISHED, read_card
from stroi.cache.share.convert import unpack
from stroi.cache.share.info import manifest_sha256
from stroi.cache.storage.schema import MAX_FILE_BYTES
from stroi.cache.verify import OnFile, find_problems

_SHARD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,60}\.h5")
_KNOWN = PUBLISHED | {MANIFEST_NAME, LEDGER_NAME}


@dataclass(frozen=True)
class Imported:
    """What `import_cache` did.

    Attributes:
        manifest: Manifest of the cache that was received.
        manifest_sha256: SHA-256 of its ``manifest.json``.
        card: Its card, as the sender wrote it; None if it has none.
        placed: Whether the target is new; otherwise the same cache was there already.
    """

    manifest: Manifest
    manifest_sha256: str
    card: dict[str, Any] | None
    placed: bool


def _silently(manifest: Manifest) -> AbstractContextManager[OnFile | None]:
    return nullcontext()


def import_cache(
    source: Path,
    target: Path,
    *,
    expect: str = "",
    unpacked: bool = False,
    jobs: int = 1,
    check: Callable[[Path, Manifest], None] = lambda folder, manifest: None,
    watch: Callable[[Manifest], AbstractContextManager[OnFile | None]] = _silently,
    on_sample: Callable[[int], None] = lambda count: None,
) -> Imported:
    """Check a received cache and place it under `target`, whole or not at all.

    Args:
        source: A folder, or an archive that `stroi.cache.share.publish.export_cache` wrote.
        target: Where to place it. It may be there already if it is the same cache.
        expect: SHA-256 that its ``manifest.json`` must have; empty takes any.
        unpacked: Whether a compact cache shall be placed in the training form.
        jobs: How many processes check.
        check: Called with the checked copy before anything is placed; may refuse.
        watch: Given the manifest that is checked, a context of what `stroi.cache.verify.verify`
            shall call with each file.
        on_sample: Called with the number of samples that were unpacked since the last call.

    Raises:
        ParamsError: ``TARGET_EXISTS`` if something else is there.
        RefusedInput: ``EXPECT``, ``IMPORT_OPEN``, ``IMPORT_FILE``, ``MANIFEST_MISSING``,
            ``ARCHIVE_*``, ``CARD``, the first problem that `verify` finds, or as `check`.
        StroiError: If the disk is full or read-only.
    """
    with (
        open_received(source) as received,
        staging_folder(target, received.size) as private,
        refusals_naming(private / "received", source),
    ):
        folder = private / "received"
        folder.mkdir()
        manifest = _take_manifest(received, folder, expect)
        sha256 = manifest_sha256(folder)
        if os.path.lexists(target) and not unpacked:
            _refuse_other(target, sha256, jobs)
            check(target, manifest)
            return Imported(manifest, sha256, read_card(target), placed=False)
        _take_rest(received, manifest, folder, target)
        with watch(manifest) as on_file:
            raise_first(list(find_problems(folder, manifest, jobs, received=True, on_file=on_file)))
        card = read_card(folder)
        check(folder, manifest)
        made = folder
        if unpacked and manifest.kind == "mosaics_compact":
            made = private / "unpacked"
            unpack(folder, made, on_sample=on_sample)
        if os.path.lexists(target):
            _refuse_other(target, manifest_sha256(made), jobs)
            return Imported(manifest, sha256, card, placed=False)
        move_into_place(made, target)
    return Imported(manifest, sha256, card, placed=True)


def copy_received(source: Path, folder: Path) -> Manifest:
    """Copy a received folder or archive into a new folder, unchecked.

    Raises:
        RefusedInput: As `import_cache`, for what is wrong before a file is looked into.
        StroiError: If the disk is full or read-only.
    """
    with open_received(source) as received, os_errors_as_ours(folder, received.size):
        folder.mkdir()
        manifest = _take_manifest(received, folder, "")
        _take_rest(received, manifest, folder, folder)
    return manifest


def _refuse_other(target: Path, sha256: str, jobs: int) -> None:
    """Refuse a target that is there unless it is the cache with that manifest, undamaged."""
    try:
        same = manifest_sha256(target) == sha256
    except RefusedInput:
        same = False
    if not same:
        refuse_existing(target)
    raise_first(list(find_problems(target, read_manifest(target), jobs)))


def _take_manifest(received: ReceivedFiles, folder: Path, expect: str) -> Manifest:
    for name in received.entries:
        if name not in _KNOWN and not _SHARD.fullmatch(name):
            raise refuse_received(f"{received.where}: {name!a} does not belong in a cache")
    if MANIFEST_NAME not in received.entries:
        raise RefusedInput(
            "MANIFEST_MISSING", f"{received.where} has no {MANIFEST_NAME}", remedy=RECEIVED_REMEDY
        )
    entry = received.entries[MANIFEST_NAME]
    if entry.size > MAX_MANIFEST_BYTES:
        raise RefusedInput(
            "MANIFEST",
            f"{received.where}: its manifest has {entry.size} bytes",
            remedy=RECEIVED_REMEDY,
        )
    with new_file(folder / MANIFEST_NAME) as out:
        sha256 = received.copy(entry, out)
    refuse_unexpected(received.where, sha256, expect)
    return read_manifest(folder)


def refuse_unexpected(where: Path | str, sha256: str, expect: str) -> None:
    """Refuse a manifest that has another SHA-256 than its publisher said.

    Raises:
        RefusedInput: ``EXPECT``; never if `expect` is empty.
    """
    if expect and sha256 != expect:
        raise RefusedInput(
            "EXPECT",
            f"{where}: the SHA-256 of its manifest is {sha256}, want {expect}",
            remedy="this is another cache or another version of it: ask the sender",
        )


def _take_rest(received: ReceivedFiles, manifest: Manifest, folder: Path, target: Path) -> None:
    """Copy what the manifest lists; its sizes come first, so that nothing large comes for free."""
    sizes = {entry.name: entry.bytes for entry in manifest.files}
    for name, entry in received.entries.items():
        # Whether a file may be there at all is for `find_problems` to say.
        listed = sizes.get(name, min(entry.size, MAX_MANIFEST_BYTES))
        if name != MANIFEST_NAME and entry.size != listed:
            raise refuse_received(f"{received.where}: {name} has {entry.size} bytes, not {listed}")
        limit = MAX_FILE_BYTES if name.endswith(".h5") else MAX_TABLE_BYTES
        if entry.size > limit:
            raise refuse_received(
                f"{received.where}: {name} has {entry.size} bytes, allowed are {limit}"
            )
    if received.size > shutil.disk_usage(folder).free:
        with os_errors_as_ours(target, received.size):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    for name, entry in received.entries.items():
        if name != MANIFEST_NAME:
            with new_file(folder / name) as out:
                received.copy(entry, out)
