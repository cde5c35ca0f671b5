"""The one video decoder: pose and crops see the same frames under the same numbers.

A frame's index is its ordinal among the frames that a sequential decoder hands out. Headers,
time stamps and seeking are never trusted for it: containers announce frames that do not decode
and stamp others out of order.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from stroi.cache.errors import ClipRejected
from stroi.stages.frame_folder import FolderFrames
from stroi.stages.frame_source import FrameSource, VideoInfo
from stroi.stages.memory import memory_budget
from stroi.stages.video_opening import open_video, shown

__all__ = ["Frames", "VideoInfo", "read_frames", "read_selected"]


class Frames(FrameSource):
    """Every frame of a video in decoding order.

    Args:
        path: A plain local file.

    Raises:
        ClipRejected: See `read_frames`.
    """

    def __init__(self, path: Path) -> None:
        self._fd, self._capture = open_video(path)
        declared = self._capture.get(cv2.CAP_PROP_FRAME_COUNT)
        super().__init__(
            path,
            fps=max(0.0, float(self._capture.get(cv2.CAP_PROP_FPS))),
            declared=int(declared) if 0 < declared < 2**31 else 0,
        )
        self._budget = _frame_budget(self._capture)

    def _step(self) -> bool:
        with self._memory():
            if self._capture.grab():
                return True
        self.close()
        _check_count(self._path, self._count, self._declared)
        return False

    def _pixels(self) -> NDArray[np.uint8]:
        with self._memory():
            good, frame = self._capture.retrieve()
        if not good or frame.dtype != np.uint8 or frame.ndim != 3:
            raise ClipRejected(
                "VIDEO_FRAMES",
                f"{shown(self._path)}: frame {self._count - 1} cannot be decoded",
                remedy="encode the video again or leave it out",
            )
        return np.asarray(frame, np.uint8)

    def _release(self) -> None:
        self._capture.release()
        os.close(self._fd)

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


def read_frames(path: Path) -> FrameSource:
    """Iterate over every frame of a clip.

    Args:
        path: A plain local file: AVI, MP4/MOV, or Matroska/WebM; or a folder of numbered images,
            see `stroi.stages.frame_folder.list_images`.

    Returns:
        Iterator of frames, each (H, W, 3) uint8 BGR; its `info` is a `VideoInfo` at the end.

    Raises:
        ClipRejected: At once ``VIDEO_OPEN`` (missing, not a plain file, not decodable),
            ``VIDEO_EMPTY`` (0 bytes), ``VIDEO_MAGIC`` (no known container, such as a playlist),
            ``VIDEO_ROTATED`` (rotation tag), ``VIDEO_SIZE``; while iterating ``VIDEO_SIZE``
            (the size changes), ``VIDEO_FRAMES`` (a frame is damaged, or at the end fewer frames
            came than declared, beyond `max(3, 5 %)`) and ``VIDEO_EMPTY`` (no frame at all). Of a
            folder also ``VIDEO_NAMES`` (its images are named in different ways).
    """
    return FolderFrames(path) if path.is_dir() else Frames(path)


def read_selected(path: Path, wanted: Sequence[int]) -> dict[int, NDArray[np.uint8]]:
    """Read some frames of a video; the others are stepped over, those after the last not read.

    Args:
        path: A plain local file, or a folder of images.
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
