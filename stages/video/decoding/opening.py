"""Opening a video: the file is checked before a decoder reads it."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import av
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from stroi.cache.errors import ClipRejected
from stroi.cache.files.digests import file_state
from stroi.stages.video.decoding.decoder import decoded_frames, no_memory, printable
from stroi.stages.video.decoding.memory_limit import limit_command
from stroi.stages.video.decoding.truncation import missing_bytes

MAX_SIDE = 8192
"""Longest frame side that is read, in px; a header beyond it is taken for damage."""

MIN_SIDE = 16
"""Shortest frame side that is read, in px."""

FORMATS = ("avi", "mov", "matroska", "mpeg", "mpegts", "mpegvideo", "asf", "flv", "ogg")
"""Containers that are read, by FFmpeg's names of their readers (``mov`` is MP4 and 3GP too). None
of them takes its frames from another file, as a playlist does."""

_READ_AHEAD = 2**17
"""Bytes that are read at once."""


@dataclass(frozen=True, eq=False)
class OpenVideo:
    """A decoder over an open file.

    Attributes:
        file: The file; the decoder is released before it is closed.
        container: The demuxer over it.
        stream: The video in it.
        frames: The frames that are still to come, as the decoder hands them out.
        state: Which file this is, and its state when it was opened.
        read: Frames that were decoded before.
    """

    file: io.FileIO
    container: InputContainer
    stream: VideoStream
    frames: Generator[VideoFrame]
    state: tuple[int, ...]
    read: int = 0

    def missing_bytes(self) -> int:
        """Bytes that the file lacks by the sizes and the tables in its container."""
        name, missing = self.container.format.name, 0
        if name.startswith("mov"):
            # The only container whose table has the place and the size of every picture.
            end = max((entry.pos + entry.size for entry in self.stream.index_entries), default=0)
            missing = max(0, end - os.fstat(self.file.fileno()).st_size)
        return missing or missing_bytes(self.file.fileno(), name)

    def close(self) -> None:
        """Release the decoder and close the file."""
        self.frames.close()
        self.container.close()
        self.file.close()


def open_video(path: Path) -> OpenVideo:
    """Open the file once, check it, and give the decoder that same open file.

    Raises:
        ClipRejected: ``VIDEO_OPEN``, ``VIDEO_EMPTY``, ``VIDEO_MAGIC`` or ``VIDEO_SIZE``, as
            `stroi.stages.video.reader.read_frames` explains.
    """
    file = io.FileIO(_open_plain_file(path))
    # FFmpeg takes some names for patterns.
    file.name = "video"
    try:
        limit_command()
        container = _container(path, file)
        stream = _video_stream(path, container)
        frames = decoded_frames(path, container, stream)
        return OpenVideo(file, container, stream, frames, file_state(os.fstat(file.fileno())))
    except BaseException:
        file.close()
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


def _container(path: Path, file: io.FileIO) -> InputContainer:
    """Open a demuxer over an open file, whatever its name; it can open no other."""
    try:
        return _open_container(file, *FORMATS)
    except MemoryError as error:
        raise no_memory(path) from error
    except av.error.ArgumentError:
        known = False
    except (av.error.FFmpegError, OSError):
        known = _is_known(file)
    if known:
        raise _not_decodable(path)
    raise ClipRejected(
        "VIDEO_MAGIC",
        f"{printable(path)}: not a video of a kind that is read (it begins with"
        f" {os.pread(file.fileno(), 8, 0)!r})",
        remedy="convert it to H.264 in MP4, or leave it out",
    )


def _is_known(file: io.FileIO) -> bool:
    """Whether FFmpeg knows the container: then it would be refused where none is allowed."""
    try:
        _open_container(file, "none").close()
    except av.error.ArgumentError:
        return True
    except (av.error.FFmpegError, OSError):
        pass
    return False


def _not_decodable(path: Path) -> ClipRejected:
    return ClipRejected(
        "VIDEO_OPEN",
        f"{printable(path)}: no video stream that can be decoded (damaged or cut short?)",
        remedy="fetch the file again, or encode it as H.264 in MP4",
    )


def _open_container(file: io.FileIO, *formats: str) -> InputContainer:
    file.seek(0)
    options = {"format_whitelist": ",".join(formats), "max_pixels": str(MAX_SIDE**2)}
    return av.open(
        file,
        "r",
        options=options,
        metadata_errors="replace",
        buffer_size=_READ_AHEAD,
        io_open=_open_nothing,
    )


def _open_nothing(url: str, flags: int, options: dict[str, Any]) -> NoReturn:
    raise PermissionError("a video may not name other files or addresses")


def _video_stream(path: Path, container: InputContainer) -> VideoStream:
    """The video that is no cover picture, its decoder set up.

    Of several the one that FFmpeg takes for the main one: others may be thumbnails.
    """
    streams = [
        stream
        for stream in container.streams.video
        if stream.codec_context is not None
        and not stream.disposition & av.stream.Disposition.attached_pic
    ]
    if not streams:
        raise _not_decodable(path)
    best = container.streams.best("video")
    stream = next((one for one in streams if one is best), streams[0])
    decoder = stream.codec_context
    width, height = decoder.width, decoder.height
    if not (MIN_SIDE <= width <= MAX_SIDE and MIN_SIDE <= height <= MAX_SIDE):
        raise ClipRejected(
            "VIDEO_SIZE",
            f"{printable(path)}: frames of {width} x {height} px",
            remedy=f"encode it with sides from {MIN_SIDE} to {MAX_SIDE} px",
        )
    decoder.thread_count = 1
    # A decoder hides damage by default: it guesses the picture, and says nothing.
    decoder.options = {"max_pixels": str(MAX_SIDE**2), "err_detect": "explode"}
    return stream
