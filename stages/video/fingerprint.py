"""Digests of a clip's files, and whether they still have the bytes that the index lists."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Literal

from stroi.cache.errors import ClipRejected
from stroi.cache.files.digests import SETTLED, file_state, settled_state, sha256_file

_OPEN = {"video": "VIDEO_OPEN", "skeleton": "SKEL_OPEN"}
_CHANGED = {"video": "VIDEO_CHANGED", "skeleton": "SKEL_CHANGED"}

_MAX_KNOWN = 64
_known: dict[tuple[int, ...], str] = {}
"""Digests of files that this process hashed, by their state."""


def measure_clip(video: Path) -> tuple[str, int]:
    """Digest, hexadecimal, and size in bytes of a video file or of a folder's frames.

    Raises:
        ClipRejected: Whatever `stroi.stages.video.image_folder.folder_digest` rejects.
        OSError: If the file is gone.
    """
    if video.is_dir():
        # Only here: listing files must not need a decoder of images.
        from stroi.stages.video.image_folder import folder_digest

        return folder_digest(video)
    return sha256_file(video), video.stat().st_size


def check_unchanged(
    path: Path, sha256: str, kind: Literal["video", "skeleton"] = "video", state: str = ""
) -> None:
    """Make sure that a result will belong to the bytes that the index lists.

    The file is hashed only if it is in another state than when the index was made. Clips of one
    long video follow each other, and hashing it takes longer than cutting a clip: a process hashes
    such a file once, too.

    Args:
        path: The video, a file or a folder of frames, or the sensor's file.
        sha256: Its digest in the index.
        kind: What it is, for the error.
        state: Its state when it had this digest, see `stroi.cache.files.digests.settled_state`;
            empty if that is not known.

    Raises:
        ClipRejected: ``VIDEO_OPEN`` or ``SKEL_OPEN`` if it is gone, ``VIDEO_CHANGED`` or
            ``SKEL_CHANGED`` if it has other bytes now.
    """
    if state and settled_state(path) == state:
        return
    try:
        current = _digest(path)
    except OSError as error:
        raise ClipRejected(
            _OPEN[kind],
            f"{path.name!a}: {error.strerror}",
            remedy="put the file back where it can be read, or leave the sample out",
        ) from None
    if current != sha256:
        raise ClipRejected(
            _CHANGED[kind],
            f"{path.name!a} changed since it was indexed",
            remedy="rebuild the index when nothing writes there",
        )


def _digest(path: Path) -> str:
    """Digest of a file, from memory if this process hashed it in its present state."""
    if path.is_dir():
        return measure_clip(path)[0]
    state = file_state(path.stat())
    if state in _known:
        return _known[state]
    sha256 = sha256_file(path)
    if state == file_state(path.stat()) and time.time() - path.stat().st_ctime > SETTLED:
        if len(_known) >= _MAX_KNOWN:
            _known.clear()
        _known[state] = sha256
    return sha256
