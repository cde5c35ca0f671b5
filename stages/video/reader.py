"""Reading clips: every stage sees the same frames under the same numbers."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from stroi.cache.errors import ClipRejected
from stroi.stages.video.decoding.decoder import printable
from stroi.stages.video.decoding.opening import OpenVideo, open_video
from stroi.stages.video.decoding.selective_decoding import (
    OrderError,
    decode_frames,
    frame_order,
    may_be_selective,
)
from stroi.stages.video.frames import FrameSource
from stroi.stages.video.image_folder import FolderFrames, check_images
from stroi.stages.video.video_frames import VideoFrames


def read_frames(path: Path, start: int = 0, stop: int = 0) -> FrameSource:
    """Iterate over the frames of a clip, which is a whole video or a segment of one.

    A segment's frames are found by decoding the video from its beginning: frames before `start`
    are stepped over without being converted to pixels, and nothing from `stop` on is decoded. (The
    decoder stays open there for the video's next segment: `keep_open`.)
    Whether the file is cut is therefore checked only where the video was read to its end, that is
    without `stop`; with it, the segment alone has to be there: it may lack `max(3, 5 %)` of its
    frames at the video's end and is cut there.

    How many frames a header announces is an estimate, which edit lists, sound that goes on after
    the picture and variable frame rates make wrong: it is not used.

    Args:
        path: A plain local file of one of `stroi.stages.video.decoding.opening.FORMATS`, whatever
            its name; or a folder of numbered images, see
            `stroi.stages.video.image_folder.list_images`.
        start: First frame of the segment in the video, from 0.
        stop: Frame after its last; 0 if it lasts to the video's end.

    Returns:
        Iterator of frames, each (H, W, 3) uint8 BGR and upright, the first of them frame `start`;
        its `info` is a `VideoInfo` of the segment at the end.

    Raises:
        ClipRejected: At once ``VIDEO_OPEN`` (missing, not a plain file, not decodable),
            ``VIDEO_EMPTY`` (0 bytes), ``VIDEO_MAGIC`` (no known container, such as a playlist),
            ``VIDEO_SIZE``; while iterating ``VIDEO_FRAMES`` (a frame is damaged, or the file is
            cut), ``VIDEO_MEMORY``, ``VIDEO_SEGMENT`` (the video ends before the segment, or
            within it, beyond `max(3, 5 %)` of the segment) and ``VIDEO_EMPTY`` (no frame at all).
            Of a folder also ``VIDEO_SIZE`` (the size changes) and ``VIDEO_NAMES`` (its images are
            named in different ways).
        ValueError: If there is no frame from `start` to `stop`.
    """
    if start < 0 or stop < 0 or 0 < stop <= start:
        raise ValueError(f"no frame from {start} to {stop}")
    return FolderFrames(path, start, stop) if path.is_dir() else VideoFrames(path, start, stop)


class SelectedFrames(dict[int, NDArray[np.uint8]]):
    """Frame index to frame (H, W, 3) uint8 BGR, upright.

    Args:
        count: How many frames there will be.

    Attributes:
        remark: As that of `VideoInfo`, up to the last of them.
        variable_rate: Whether the frame rate varies up to there.
    """

    remark: str = ""
    variable_rate: bool = False

    def __init__(self, count: int) -> None:
        super().__init__()
        self._count = count
        self._block: NDArray[np.uint8] | None = None

    def keep(self, index: int, frame: NDArray[np.uint8]) -> None:
        """Take one frame in."""
        # One block for all: the allocator hands several frames back to the system, and each of
        # their pages is given anew for the next clip (benchmarks/segments.py).
        if self._block is None:
            self._block = np.empty((self._count, *frame.shape), np.uint8)
        place = self._block[len(self)]
        place[:] = frame
        self[index] = place


def read_selected(
    path: Path, indices: Sequence[int], start: int = 0, stop: int = 0
) -> SelectedFrames:
    """Read some frames of a clip; the others are stepped over, those after the last not read.

    Of a whole video the others are not even decoded, where
    `stroi.stages.video.decoding.coded_order` proves which frames the wanted ones refer to.

    Args:
        path: A plain local file, or a folder of images.
        indices: Frame indices, 0-based, counted from `start`, in any order, repeats allowed.
        start: First frame of the clip in the video.
        stop: Frame after its last; 0 if it lasts to the video's end.

    Returns:
        The frames by their indices.

    Raises:
        ClipRejected: As `read_frames`; ``VIDEO_FRAMES`` too if the clip ends before the last
            of `indices`.
        ValueError: If an index is negative, or there is no frame from `start` to `stop`.
    """
    selected = {int(index) for index in indices}
    if min(selected, default=0) < 0:
        raise ValueError(f"negative frame index {min(selected)}")
    last = max(selected, default=-1)
    opened: OpenVideo | None = None
    if selected and not (start or stop or path.is_dir()):
        opened = open_video(path)
        if may_be_selective(opened):
            found = _decode_selectively(path, opened, selected)
            if found is not None:
                return found
            opened = None
    pictures = SelectedFrames(len(selected))
    with VideoFrames(path, opened=opened) if opened else read_frames(path, start, stop) as frames:
        for index in range(last + 1):
            if not frames.skip():
                raise ClipRejected(
                    "VIDEO_FRAMES",
                    f"{printable(path)}: frame {last} is needed, but only {index} decode",
                    remedy="estimate the clip's skeleton again from this file",
                )
            if index in selected:
                pictures.keep(index, frames.picture())
        pictures.remark = frames.remark
        pictures.variable_rate = bool(frames.variable_rate)
    return pictures


def _decode_selectively(
    path: Path, opened: OpenVideo, selected: Collection[int]
) -> SelectedFrames | None:
    """Some frames of a whole video; None if it has to be read from its beginning."""
    order, last = frame_order(opened), max(selected)
    if order is None or last >= len(order.coded):
        opened.close()
        return None
    # With the first frame: it gives the size that the others are scaled to.
    wanted = {0, *selected}
    decoded = replace(opened, frames=decode_frames(opened, order, wanted))
    pictures = SelectedFrames(len(selected))
    with VideoFrames(path, opened=decoded) as frames:
        try:
            for number in sorted(wanted):
                frames.skip()
                if number in selected:
                    pictures.keep(number, frames.picture())
        except (av.error.FFmpegError, MemoryError, OrderError):
            # The sequential decoder meets it too, and says where and what it is.
            return None
        pictures.remark, pictures.variable_rate = frames.remark_until(order.times[: last + 1])
    return pictures


def read_times(path: Path, start: int = 0, stop: int = 0) -> NDArray[np.float64]:
    """When each frame of a clip is shown, in s.

    All frames are decoded: time stamps of frames that do not decode would shift the others.

    Args:
        path: A plain local file, or a folder of images; those are one after another in equal steps.
        start: First frame of the clip in the video.
        stop: Frame after its last; 0 if it lasts to the video's end.

    Returns:
        (T,) float64, ascending.

    Raises:
        ClipRejected: As `read_frames`; ``VIDEO_TIMES`` too if the file does not say it.
    """
    with read_frames(path, start, stop) as frames:
        while frames.skip():
            pass
        return frames.times()


def check_clip(path: Path) -> None:
    """Check a video as far as that is possible without decoding it: by its first frame and packets.

    Args:
        path: A file or a folder of images.

    Raises:
        ClipRejected: What `read_frames` would raise, as far as it shows.
    """
    if path.is_dir():
        check_images(path)
        return
    with VideoFrames(path) as frames:
        if frames.skip():
            frames.picture()
            frames.check_packets()
