"""A clip's video as the index knew it."""

from __future__ import annotations

import time
from pathlib import Path

from stroi.cache.errors import ClipRejected
from stroi.cache.files.digests import file_state, sha256_file

SETTLED = 2.0
"""Seconds since a file's last change after which a further one cannot bear the same time; file
systems count in steps of up to that."""

_MOST_KNOWN = 64
_known: dict[tuple[int, ...], str] = {}
"""Digests of files that this process hashed, by their state."""


def measure_clip(video: Path) -> tuple[str, int]:
    """Digest, hexadecimal, and size in bytes of a video file or of a folder's frames.

    Raises:
        ClipRejected: Whatever is wrong with the folder, see
            `stroi.stages.video.image_folder.folder_digest`.
        OSError: If the file is gone.
    """
    if video.is_dir():
        # Only here: listing files must not need a decoder of images.
        from stroi.stages.video.image_folder import folder_digest

        return folder_digest(video)
    return sha256_file(video), video.stat().st_size


def check_unchanged(video: Path, sha256: str) -> None:
    """Make sure that a result will belong to the bytes that the index lists.

    Clips of one long video follow each other, and hashing it takes longer than cutting a clip: a
    process hashes a file again only if its state (`file_state`) is another. That decides nothing
    about what is made again between runs, which digests alone do.

    Args:
        video: Path of the video, a file or a folder of frames.
        sha256: Its digest in the index.

    Raises:
        ClipRejected: If it is gone or has other bytes now.
    """
    try:
        found = _digest(video)
    except OSError as error:
        raise ClipRejected(
            "VIDEO_OPEN",
            f"{video.name}: {error.strerror}",
            remedy="put the video back where it can be read, or leave it out",
        ) from None
    if found != sha256:
        raise ClipRejected(
            "VIDEO_CHANGED",
            f"{video.name} changed since it was indexed",
            remedy="rebuild the index",
        )


def _digest(video: Path) -> str:
    """Digest of a video, from memory if this process hashed the very file in this very state."""
    if video.is_dir():
        return measure_clip(video)[0]
    state = file_state(video.stat())
    if state in _known:
        return _known[state]
    found = sha256_file(video)
    if state == file_state(video.stat()) and _is_settled(video):
        if len(_known) >= _MOST_KNOWN:
            _known.clear()
        _known[state] = found
    return found


def _is_settled(video: Path) -> bool:
    return time.time() - video.stat().st_ctime > SETTLED
