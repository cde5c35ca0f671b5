"""The one video decoder: pose and crops see the same frames under the same numbers.

A frame's index is its ordinal among the frames that a sequential decoder hands out. Headers,
time stamps and seeking are never trusted for it: containers announce frames that do not decode
and stamp others out of order.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from stroi.cache.errors import ClipRejected
from stroi.stages.memory import memory_budget
from stroi.stages.video_opening import open_video, shown

MAX_FRAMES = 500_000
"""Most frames of a clip; four and a half hours at 30 frames per second."""


@dataclass(frozen=True)
class VideoInfo:
    """What a full pass over a video found.

    Attributes:
        frames: Frames that decode, T.
        width: Frame width in px.
        height: Frame height in px.
        fps: Frames per second by the header; 0 where it names none.
        declared: Frames that the header announces; 0 where it announces none.
    """

    frames: int
    width: int
    height: int
    fps: float
    declared: int


class Frames(Iterator[NDArray[np.uint8]]):
    """Every frame of a video in decoding order, each (H, W, 3) uint8 BGR.

    Closes itself after the last frame; a caller that stops early uses it as a context manager.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd, self._capture = open_video(path)
        self._count = 0
        self._shape: tuple[int, ...] = ()
        self._fps = max(0.0, float(self._capture.get(cv2.CAP_PROP_FPS)))
        declared = self._capture.get(cv2.CAP_PROP_FRAME_COUNT)
        self._declared = int(declared) if 0 < declared < 2**31 else 0
        self._budget = _frame_budget(self._capture)
        self._open = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __next__(self) -> NDArray[np.uint8]:
        """Return the next frame, (H, W, 3) uint8 BGR.

        Raises:
            ClipRejected: See `read_frames`.
        """
        if not self.skip():
            raise StopIteration
        return self.picture()

    def skip(self) -> bool:
        """Step to the next frame without converting it to pixels; False after the last.

        Raises:
            ClipRejected: ``VIDEO_EMPTY`` or ``VIDEO_FRAMES`` at the end of the video.
        """
        if not self._open:
            return False
        with self._memory():
            if self._capture.grab():
                self._count += 1
                return self._below_limit()
        self.close()
        _check_count(self._path, self._count, self._declared)
        return False

    def picture(self) -> NDArray[np.uint8]:
        """Pixels of the frame last stepped to, (H, W, 3) uint8 BGR.

        Raises:
            ClipRejected: ``VIDEO_FRAMES`` if it cannot be decoded, ``VIDEO_SIZE`` if its size
                is out of range or differs from the earlier frames'.
        """
        index = self._count - 1
        with self._memory():
            good, frame = self._capture.retrieve()
        if not good or frame.dtype != np.uint8 or frame.ndim != 3:
            raise ClipRejected(
                "VIDEO_FRAMES",
                f"{shown(self._path)}: frame {index} cannot be decoded",
                remedy="encode the video again or leave it out",
            )
        if frame.shape != (self._shape or frame.shape):
            raise ClipRejected(
                "VIDEO_SIZE",
                f"{shown(self._path)}: frame {index} is {frame.shape[1]} x {frame.shape[0]} px, "
                f"the frames before {self._shape[1]} x {self._shape[0]} px",
                remedy="encode the video again with one frame size",
            )
        self._shape = frame.shape
        return np.asarray(frame, np.uint8)

    @contextmanager
    def _memory(self) -> Iterator[None]:
        """A frame's memory: pictures far larger than the header says would take any amount."""
        try:
            with memory_budget(self._budget):
                yield
        except (cv2.error, MemoryError):
            raise ClipRejected(
                "VIDEO_MEMORY",
                f"{shown(self._path)}: frame {self._count} needs more memory than frames of the"
                " header's size do",
                remedy="encode the video again or leave it out",
            ) from None

    def _below_limit(self) -> bool:
        if self._count > MAX_FRAMES:
            raise ClipRejected(
                "VIDEO_FRAMES",
                f"{shown(self._path)}: more than {MAX_FRAMES} frames",
                remedy="cut it into clips",
            )
        return True

    @property
    def info(self) -> VideoInfo:
        """What the full pass found.

        Raises:
            RuntimeError: If frames are still to come, or none was converted to pixels.
        """
        if self._open or not self._shape:
            raise RuntimeError("VideoInfo is known after a full pass over the frames only")
        height, width = self._shape[:2]
        return VideoInfo(self._count, width, height, self._fps, self._declared)

    def close(self) -> None:
        """Let go of the file; harmless when done twice."""
        if self._open:
            self._open = False
            self._capture.release()
            os.close(self._fd)

    def __del__(self) -> None:
        if getattr(self, "_open", False):
            self.close()


