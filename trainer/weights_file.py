"""Any weights file that we read, judged without torch: safetensors, or torch's own zip format."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from stroi.cache.received import open_plain
from stroi.trainer.legacy_pth import is_pth, read_pth
from stroi.trainer.safetensors_header import read_header
from stroi.trainer.tensor_files import ITEMS, MAX_FILE, Stored, check_finite, pieces, refused


@dataclass(frozen=True)
class WeightsFile:
    """An open file whose layout is good.

    Attributes:
        fd: The file, open for reading.
        tensors: Its tensors by name; values are not judged yet.
        meta: What our own files say of themselves; {} in a foreign one.
    """

    fd: int
    tensors: dict[str, Stored]
    meta: dict[str, Any]


@contextmanager
def open_weights(path: Path, *, pth: bool) -> Iterator[WeightsFile]:
    """Open a weights file and judge its layout; values are not judged.

    Args:
        path: The file; its name is not looked at.
        pth: Whether torch's own zip format is accepted beside safetensors.

    Yields:
        The file, closed at the end.

    Raises:
        RefusedInput: ``PTH_READ`` if it is no regular file or cannot be read; as
            `stroi.trainer.safetensors_header.read_header` and
            `stroi.trainer.legacy_pth.read_pth`.
    """
    where = str(path)
    try:
        with open_plain(path) as (fd, size):
            head = os.pread(fd, 8, 0)
            if pth and is_pth(head, size):
                yield WeightsFile(fd, read_pth(fd, size, where), {})
            else:
                yield WeightsFile(fd, *read_header(fd, size, where))
    except OSError as error:
        problem = f"cannot be read ({error.strerror or error})"
        raise refused("PTH_READ", where, problem) from error


def check_weights(path: Path) -> WeightsFile:
    """Check a weights file of either form to its last value.

    Returns:
        What it holds; its descriptor is closed.

    Raises:
        RefusedInput: As `open_weights`; ``PTH_NONFINITE``.
    """
    with open_weights(path, pth=True) as file:
        for name, stored in file.tensors.items():
            for piece in pieces(file.fd, stored.start, stored.bytes):
                check_finite(np.frombuffer(piece, ITEMS[stored.kind]), name, str(path))
    return file


def check_digest(path: Path, sha256: str) -> None:
    """Refuse a weights file that is not the one its user means.

    Args:
        path: The file.
        sha256: Its digest, 64 lower-case hexadecimal digits.

    Raises:
        RefusedInput: ``START_DIGEST``; ``PTH_READ`` if it is no regular file, cannot be read or
            is larger than any weights file.
    """
    try:
        with open_plain(path) as (fd, size):
            if size > MAX_FILE:
                raise refused("PTH_READ", str(path), f"{size} bytes, at most {MAX_FILE} are read")
            found = hashlib.sha256()
            for piece in pieces(fd, 0, size):
                found.update(piece)
    except OSError as error:
        problem = f"cannot be read ({error.strerror or error})"
        raise refused("PTH_READ", str(path), problem) from error
    if found.hexdigest() != sha256:
        raise refused(
            "START_DIGEST",
            str(path),
            f"its SHA-256 is {found.hexdigest()}, not {sha256}",
            "name the right file, or correct resnet.start_sha256",
        )
