"""Number, size and rate of a clip's frames, without decoding them where the file shows them."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stroi.stages.video.coded_order import PLACEHOLDER
from stroi.stages.video.decoder import open_video, packets
from stroi.stages.video.frame_rate import frame_rate
from stroi.stages.video.frames import MAX_FRAMES, VideoInfo
from stroi.stages.video.reader import VideoFrames, read_frames, read_times
from stroi.stages.video.selective_decoding import CONTAINERS

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
    coded = _coded_frames(video, start, stop)
    if coded is None:
        return decode_frames(video, start, stop)
    with VideoFrames(video) as frames:
        height, width = next(frames).shape[:2]
        frames.check_packets()
        fps, uneven = frame_rate(coded.times, frames.stated_rate)
        remark = "; ".join(filter(None, (frames.remark, uneven)))
        return VideoInfo(len(coded.times), width, height, fps, remark)


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


def _coded_frames(video: Path, start: int, stop: int) -> _Coded | None:
    """The frames of a whole video; None for a part, or if coded pictures may not be frames."""
    if start or stop or video.is_dir():
        return None
    with closing(open_video(video)) as opened:
        stream, codec = opened.stream, opened.stream.codec_context
        container, mpeg4 = opened.container.format.name.split(",")[0], codec.name == "mpeg4"
        if container not in CONTAINERS or codec.name not in CODECS:
            return None
        if mpeg4 and codec.has_b_frames:
            return None
        times: list[int | None] = []
        for number, packet in enumerate(packets(video, opened.container, stream)):
            if number == MAX_FRAMES or (number == 0 and not packet.is_keyframe):
                return None
            if mpeg4 and packet.size <= PLACEHOLDER:
                return None
            if not packet.is_discard:
                times.append(packet.pts)
        stamped = container != "avi"
        if not stamped and codec.has_b_frames:
            # Its times are in the order of decoding.
            times = [None] * len(times)
        seconds = np.sort(np.array(times, np.float64)) * float(stream.time_base or 0)
        return _Coded(seconds, stamped)
