"""SHA-256 of bytes, files and values: what validity is decided by."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path


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
