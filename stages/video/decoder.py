"""Opening a video: the file is checked before a decoder reads it, and decoders are kept open."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

import cv2

from stroi.cache.errors import ClipRejected
from stroi.cache.files.digests import file_state
from stroi.stages.video.memory_limit import limit_command

MAX_SIDE = 4096
"""Longest frame side that is read, in px; a header beyond it is taken for damage."""

MIN_SIDE = 16
"""Shortest frame side that is read, in px."""

# Read by OpenCV whenever a video is opened, not when the module is imported.
os.environ["OPENCV_FFMPEG_CAPTURE_OPTIONS"] = (
    "protocol_whitelist;file|format_whitelist;avi,mov,matroska"
)
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
cv2.setNumThreads(1)


def printable(path: Path) -> str:
    """The path as printable ASCII, fit for one line of a log."""
    return ascii(str(path))


@dataclass(frozen=True, eq=False)
class OpenVideo:
    """A decoder over an open file.

    Attributes:
        fd: The file; the decoder is released before it is closed.
        capture: The decoder.
        state: Which file this is, and its state when it was opened.
        read: Frames that were decoded before.
    """

    fd: int
    capture: cv2.VideoCapture
    state: tuple[int, ...]
    read: int = 0

    def close(self) -> None:
        """Release the decoder and close the file."""
        self.capture.release()
        os.close(self.fd)


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


def open_video(path: Path) -> OpenVideo:
    """Open the file once, check it, and give the decoder that same open file.

    Raises:
        ClipRejected: ``VIDEO_OPEN``, ``VIDEO_EMPTY``, ``VIDEO_MAGIC``, ``VIDEO_ROTATED`` or
            ``VIDEO_SIZE``, as `stroi.stages.video.reader.read_frames` explains.
    """
    fd = _open_plain_file(path)
    try:
        _check_magic(path, os.pread(fd, 16, 0))
        return OpenVideo(fd, _capture(path, fd), file_state(os.fstat(fd)))
    except BaseException:
        os.close(fd)
        raise


def _open_plain_file(path: Path) -> int:
    """File descriptor of a non-empty regular file; O_NONBLOCK keeps a FIFO from hanging us."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ClipRejected(
            "VIDEO_OPEN",
            f"{printable(path)}: cannot be opened ({reason})",
            remedy="check the path in the index and the file's permissions",
        ) from error
    status = os.fstat(fd)
    if stat.S_ISREG(status.st_mode) and status.st_size > 0:
        return fd
    os.close(fd)
    if stat.S_ISREG(status.st_mode):
        raise ClipRejected(
            "VIDEO_EMPTY", f"{printable(path)}: the file has 0 bytes", remedy="fetch the file again"
        )
    raise ClipRejected(
        "VIDEO_OPEN",
        f"{printable(path)}: not a plain file",
        remedy="name a video file in the index",
    )


def _check_magic(path: Path, head: bytes) -> None:
    """Only AVI, MP4/MOV and Matroska: FFmpeg would follow a playlist to other files."""
    avi = head[:4] == b"RIFF" and head[8:12] == b"AVI "
    if not (avi or head[4:8] == b"ftyp" or head[:4] == b"\x1aE\xdf\xa3"):
        raise ClipRejected(
            "VIDEO_MAGIC",
            f"{printable(path)}: not an AVI, MP4 or Matroska file (it begins with {head[:8]!r})",
            remedy="convert it to one of these, or leave it out",
        )


def _capture(path: Path, fd: int) -> cv2.VideoCapture:
    """Open a decoder over an open file.

    The descriptor replaces the name, so that no name is taken for a pattern or a protocol.
    """
    name = f"/proc/self/fd/{fd}"
    if not Path(name).exists():
        name = f"file:{path.absolute()}"
    limit_command()
    capture = cv2.VideoCapture(name, cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
    try:
        if not capture.isOpened():
            raise ClipRejected(
                "VIDEO_OPEN",
                f"{printable(path)}: no video stream that can be decoded (damaged or cut short?)",
                remedy="fetch the file again, or encode it as H.264 in MP4",
            )
        _check_header(path, capture)
    except BaseException:
        capture.release()
        raise
    return capture


def _check_header(path: Path, capture: cv2.VideoCapture) -> None:
    turned = capture.get(cv2.CAP_PROP_ORIENTATION_META)
    if turned:
        raise ClipRejected(
            "VIDEO_ROTATED",
            f"{printable(path)}: the video carries a rotation of {turned:.0f} degrees",
            remedy="encode it again upright, without rotation metadata",
        )
    width = capture.get(cv2.CAP_PROP_FRAME_WIDTH)
    height = capture.get(cv2.CAP_PROP_FRAME_HEIGHT)
    if not (MIN_SIDE <= width <= MAX_SIDE and MIN_SIDE <= height <= MAX_SIDE):
        raise ClipRejected(
            "VIDEO_SIZE",
            f"{printable(path)}: frames of {width:.0f} x {height:.0f} px",
            remedy=f"encode it with sides from {MIN_SIDE} to {MAX_SIDE} px",
        )
