"""SHA-256 of bytes, files and values: what validity is decided by."""

from __future__ import annotations

import hashlib
import json
import os
import time
from pathlib import Path

SETTLED = 2.0
"""Seconds since a file's last change after which a further one cannot bear the same time; file
systems count in steps of up to that."""


def sha256_bytes(data: bytes | memoryview) -> str:
    """SHA-256 of a contiguous buffer, as 64 lower-case hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: Path) -> str:
    """SHA-256 of a file's bytes, streamed, as 64 lower-case hexadecimal digits.

    Raises:
        OSError: If the file cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest(value: object) -> str:
    """SHA-256 of a value's canonical JSON: sorted keys, no spaces, ASCII.

    Args:
        value: Any nesting of dict with text keys, list, str, int, float, bool and None.
            A tuple counts as a list.

    Returns:
        64 lower-case hexadecimal digits; equal for equal values, whatever the order of keys.

    Raises:
        TypeError: If the value holds anything else.
        ValueError: If it holds a float that is not finite.
    """
    text = json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
    )
    return sha256_bytes(text.encode("ascii"))


def file_state(status: os.stat_result) -> tuple[int, ...]:
    """Which file it is, and what a write to it changes: its last change no program can set."""
    return (
        status.st_dev,
        status.st_ino,
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
    )


def settled_state(path: Path) -> str:
    """State of a file, or of a folder and the files in it: in the same state it has the same bytes.

    Returns:
        32 hexadecimal digits; empty if there is no such file, or if something changed less than
        `SETTLED` seconds ago: a further change might leave the same state.
    """
    try:
        found = {"": path.stat()}
        if path.is_dir():
            with os.scandir(path) as entries:
                found |= {entry.name: entry.stat() for entry in entries}
    except OSError:
        return ""
    if time.time() - max(status.st_ctime for status in found.values()) <= SETTLED:
        return ""
    # No device: its number may be another after a restart, or on another machine.
    return digest({name: file_state(status)[1:] for name, status in found.items()})[:32]
