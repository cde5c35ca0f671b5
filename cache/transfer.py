"""Files on their way from one folder or archive to another, in bounded memory."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from stroi.cache.errors import RefusedInput
from stroi.cache.private import write_all

_CHUNK = 1 << 20


@dataclass(frozen=True)
class Piece:
    """A file to be handed on.

    Attributes:
        name: Its plain name.
        size: Its length in bytes.
        sha256: Digest of its bytes.
        source: Where its bytes are, or the bytes.
    """

    name: str
    size: int
    sha256: str
    source: Path | bytes


@contextmanager
def open_regular(path: Path, code: str, *, folder: int | None = None) -> Iterator[int]:
    """Descriptor of a regular file of a stranger, read-only; links, FIFOs and devices are refused.

    Args:
        path: The file.
        code: Code of the refusal.
        folder: Descriptor of the folder that `path` is relative to.

    Raises:
        RefusedInput: If it is anything else or cannot be opened.
    """
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        fd = os.open(path, flags, dir_fd=folder)
    except OSError as error:
        raise RefusedInput(
            code,
            f"{str(path)!a} cannot be opened: {error.strerror}",
            remedy="give regular files, no links",
        ) from error
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise RefusedInput(
                code, f"{str(path)!a} is not a regular file", remedy="give regular files, no links"
            )
        yield fd
    finally:
        os.close(fd)


def pour(piece: Piece, out: int) -> None:
    """Write the bytes of `piece` to the descriptor `out`.

    Raises:
        RefusedInput: ``DIGEST`` if they are not what the piece says.
        OSError: If the disk does not take them.
    """
    if isinstance(piece.source, bytes):
        write_all(out, piece.source)
        found = sha256(piece.source).hexdigest()
    else:
        with open_regular(piece.source, "SOURCE") as fd:
            found = copy_range(fd, 0, piece.size, out, str(piece.source))
    if found != piece.sha256:
        raise RefusedInput(
            "DIGEST", f"{piece.name} changed meanwhile", remedy="wait for its writer"
        )


def copy_range(fd: int, offset: int, count: int, out: int, where: str) -> str:
    """Copy `count` bytes from `offset` of one descriptor to another, in bounded memory.

    Returns:
        Their SHA-256.

    Raises:
        RefusedInput: ``SOURCE`` if there are fewer or they cannot be read.
        OSError: If the disk does not take them.
    """
    sha, end = sha256(), offset + count
    while offset < end:
        try:
            chunk = os.pread(fd, min(_CHUNK, end - offset), offset)
        except OSError as error:
            raise RefusedInput(
                "SOURCE", f"{where} cannot be read: {error.strerror}", remedy="check its disk"
            ) from error
        if not chunk:
            raise RefusedInput("SOURCE", f"{where} ends too early", remedy="fetch it again")
        sha.update(chunk)
        write_all(out, chunk)
        offset += len(chunk)
    return sha.hexdigest()
