"""A clip's video as the index knew it."""

from __future__ import annotations

from pathlib import Path

from stroi.cache.digests import sha256_file
from stroi.cache.errors import ClipRejected


def check_unchanged(video: Path, sha256: str) -> None:
    """Make sure that a result will belong to the bytes that the index lists.

    Args:
        video: Path of the video.
        sha256: Its digest in the index.

    Raises:
        ClipRejected: If the file is gone or has other bytes now.
    """
    try:
        found = sha256_file(video)
    except OSError as error:
        raise ClipRejected("VIDEO_OPEN", f"{video.name}: {error.strerror}") from None
    if found != sha256:
        raise ClipRejected(
            "VIDEO_CHANGED",
            f"{video.name} changed since it was indexed",
            remedy="rebuild the index",
        )
