"""What is known of a data set's files by their states: a file is hashed again only if it changed.

Stage ``index`` hashes every file. It keeps the digests in the store, with the state in which each
file was: inode, size, last change of its content, last change at all. No program can set the last
of them, so a file in the same state has the same bytes. What has to be made again between runs is
decided by digests alone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import astuple, dataclass
from pathlib import Path

from stroi.cache.files.atomic import write_atomic
from stroi.cache.files.digests import digest

KNOWN_FILES = "digests"
"""Folder of the store: a file per data set."""


@dataclass(frozen=True)
class KnownFile:
    """A file, or a folder of frames, as it was when it was hashed.

    Attributes:
        state: Its `settled_state`; empty if it had just changed.
        sha256: Its digest, hexadecimal.
        bytes: Its size.
        checked_by: Versions of what looked into it as a video; empty if nothing did.
        code: What stages that read it as a video will refuse it for; empty if nothing shows.
        detail: The same as a sentence.
    """

    state: str
    sha256: str
    bytes: int
    checked_by: str = ""
    code: str = ""
    detail: str = ""


def known_path(store: Path, raw: Path) -> Path:
    """Where the store keeps what is known of the files of the data set at `raw`."""
    return store / KNOWN_FILES / f"{digest(str(raw.resolve()))[:32]}.json"


def read_known(store: Path, raw: Path) -> dict[str, KnownFile]:
    """What is known of the files of a data set, by path relative to it."""
    try:
        document = json.loads(known_path(store, raw).read_bytes())
        return {place: _known(row) for place, row in document.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def _known(row: list[object]) -> KnownFile:
    known = KnownFile(*row)  # type: ignore[arg-type]
    if list(map(type, row)) != [str, str, int, str, str, str]:
        raise TypeError("no row of this table")
    return known


def write_known(store: Path, raw: Path, files: Mapping[str, KnownFile]) -> None:
    """Keep what is known of the files of a data set, by path relative to it.

    Raises:
        StroiError: If the disk is full or read-only.
    """
    document = {place: astuple(known) for place, known in sorted(files.items()) if known.state}
    write_atomic(known_path(store, raw), json.dumps(document).encode())