def read_frames(path: Path) -> Frames:
    """Iterate over every frame of a video.

    Args:
        path: A plain local file: AVI, MP4/MOV, or Matroska/WebM.

    Returns:
        Iterator of frames, each (H, W, 3) uint8 BGR; its `info` is a `VideoInfo` at the end.

    Raises:
        ClipRejected: At once ``VIDEO_OPEN`` (missing, not a plain file, not decodable),
            ``VIDEO_EMPTY`` (0 bytes), ``VIDEO_MAGIC`` (no known container, such as a playlist),
            ``VIDEO_ROTATED`` (rotation tag), ``VIDEO_SIZE``; while iterating ``VIDEO_SIZE``
            (the size changes), ``VIDEO_FRAMES`` (a frame is damaged, or at the end fewer frames
            came than declared, beyond `max(3, 5 %)`) and ``VIDEO_EMPTY`` (no frame at all).
    """
    return Frames(path)


def read_selected(path: Path, wanted: Sequence[int]) -> dict[int, NDArray[np.uint8]]:
    """Read some frames of a video; the others are stepped over, those after the last not read.

    Args:
        path: A plain local file.
        wanted: Frame indices, 0-based, in any order, repeats allowed.

    Returns:
        Frame index to frame (H, W, 3) uint8 BGR.

    Raises:
        ClipRejected: As `read_frames`; ``VIDEO_FRAMES`` too if the video ends before the last
            wanted frame.
        ValueError: If an index is negative.
    """
    left = sorted({int(index) for index in wanted})
    if left and left[0] < 0:
        raise ValueError(f"negative frame index {left[0]}")
    chosen = set(left)
    found: dict[int, NDArray[np.uint8]] = {}
    with read_frames(path) as frames:
        for index in range(left[-1] + 1 if left else 0):
            if not frames.skip():
                raise ClipRejected(
                    "VIDEO_FRAMES",
                    f"{shown(path)}: frame {left[-1]} is wanted, but only {index} decode",
                    remedy="estimate the clip's skeleton again from this very file",
                )
            if index in chosen:
                found[index] = frames.picture()
    return found


def _frame_budget(capture: cv2.VideoCapture) -> int:
    """Bytes that one step of the decoder may take: some frames, at 16 bytes a pixel."""
    width = capture.get(cv2.CAP_PROP_FRAME_WIDTH)
    height = capture.get(cv2.CAP_PROP_FRAME_HEIGHT)
    return 64 * 2**20 + 16 * int(width * height)


def _check_count(path: Path, decoded: int, declared: int) -> None:
    """Few missing frames are normal (B-frames in AVI), many mean damage or a lying header."""
    if decoded == 0:
        raise ClipRejected(
            "VIDEO_EMPTY", f"{shown(path)}: not one frame decodes", remedy="fetch the file again"
        )
    if declared - decoded > max(3, 0.05 * declared):
        raise ClipRejected(
            "VIDEO_FRAMES",
            f"{shown(path)}: {decoded} frames decode of {declared} declared",
            remedy="fetch the file again, or encode it again if this is all there is",
        )
