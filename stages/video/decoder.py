"""Opening a video: the file is checked before a decoder reads it, and decoders are kept open."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any, NoReturn

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from stroi.cache.errors import ClipRejected
from stroi.cache.files.digests import file_state
from stroi.stages.video.memory_limit import limit_command
from stroi.stages.video.truncation import missing_bytes

MAX_SIDE = 8192
"""Longest frame side that is read, in px; a header beyond it is taken for damage."""

MIN_SIDE = 16
"""Shortest frame side that is read, in px."""

FORMATS = ("avi", "mov", "matroska", "mpeg", "mpegts", "mpegvideo", "asf", "flv", "ogg")
"""Containers that are read, by FFmpeg's names of their readers (``mov`` is MP4 and 3GP too). None
of them takes its frames from another file, as a playlist does."""

_READ_AHEAD = 2**17
"""Bytes that are read at once."""


def printable(path: Path) -> str:
    """The path as printable ASCII, fit for one line of a log."""
    return ascii(str(path))


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


def decoded_frames(
    path: Path, container: InputContainer, stream: VideoStream
) -> Generator[VideoFrame]:
    """The frames of a video, as a sequential decoder hands them out.

    A recording may begin between two key frames: what cannot be decoded before the first of them
    is no damage.

    Raises:
        ClipRejected: ``VIDEO_FRAMES`` if a part of the file is damaged or missing,
            ``VIDEO_MEMORY`` if a frame needs too much.
    """
    count, begun = 0, False
    try:
        for packet in packets(path, container, stream):
            begun |= packet.is_keyframe
            try:
                frames = stream.decode(packet)
            except av.error.InvalidDataError:
                if begun or count:
                    raise
                continue
            for frame in frames:
                yield frame
                count += 1
        yield from stream.decode(None)
    except MemoryError as error:
        raise no_memory(path) from error
    except av.error.FFmpegError as error:
        raise _damaged(path, f"about frame {count}: {error.strerror}") from error


def packets(
    path: Path, container: InputContainer, stream: VideoStream
) -> Iterator[Packet[VideoStream]]:
    """The coded pictures of a video from where its demuxer is.

    Raises:
        ClipRejected: ``VIDEO_FRAMES`` if a part of the file is damaged or missing.
    """
    try:
        for packet in container.demux(stream):
            if packet.is_corrupt:
                raise _damaged(path, "a coded picture is cut")
            # An empty one stands for a frame that the recorder dropped, or for the end.
            if packet.size:
                yield packet
    except MemoryError as error:
        raise no_memory(path) from error
    except (av.error.FFmpegError, OSError) as error:
        raise _damaged(path, str(error.strerror or error)) from error


def _damaged(path: Path, reason: str) -> ClipRejected:
    return ClipRejected(
        "VIDEO_FRAMES",
        f"{printable(path)}: the video is damaged or cut ({reason})",
        remedy="fetch the file again, or encode it again if this is all there is",
    )


def no_memory(path: Path) -> ClipRejected:
    """The error for a video that needs more memory than the process may take."""
    return ClipRejected(
        "VIDEO_MEMORY",
        f"{printable(path)}: a frame needs more memory than there is",
        remedy="encode the video again or leave it out",
    )
