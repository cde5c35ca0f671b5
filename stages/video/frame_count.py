"""Number, size and rate of a clip's frames, without decoding them where the file shows them."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from av.packet import Packet
from av.video.stream import VideoStream
from numpy.typing import NDArray

from stroi.stages.video.decoding.coded_order import PLACEHOLDER
from stroi.stages.video.decoding.decoder import decoded_frames, packets
from stroi.stages.video.decoding.opening import OpenVideo, open_video
from stroi.stages.video.decoding.selective_decoding import CONTAINERS
from stroi.stages.video.frame_rate import frame_rate
from stroi.stages.video.frames import MAX_FRAMES, VideoInfo
from stroi.stages.video.reader import read_frames, read_times
from stroi.stages.video.video_frames import VideoFrames

CODECS = ("h264", "hevc", "mjpeg", "mpeg4")
"""Codecs of which such a packet is one frame."""


def count_frames(video: Path, start: int = 0, stop: int = 0) -> VideoInfo:
    """Frames and size of a clip: by its coded pictures where each is a frame, else by decoding.

    What does not show without decoding, such as damage inside a picture, is left to the stage that
    decodes.

    Args:
        video: The video.
        start: First frame of the clip in the video.
        stop: Frame after its last; 0 if it lasts to the end.

    Raises:
        ClipRejected: As `stroi.stages.video.reader.read_frames`.
    """
    found = None if start or stop or video.is_dir() else _count_coded(video)
    return found or decode_frames(video, start, stop)


def frame_times(video: Path, start: int = 0, stop: int = 0) -> NDArray[np.float64]:
    """When each frame of a clip is shown, in s; as `read_times`, but not decoded where that can be.

    Args:
        video: The video.
        start: First frame of the clip in the video.
        stop: Frame after its last; 0 if it lasts to the end.

    Returns:
        (T,) float64, ascending.

    Raises:
        ClipRejected: As `stroi.stages.video.reader.read_times`.
    """
    coded = _coded_frames(video, start, stop)
    if coded is not None and not coded.stamped:
        return np.arange(len(coded.times), dtype=np.float64)
    if coded is None or not (np.diff(coded.times) > 0).all():
        return read_times(video, start, stop)
    return coded.times


def decode_frames(video: Path, start: int = 0, stop: int = 0) -> VideoInfo:
    """Frames and size of a clip, by decoding it.

    Raises:
        ClipRejected: As `stroi.stages.video.reader.read_frames`.
    """
    with read_frames(video, start, stop) as frames:
        if frames.skip():
            frames.picture()
        while frames.skip():
            pass
        return frames.info


class _Coded(NamedTuple):
    """The frames of a video by its coded pictures: times (T,) in s, NaN if unknown, ascending."""

    times: NDArray[np.float64]
    stamped: bool
    """Whether the container keeps times."""


def _count_coded(video: Path) -> VideoInfo | None:
    """Frames and size of a whole video; None if its coded pictures may not be frames."""
    opened = open_video(video)
    pictures = _Pictures(opened)
    if not pictures.fit:
        opened.close()
        return None
    decoded = decoded_frames(video, opened.container, opened.stream, pictures.see)
    with VideoFrames(video, opened=replace(opened, frames=decoded)) as frames:
        height, width = next(frames).shape[:2]
        frames.check_packets(pictures.see)
        coded = pictures.frames()
        if coded is None:
            return None
        fps, uneven = frame_rate(coded.times, frames.stated_rate)
        remark = "; ".join(filter(None, (frames.remark, uneven)))
        return VideoInfo(len(coded.times), width, height, fps, remark)


def _coded_frames(video: Path, start: int, stop: int) -> _Coded | None:
    """The frames of a whole video; None for a part, or if coded pictures may not be frames."""
    if start or stop or video.is_dir():
        return None
    with closing(open_video(video)) as opened:
        pictures = _Pictures(opened)
        if not pictures.fit:
            return None
        for packet in packets(video, opened.container, opened.stream):
            pictures.see(packet)
        return pictures.frames()


class _Pictures:
    """The coded pictures of a video."""

    def __init__(self, opened: OpenVideo) -> None:
        codec = opened.stream.codec_context
        container = opened.container.format.name.split(",")[0]
        self._mpeg4 = codec.name == "mpeg4"
        self._reorders = codec.has_b_frames
        self._stamped = container != "avi"
        self._tick = float(opened.stream.time_base or 0)
        self._times: list[int | None] = []
        self._count = 0
        self.fit = container in CONTAINERS and codec.name in CODECS
        """Whether each seen so far is a frame."""
        self.fit &= not (self._mpeg4 and self._reorders)

    def see(self, packet: Packet[VideoStream]) -> None:
        """Take the next one."""
        first, placeholder = self._count == 0, self._mpeg4 and packet.size <= PLACEHOLDER
        self._count += 1
        self.fit &= not placeholder and self._count <= MAX_FRAMES
        self.fit &= packet.is_keyframe or not first
        if not packet.is_discard:
            self._times.append(packet.pts)

    def frames(self) -> _Coded | None:
        """The frames, if each was one."""
        if not self.fit:
            return None
        times = self._times
        if not self._stamped and self._reorders:
            # Its times are in the order of decoding.
            times = [None] * len(times)
        return _Coded(np.sort(np.array(times, np.float64)) * self._tick, self._stamped)
