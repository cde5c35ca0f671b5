"""Files on their way from one folder or archive to another, in bounded memory."""

from __future__ import annotations

import os
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from stroi.cache.errors import RefusedInput
from stroi.cache.files.opening import open_regular
from stroi.cache.files.staging import write_all

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
        with open_regular(piece.source, "SOURCE") as (fd, _):
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
