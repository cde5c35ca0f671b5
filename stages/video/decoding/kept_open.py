"""Decoders that stay open between the segments of a video."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from threading import Lock

from stroi.cache.files.digests import file_state
from stroi.stages.video.decoding.opening import OpenVideo, open_video

MAX_IDLE = 2
"""Decoders that stay open between clips: some stages go over every clip twice."""

_idle: list[OpenVideo] = []
_idle_lock = Lock()
"""Clips may be made by several threads."""


def keep_open(video: OpenVideo) -> None:
    """Keep a decoder open where a clip ended: the next clip of its video is likely to follow.

    To reach a clip all frames before it are decoded, which for the last of a long video's clips
    is nearly the whole video. The last `MAX_IDLE` decoders stay open.

    Args:
        video: The decoder; the caller does not use it any more.
    """
    with _idle_lock:
        _idle.append(video)
        surplus, _idle[:] = _idle[:-MAX_IDLE], _idle[-MAX_IDLE:]
    for one in surplus:
        one.close()


def close_all() -> None:
    """Close every decoder that was kept open."""
    with _idle_lock:
        idle, _idle[:] = list(_idle), []
    for one in idle:
        one.close()


def open_at(path: Path, start: int) -> OpenVideo:
    """A decoder that has not passed frame `start`.

    It is the farthest of those kept open for this file, if its state is still that in which it
    was opened, or a new one.

    Raises:
        ClipRejected: As `open_video`.
    """
    with suppress(OSError, ValueError), _idle_lock:
        state = file_state(path.stat())
        usable = [one for one in _idle if one.state == state and one.read <= start]
        if usable:
            farthest = max(usable, key=lambda one: one.read)
            _idle.remove(farthest)
            return farthest
    return open_video(path)
