"""Numbered videos in every container that is read, and copies of them as tools and phones make."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.stream import Disposition
from numbered import count_to, write_video

FRAMES = 40

OPTIONS: dict[str, dict[str, str]] = {
    "libx264": {"bf": "3", "sc_threshold": "0", "preset": "ultrafast"},
    "libx265": {"preset": "ultrafast", "x265-params": "log-level=none:pools=1:frame-threads=1"},
    "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8"},
    "libsvtav1": {"preset": "12", "svtav1-params": "lp=1"},
    "mpeg4": {"bf": "2", "qscale": "3"},
    "mpeg2video": {"bf": "2", "qscale": "3"},
    "mpeg1video": {"bf": "2", "qscale": "3"},
    "mjpeg": {"qscale": "3"},
    "wmv2": {"qscale": "3"},
    "msmpeg4": {"qscale": "3"},
    "flv": {"qscale": "3"},
}
"""Encoders, and options that make numbers survive and frames refer to others far away."""

_COMMON = ("libx264", "libx265", "mpeg4", "mpeg2video", "mjpeg")
MUXERS: dict[str, tuple[str, ...]] = {
    "avi": ("libx264", "mpeg4", "mpeg2video", "mjpeg", "libvpx-vp9", "libsvtav1", "wmv2"),
    "mp4": (*_COMMON, "libvpx-vp9", "libsvtav1"),
    "mov": _COMMON,
    "3gp": ("libx264", "mpeg4"),
    "matroska": (*_COMMON, "libvpx-vp9", "libsvtav1", "msmpeg4"),
    "webm": ("libvpx-vp9", "libsvtav1"),
    "mpeg": ("libx264", "libx265", "mpeg4", "mpeg2video", "mpeg1video"),
    "mpegts": ("libx264", "libx265", "mpeg4", "mpeg2video", "mpeg1video"),
    "asf": ("libx264", "mpeg4", "mpeg2video", "mjpeg", "libvpx-vp9", "wmv2", "msmpeg4"),
    "flv": ("libx264", "libx265", "libvpx-vp9", "libsvtav1", "flv"),
}
"""FFmpeg's muxers, and encoders whose videos they take."""


def write(path: Path, container: str, codec: str, **more: str) -> Path:
    """A video of 40 frames; `more` are options of the muxer."""
    return write_video(
        path,
        codec,
        count_to(FRAMES),
        options=OPTIONS[codec],
        gop=12,
        container=container,
        container_options=more,
    )


def cut_copy(source: Path, path: Path, at: int) -> Path:
    """Copy a video from frame `at` on without coding it again, as ``ffmpeg -ss -c copy`` does.

    What lies between the key frame before it and the frame has negative times.
    """
    with av.open(str(source)) as whole, av.open(str(path), "w") as part:
        video = whole.streams.video[0]
        copy = part.add_stream_from_template(video)
        shift = int(Fraction(at, 30) / video.time_base)
        whole.seek(shift, stream=video)
        for packet in whole.demux(video):
            if packet.size:
                packet.stream = copy
                packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
                part.mux(packet)
    return path


def with_orientation(source: Path, path: Path, turn: int, hflip: bool, vflip: bool) -> Path:
    """Copy a video and ask players to turn it to the left, then to mirror it."""
    with av.open(str(source)) as plain, av.open(str(path), "w") as tagged:
        video = plain.streams.video[0]
        copy = tagged.add_stream_from_template(video)
        copy.set_display_rotation(turn, hflip=hflip, vflip=vflip)
        for packet in plain.demux(video):
            if packet.size:
                packet.stream = copy
                tagged.mux(packet)
    return path


def write_with_cover(path: Path) -> Path:
    """A video of 40 frames with a cover picture, which is a video stream too."""
    plain = write(path.with_name("plain.mp4"), "mp4", "libx264")
    picture = write_video(
        path.with_name("cover.mp4"), "mjpeg", count_to(1), options={"qscale": "3"}, gop=1
    )
    with (
        av.open(str(plain)) as video,
        av.open(str(picture)) as cover,
        av.open(str(path), "w") as both,
    ):
        sources = (cover.streams.video[0], video.streams.video[0])
        copies = [both.add_stream_from_template(source) for source in sources]
        copies[0].disposition = Disposition.attached_pic
        for source, copy in zip(sources, copies, strict=True):
            for packet in source.container.demux(source):
                if packet.size:
                    packet.stream = copy
                    both.mux(packet)
    return path


def write_with_sound(path: Path, codec: str, seconds: float) -> Path:
    """A video of 40 frames whose sound goes on for `seconds`."""
    with av.open(str(path), "w") as output:
        picture = output.add_stream(codec, rate=30, options=OPTIONS[codec])
        sound = output.add_stream("mp3" if path.suffix != ".webm" else "libopus", rate=48000)
        picture.height, picture.width = count_to(1)[0].shape[:2]
        picture.pix_fmt = "yuv420p"
        for number, shown in enumerate(count_to(FRAMES)):
            frame = av.VideoFrame.from_ndarray(shown, format="bgr24")
            frame.pts, frame.time_base = number, Fraction(1, 30)
            output.mux(picture.encode(frame))
        output.mux(picture.encode(None))
        for block in range(int(48 * seconds)):
            silence = np.zeros((1, 2 * 1000), np.int16)
            heard = av.AudioFrame.from_ndarray(silence, format="s16", layout="stereo")
            heard.rate, heard.pts = 48000, 1000 * block
            output.mux(sound.encode(heard))
        output.mux(sound.encode(None))
    return path
