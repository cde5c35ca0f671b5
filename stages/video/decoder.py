"""Opening a video: what the file is gets judged before a decoder sees more than its name."""

from __future__ import annotations

import os
import stat
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


def shown(path: Path) -> str:
    """Show the path as printable ASCII, fit for one line of a log."""
    return ascii(str(path))


@dataclass(frozen=True, eq=False)
class Opened:
    """A decoder over an open file.

    Attributes:
        fd: The file; whoever closes it releases the decoder first.
        capture: The decoder.
        state: Which file this is, and its state when it was opened.
        read: Frames that were decoded before.
    """

    fd: int
    capture: cv2.VideoCapture
    state: tuple[int, ...]
    read: int = 0

    def close(self) -> None:
        """Let go of decoder and file."""
        self.capture.release()
        os.close(self.fd)


WAITING = 2
"""Decoders that wait: some stages go over every clip twice."""

_left: list[Opened] = []
_swapping = Lock()
"""Clips may be made by several threads."""


def leave_open(opened: Opened) -> None:
    """Let a decoder wait where a clip ended: the next clip of its video is likely to follow.

    To reach a clip all frames before it are decoded, which for the last of a long video's clips
    is nearly the whole video. The last `WAITING` decoders wait.

    Args:
        opened: The decoder; nobody else uses it from now on.
    """
    with _swapping:
        _left.append(opened)
        surplus, _left[:] = _left[:-WAITING], _left[-WAITING:]
    for one in surplus:
        one.close()


def close_all() -> None:
    """Let no decoder wait any longer."""
    with _swapping:
        waiting, _left[:] = list(_left), []
    for one in waiting:
        one.close()


def open_at(path: Path, start: int) -> Opened:
    """A decoder that has not passed frame `start`.

    It is the farthest of those that wait and are of this very file in the state that it was
    opened in, or a new one.

    Raises:
        ClipRejected: As `open_video`.
    """
    state = _state_of(path)
    with _swapping:
        fit = [one for one in _left if one.state == state and one.read <= start]
        if fit:
            best = max(fit, key=lambda one: one.read)
            _left.remove(best)
            return best
    fd, capture = open_video(path)
    return Opened(fd, capture, file_state(os.fstat(fd)))


def _state_of(path: Path) -> tuple[int, ...]:
    try:
        return file_state(path.stat())
    except (OSError, ValueError):
        return ()


def open_video(path: Path) -> tuple[int, cv2.VideoCapture]:
    """Open the file once, check it, and hand that very file to the decoder.

    Returns:
        File descriptor, to be closed by the caller when the decoder is released, and decoder.

    Raises:
        ClipRejected: ``VIDEO_OPEN``, ``VIDEO_EMPTY``, ``VIDEO_MAGIC``, ``VIDEO_ROTATED`` or
            ``VIDEO_SIZE``; see `stroi.stages.video.reader.read_frames`.
    """
    fd = _open_plain_file(path)
    try:
        _check_magic(path, os.pread(fd, 16, 0))
        capture = _capture(path, fd)
    except BaseException:
        os.close(fd)
        raise
    return fd, capture


def _open_plain_file(path: Path) -> int:
    """File descriptor of a non-empty regular file; O_NONBLOCK keeps a FIFO from hanging us."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ClipRejected(
            "VIDEO_OPEN",
            f"{shown(path)}: cannot be opened ({reason})",
            remedy="check the path in the index and the file's permissions",
        ) from error
    status = os.fstat(fd)
    if stat.S_ISREG(status.st_mode) and status.st_size > 0:
        return fd
    os.close(fd)
    if stat.S_ISREG(status.st_mode):
        raise ClipRejected(
            "VIDEO_EMPTY", f"{shown(path)}: the file has 0 bytes", remedy="fetch the file again"
        )
    raise ClipRejected(
        "VIDEO_OPEN", f"{shown(path)}: not a plain file", remedy="name a video file in the index"
    )


def _check_magic(path: Path, head: bytes) -> None:
    """Refuse what is no AVI, MP4/MOV or Matroska: FFmpeg would follow a playlist to other files."""
    avi = head[:4] == b"RIFF" and head[8:12] == b"AVI "
    if not (avi or head[4:8] == b"ftyp" or head[:4] == b"\x1aE\xdf\xa3"):
        raise ClipRejected(
            "VIDEO_MAGIC",
            f"{shown(path)}: not an AVI, MP4 or Matroska file (it begins with {head[:8]!r})",
            remedy="convert it to one of these, or leave it out",
        )


def _capture(path: Path, fd: int) -> cv2.VideoCapture:
    """Open a decoder over an open file.

    The descriptor stands in for the name, so that no name is taken for a pattern or a protocol.
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
                f"{shown(path)}: no video stream that can be decoded (damaged or cut short?)",
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
            f"{shown(path)}: the video carries a rotation of {turned:.0f} degrees",
            remedy="encode it again upright, without rotation metadata",
        )
    width = capture.get(cv2.CAP_PROP_FRAME_WIDTH)
    height = capture.get(cv2.CAP_PROP_FRAME_HEIGHT)
    if not (MIN_SIDE <= width <= MAX_SIDE and MIN_SIDE <= height <= MAX_SIDE):
        raise ClipRejected(
            "VIDEO_SIZE",
            f"{shown(path)}: frames of {width:.0f} x {height:.0f} px",
            remedy=f"encode it with sides from {MIN_SIDE} to {MAX_SIDE} px",
        )
