"""A clip's video as the index knew it."""

from __future__ import annotations

from pathlib import Path

from stroi.cache.digests import sha256_file
from stroi.cache.errors import ClipRejected


def measure_clip(video: Path) -> tuple[str, int]:
    """Digest, hexadecimal, and size in bytes of a video file or of a folder's frames.

    Raises:
        ClipRejected: Whatever is wrong with the folder, see
            `stroi.stages.frame_folder.folder_digest`.
        OSError: If the file is gone.
    """
    if video.is_dir():
        # Only here: listing files must not need a decoder of images.
        from stroi.stages.frame_folder import folder_digest

        return folder_digest(video)
    return sha256_file(video), video.stat().st_size


def check_unchanged(video: Path, sha256: str) -> None:
    """Make sure that a result will belong to the bytes that the index lists.

    Args:
        video: Path of the video, a file or a folder of frames.
        sha256: Its digest in the index.

    Raises:
        ClipRejected: If it is gone or has other bytes now.
    """
    try:
        found, _ = measure_clip(video)
    except OSError as error:
        raise ClipRejected("VIDEO_OPEN", f"{video.name}: {error.strerror}") from None
    if found != sha256:
        raise ClipRejected(
            "VIDEO_CHANGED",
            f"{video.name} changed since it was indexed",
            remedy="rebuild the index",
        )
