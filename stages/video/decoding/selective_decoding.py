"""Decode the wanted frames of a video and only what they refer to, where that is proven.

Groups of pictures without a wanted frame are left out, and so are pictures that no other refers to
(B-frames). What is left out is not checked for damage either: it is in no result. Everything that
is not proven, and everything that does not decode, is left to the sequential decoder.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Collection, Generator, Sequence
from dataclasses import dataclass

import av
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from stroi.stages.video.decoding.coded_order import Coded, read_coded
from stroi.stages.video.decoding.opening import OpenVideo

CONTAINERS = ("avi", "mov", "matroska")
"""Containers that keep every coded picture as a packet, by FFmpeg's first name of their readers."""

CODECS = ("h264", "mjpeg", "mpeg4")
"""Codecs whose coded pictures are looked at."""

MAX_BYTES = 1 << 26
"""Largest file whose coded pictures are kept in memory."""


@dataclass(frozen=True)
class FrameOrder:
    """The frames of a video.

    Attributes:
        packets: Coded pictures as they lie in the file.
        coded: What each says of itself.
        times: Time stamps of the frames; None where there is none.
    """

    packets: Sequence[Packet[VideoStream]]
    coded: Sequence[Coded]
    times: Sequence[int | None]


class OrderError(Exception):
    """Other frames come out than the coded pictures said."""


def may_be_selective(video: OpenVideo) -> bool:
    """Whether the coded pictures of such a video can be looked at."""
    container = video.container.format.name.split(",")[0]
    small = os.fstat(video.file.fileno()).st_size <= MAX_BYTES
    return container in CONTAINERS and video.stream.codec_context.name in CODECS and small


def frame_order(video: OpenVideo) -> FrameOrder | None:
    """The frames of a video that was just opened; None if their order is not proven.

    It reads the file to its end: decode by `decode_frames`, or open the video again.
    """
    stream, codec = video.stream, video.stream.codec_context
    try:
        packets = [packet for packet in video.container.demux(stream) if packet.size]
    except (av.error.FFmpegError, OSError):
        return None
    if any(packet.is_corrupt or packet.is_discard for packet in packets):
        return None
    data = [bytes(packet) for packet in packets]
    coded = read_coded(codec.name, codec.extradata or b"", data, depth=codec.reorder_depth)
    if coded is None:
        return None
    by_frame = sorted(range(len(coded)), key=lambda number: coded[number].frame)
    times = [packets[number].pts for number in by_frame]
    if video.container.format.name == "avi" and codec.has_b_frames:
        # Its times are in the order of decoding.
        times = [None] * len(times)
    return FrameOrder(packets, coded, times)


def decode_frames(
    video: OpenVideo, order: FrameOrder, wanted: Collection[int]
) -> Generator[VideoFrame]:
    """The wanted frames, ascending.

    Args:
        video: What `order` is of.
        order: Its frames.
        wanted: Numbers of frames that are there; with 0, so that the decoder is set up as always.

    Raises:
        av.error.FFmpegError: If one cannot be decoded.
        OrderError: If other frames come out than are expected.
    """
    depth = video.stream.codec_context.reorder_depth
    starts = [number for number, coded in enumerate(order.coded) if coded.begins]
    for start, stop in itertools.pairwise([*starts, len(order.coded)]):
        group = range(start, stop)
        last = max((n for n in group if order.coded[n].frame in wanted), default=-1)
        sent = [
            number
            for number in range(start, last + 1)
            if order.coded[number].referred or order.coded[number].frame in wanted
        ]
        if not sent:
            continue
        expected = sorted(order.coded[number].frame for number in sent)
        yield from _decode(video, order, sent, expected, wanted)
        video.stream.codec_context.flush_buffers()
        # It forgets how many pictures it has to wait for.
        video.stream.codec_context.reorder_depth = depth


def _decode(
    video: OpenVideo,
    order: FrameOrder,
    sent: Sequence[int],
    expected: Sequence[int],
    wanted: Collection[int],
) -> list[VideoFrame]:
    """The wanted of the `expected` frames that the pictures `sent` become."""
    frames: list[VideoFrame] = []
    count = 0
    for packet in [*(order.packets[number] for number in sent), None]:
        for frame in video.stream.decode(packet):
            number = expected[count] if count < len(expected) else -1
            if number < 0 or order.times[number] not in (None, frame.pts):
                raise OrderError
            if number in wanted:
                frames.append(frame)
            count += 1
    if count < len(expected):
        raise OrderError
    return frames
