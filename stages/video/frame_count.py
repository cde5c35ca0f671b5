"""Number, size and rate of a clip's frames, without decoding them where the file shows them."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stroi.stages.video.decoder import open_video, packets
from stroi.stages.video.frame_rate import frame_rate
from stroi.stages.video.frames import MAX_FRAMES, VideoInfo
from stroi.stages.video.reader import VideoFrames, read_frames

CONTAINERS = ("avi", "mov", "matroska")
"""Containers that keep every coded picture as a packet, by FFmpeg's first name of their readers."""

CODECS = ("h264", "hevc", "mjpeg", "mpeg4")
"""Codecs of which such a packet is one frame."""

PLACEHOLDER = 16
"""Largest MPEG-4 packet, in bytes, that may stand for a frame which is coded with another one."""


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
    times = None if start or stop or video.is_dir() else _times_of_packets(video)
    if times is None:
        return decode_frames(video, start, stop)
    with VideoFrames(video) as frames:
        height, width = next(frames).shape[:2]
        frames.check_packets()
        fps, uneven = frame_rate(times, frames.stated_rate)
        remark = "; ".join(filter(None, (frames.remark, uneven)))
        return VideoInfo(len(times), width, height, fps, remark)


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


def _times_of_packets(video: Path) -> NDArray[np.float64] | None:
    """(T,) s at which the frames are shown, NaN if unknown; None if packets may not be frames."""
    with closing(open_video(video)) as opened:
        stream, codec = opened.stream, opened.stream.codec_context
        if opened.container.format.name.split(",")[0] not in CONTAINERS or codec.name not in CODECS:
            return None
        simple = codec.name != "mpeg4"
        if not (simple or codec.has_b_frames == 0):
            return None
        times: list[int | None] = []
        for number, packet in enumerate(packets(video, opened.container, stream)):
            if number == MAX_FRAMES or (number == 0 and not packet.is_keyframe):
                return None
            if not simple and packet.size <= PLACEHOLDER:
                return None
            if not packet.is_discard:
                times.append(packet.pts)
        return np.sort(np.array(times, np.float64)) * float(stream.time_base or 0)
