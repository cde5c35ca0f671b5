"""Videos whose every part shows the number of its frame, in codecs that make counting hard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType

import av
import cv2
import numpy as np
from av.video.frame import PictureType
from numpy.typing import NDArray

BLOCK, ACROSS, DOWN = 8, 4, 2
TILE = (BLOCK * ACROSS, BLOCK * DOWN)
"""Width and height in px of the tile that shows a number below 256, repeated over the frame."""

SIZE = (10 * TILE[0], 10 * TILE[1])
"""Width and height of a frame in px."""

Picture = NDArray[np.uint8]


def numbered(number: int) -> Picture:
    """A frame (H, W, 3) that shows its number in black and white, lowest bit first."""
    bits = np.array([(number >> bit) & 1 for bit in range(ACROSS * DOWN)], np.uint8)
    tile = (bits.reshape(DOWN, ACROSS) * 220 + 16).astype(np.uint8)
    tile = tile.repeat(BLOCK, axis=0).repeat(BLOCK, axis=1)
    return np.repeat(np.tile(tile, (10, 10))[..., None], 3, axis=2)


def count_to(count: int) -> list[Picture]:
    """Frames 0 to `count` - 1."""
    return [numbered(number) for number in range(count)]


def number_of(picture: Picture) -> int:
    """The number that a tile, or whole tiles side by side, show."""
    tile = picture[: TILE[1], : TILE[0]].mean(axis=2)
    means = tile.reshape(DOWN, BLOCK, ACROSS, BLOCK).mean(axis=(1, 3)).ravel()
    return int(sum(1 << bit for bit in range(ACROSS * DOWN) if means[bit] > 126))


def write_video(
    path: Path,
    codec: str,
    pictures: Sequence[Picture],
    *,
    options: Mapping[str, str],
    gop: int,
    steps: Sequence[int] = (1,),
    turn: int = 0,
    container: str | None = None,
    container_options: Mapping[str, str] = MappingProxyType({}),
) -> Path:
    """Encode a video.

    Args:
        path: The file; its suffix tells the container, if `container` does not.
        codec: Name of FFmpeg's encoder.
        pictures: Frames, (H, W, 3) uint8 BGR.
        options: Options of the encoder.
        gop: Frames from one key frame to the next.
        steps: Ticks of 1/30 s between frames, taken in turn.
        turn: Degrees by which players are asked to turn the frames to the left; they are stored
            turned to the right.
        container: FFmpeg's name of the muxer.
        container_options: Its options.
    """
    pictures = [np.rot90(picture, -turn // 90) for picture in pictures]
    with av.open(str(path), "w", format=container, options=dict(container_options)) as output:
        stream = output.add_stream(codec, rate=30, options=dict(options))
        stream.height, stream.width = pictures[0].shape[:2]
        if turn:
            stream.set_display_rotation(turn)
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        stream.gop_size = gop
        stream.time_base = stream.codec_context.time_base = Fraction(1, 30)
        time = 0
        for number, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="bgr24")
            frame.pts = time
            time += steps[number % len(steps)]
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return path


def kinds_of_frames(path: Path) -> str:
    """A letter for every frame of a video: I, P or B."""
    with av.open(str(path)) as container:
        return "".join(PictureType(frame.pict_type).name for frame in container.decode(video=0))


def still(path: Path, number: int) -> Path:
    """One numbered frame as an image file."""
    cv2.imwrite(str(path), numbered(number))
    return path
