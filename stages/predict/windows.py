"""A long video as overlapping windows: decoded once, in memory that its length does not change.

A window is a clip of the frames from `start` to before `stop`: its people are tracked and chosen,
and its mosaic is cut, by the functions that do it for a clip of the index.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stroi.cache.errors import ClipRejected, ParamsError
from stroi.pipeline.params.profile import MosaicParams
from stroi.stages.mosaic.cut import cut_mosaic
from stroi.stages.mosaics import check_not_black
from stroi.stages.pose.detections import Detections
from stroi.stages.pose.registry import load
from stroi.stages.pose.source import PoseSourcePlan
from stroi.stages.pose.tracking.tracking import FPS
from stroi.stages.predict.clips import VideoClip
from stroi.stages.skeletons import choose_people
from stroi.stages.video.clip_input import ClipInput
from stroi.stages.video.frame_count import count_frames
from stroi.stages.video.frame_sampling import mosaic_frames
from stroi.stages.video.frames import VideoInfo
from stroi.stages.video.reader import read_frames

OnFrame = Callable[[int, NDArray[np.uint8]], None]


@dataclass(frozen=True)
class Grid:
    """Where the windows of a video are.

    Attributes:
        frames: Frames of the video, by its coded pictures.
        fps: Frames per second; 30 if unknown.
        length: Frames of a window.
        stride: Frames from one window to the next.
        width: Of a frame, px.
        height: Of a frame, px.
    """

    frames: int
    fps: float
    length: int
    stride: int
    width: int
    height: int

    @property
    def count(self) -> int:
        """Windows of the video."""
        return 1 + max(0, self.frames - self.length) // self.stride

    def middle(self, number: int) -> tuple[int, int]:
        """First frame that a window's answer stands for, and the frame after the last.

        Those nearest to its middle; the first window has those before, the last those behind.
        """
        first = number * self.stride + (self.length - self.stride) // 2
        start = 0 if number == 0 else first
        stop = self.frames if number == self.count - 1 else first + self.stride
        return max(0, start), stop


@dataclass(frozen=True)
class Window:
    """One window.

    Attributes:
        number: Its number, from 0.
        start: First frame.
        stop: Frame after the last.
        clip: What the networks see; None if it shows nobody.
        reason: Why there is no clip.
    """

    number: int
    start: int
    stop: int
    clip: VideoClip | None
    reason: ClipRejected | None = None


def window_grid(video: Path, window: float, stride: float) -> Grid:
    """The windows of a video; one that is shorter than a window is one window.

    Args:
        video: The video.
        window: Length of a window in s.
        stride: Time from one window to the next in s.

    Raises:
        ParamsError: ``PREDICT_WINDOW`` if the stride is shorter than a frame, or longer than the
            window.
        ClipRejected: If the video cannot be read.
    """
    info = count_frames(video)
    fps = info.fps if 1 <= info.fps <= 1000 else FPS
    length, step = round(window * fps), round(stride * fps)
    if not 1 <= step <= length:
        raise ParamsError(
            "PREDICT_WINDOW",
            f"--window {window:g}s and --stride {stride:g}s are {length} and {step} frames at"
            f" {fps:g} frames per second",
            remedy="give a stride of at least a frame and at most the window",
        )
    return Grid(info.frames, fps, min(length, info.frames), step, info.width, info.height)


def read_windows(
    video: Path,
    grid: Grid,
    plan: PoseSourcePlan,
    params: MosaicParams,
    on_frame: OnFrame | None = None,
) -> Iterator[Window]:
    """The windows of a video in order, each as soon as its last frame is read.

    Frames are counted, also where `sample_by` is ``time``: in a video of a constant rate that is
    the same.

    Args:
        video: The video.
        grid: Its windows.
        plan: Where the people come from; every frame is processed.
        params: Of the mosaics.
        on_frame: Gets every frame with its number, (H, W, 3) BGR.

    Raises:
        ClipRejected: If the video cannot be decoded, or has fewer frames than its first window.
    """
    estimator, plan = load(plan.params), replace(plan, needed=None)
    offsets = mosaic_frames(grid.length, params)
    people: deque[NDArray[np.float32]] = deque(maxlen=grid.length)
    pictures: dict[int, NDArray[np.uint8]] = {}
    with read_frames(video) as frames:
        number = 0
        for at, frame in enumerate(frames):
            people.append(estimator(frame))
            if on_frame is not None:
                on_frame(at, frame)
            if ((at - offsets) % grid.stride == 0).any():
                pictures[at] = frame
            start = number * grid.stride
            if at + 1 == start + grid.length:
                height, width = frame.shape[:2]
                info = VideoInfo(grid.length, width, height, frames.stated_rate, frames.remark)
                detections = Detections.of_frames(list(people), info)
                yield _window(video, number, start, grid, plan, params, detections, pictures)
                number += 1
                for old in [old for old in pictures if old < number * grid.stride]:
                    del pictures[old]
    if number == 0:
        raise ClipRejected(
            "VIDEO_FRAMES",
            f"{video.name!a}: only {len(people)} of {grid.frames} frames decode",
            remedy="fetch the video again, or leave --window out",
        )


def _window(
    video: Path,
    number: int,
    start: int,
    grid: Grid,
    plan: PoseSourcePlan,
    params: MosaicParams,
    detections: Detections,
    pictures: dict[int, NDArray[np.uint8]],
) -> Window:
    stop = start + grid.length
    clip = ClipInput(f"{start:06d}", video.parent, video.name, "", {}, start, stop)
    try:
        skeleton = choose_people(detections, clip, plan)
        frame_index = mosaic_frames(grid.length, params)
        shown = {at: pictures[start + at] for at in set(frame_index.tolist())}
        cut = cut_mosaic(shown, skeleton.clip, frame_index, params)
        check_not_black(cut, params)
    except ClipRejected as reason:
        return Window(number, start, stop, None, reason)
    most = int(detections.counts.max())
    return Window(
        number, start, stop,
        VideoClip(clip.id, skeleton.clip, cut, most, skeleton.remark, start),
    )  # fmt: skip
