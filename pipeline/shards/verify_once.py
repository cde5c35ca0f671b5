"""Caches of a project are verified once, and again only when a file of theirs changed."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from stroi.cache.errors import StroiError
from stroi.cache.files.atomic import write_atomic
from stroi.cache.files.digests import digest, settled_state, sha256_file
from stroi.cache.manifest import MANIFEST_NAME, stroi_version
from stroi.cache.verify import require_verified

VERIFIED = "verified"
"""Folder of the store: a file per cache that had no problem, with the state that it was in."""


def verify_once(folder: Path, kind: str | Sequence[str], store: Path, *, jobs: int = 1) -> None:
    """Make sure that a cache has no problem, unless it had none before and has not changed since.

    Args:
        folder: The cache.
        kind: The kind that it must be, or several that it may be.
        store: Folder of finished work.
        jobs: Files that are checked at a time, in threads.

    Raises:
        RefusedInput: As `stroi.cache.verify.require_verified`.
    """
    note = store / VERIFIED / f"{digest([str(folder.resolve()), kind])[:32]}.txt"
    state = _state(folder)
    with suppress(OSError, ValueError):
        if state and note.read_text("ascii") == state:
            return
    require_verified(folder, kind, jobs=jobs)
    if state and _state(folder) == state:
        # Without the note it is verified again, nothing else.
        with suppress(StroiError):
            write_atomic(note, state.encode())


def _state(folder: Path) -> str:
    """State of the folder, its manifest and this version of stroi; empty if one is not known."""
    state = settled_state(folder)
    try:
        manifest = sha256_file(folder / MANIFEST_NAME)
    except OSError:
        return ""
    return digest([stroi_version(), manifest, state]) if state else ""
