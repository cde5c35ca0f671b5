"""The coded pictures of an open video, and the frames that a sequential decoder makes of them."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from stroi.cache.errors import ClipRejected

See = Callable[["Packet[VideoStream]"], object]


def _ignore(_: Packet[VideoStream]) -> None:
    """See nothing."""


def printable(path: Path) -> str:
    """The path as printable ASCII, fit for one line of a log."""
    return ascii(str(path))


def decoded_frames(
    path: Path, container: InputContainer, stream: VideoStream, see: See = _ignore
) -> Generator[VideoFrame]:
    """The frames of a video, as a sequential decoder hands them out.

    A recording may begin between two key frames: what cannot be decoded before the first of them
    is no damage.

    Args:
        path: The file, for messages.
        container: The demuxer over it.
        stream: The video in it.
        see: Called with each coded picture.

    Raises:
        ClipRejected: ``VIDEO_FRAMES`` if a part of the file is damaged or missing,
            ``VIDEO_MEMORY`` if a frame needs too much.
    """
    count, begun = 0, False
    try:
        for packet in packets(path, container, stream):
            see(packet)
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
