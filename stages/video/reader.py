"""The one video decoder: pose and crops see the same frames under the same numbers.

A frame's index is its ordinal among the frames that a sequential decoder hands out. Headers,
time stamps and seeking are never trusted for it: containers announce frames that do not decode
and stamp others out of order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from stroi.cache.errors import ClipRejected
from stroi.pipeline.index.table import tolerance
from stroi.stages.video.decoder import keep_open, open_at, printable
from stroi.stages.video.frames import FrameSource, VideoInfo
from stroi.stages.video.image_folder import FolderFrames

__all__ = ["VideoFrames", "VideoInfo", "read_frames", "read_selected"]


class VideoFrames(FrameSource):
    """The frames of a video, or of a segment of it, in decoding order.

    Args:
        path: A plain local file.
        start: First frame of the segment.
        stop: Frame after its last; 0 if it lasts to the video's end.

    Raises:
        ClipRejected: See `read_frames`.
    """

    def __init__(self, path: Path, start: int = 0, stop: int = 0) -> None:
        self._opened = open_at(path, start)
        self._sound = True
        self._capture = self._opened.capture
        declared = self._capture.get(cv2.CAP_PROP_FRAME_COUNT)
        super().__init__(
            path,
            start,
            stop,
            fps=max(0.0, float(self._capture.get(cv2.CAP_PROP_FPS))),
            declared=int(declared) if 0 < declared < 2**31 else 0,
        )
        self._read = self._opened.read

    def _step(self) -> bool:
        self._sound = self._sound and self._capture.grab()
        return self._sound

    def _pixels(self) -> NDArray[np.uint8]:
        try:
            good, frame = self._capture.retrieve()
        except (cv2.error, MemoryError):
            self._sound = False
            raise ClipRejected(
                "VIDEO_MEMORY",
                f"{printable(self._path)}: frame {self._read - 1} needs more memory than there is",
                remedy="encode the video again or leave it out",
            ) from None
        if not good or frame.dtype != np.uint8 or frame.ndim != 3:
            self._sound = False
            raise ClipRejected(
                "VIDEO_FRAMES",
                f"{printable(self._path)}: frame {self._read - 1} cannot be decoded",
                remedy="encode the video again or leave it out",
            )
        return np.asarray(frame, np.uint8)

    def _check_whole(self) -> None:
        if self._read == 0:
            raise ClipRejected(
                "VIDEO_EMPTY",
                f"{printable(self._path)}: not one frame decodes",
                remedy="fetch the file again",
            )
        if self._declared - self._read > tolerance(self._declared):
            raise ClipRejected(
                "VIDEO_FRAMES",
                f"{printable(self._path)}: {self._read} frames decode of {self._declared} declared",
                remedy="fetch the file again, or encode it again if this is all there is",
            )

    def _release(self) -> None:
        if self._stop and self._sound:
            keep_open(replace(self._opened, read=self._read))
        else:
            self._opened.close()

    def __del__(self) -> None:
        # The interpreter may be at its end: open nothing for later.
        self._sound = False
        super().__del__()


def read_frames(path: Path, start: int = 0, stop: int = 0) -> FrameSource:
    """Iterate over the frames of a clip, which is a whole video or a segment of one.

    A segment's frames are found by decoding the video from its beginning: frames before `start`
    are stepped over without being converted to pixels, and nothing from `stop` on is decoded. (The
    decoder stays open there for the video's next segment: `keep_open`.) What
    a video's header announces is therefore compared with what decodes only where the video was
    read to its end, that is without `stop`; with it, the segment alone has to be there, as whole
    as a video: it may lack `max(3, 5 %)` of its frames at the video's end and is cut there.

    Args:
        path: A plain local file: AVI, MP4/MOV, or Matroska/WebM; or a folder of numbered images,
            see `stroi.stages.video.image_folder.list_images`.
        start: First frame of the segment in the video, from 0.
        stop: Frame after its last; 0 if it lasts to the video's end.

    Returns:
        Iterator of frames, each (H, W, 3) uint8 BGR, the first of them frame `start`; its `info`
        is a `VideoInfo` of the segment at the end.

    Raises:
        ClipRejected: At once ``VIDEO_OPEN`` (missing, not a plain file, not decodable),
            ``VIDEO_EMPTY`` (0 bytes), ``VIDEO_MAGIC`` (no known container, such as a playlist),
            ``VIDEO_ROTATED`` (rotation tag), ``VIDEO_SIZE``; while iterating ``VIDEO_SIZE``
            (the size changes), ``VIDEO_FRAMES`` (a frame is damaged, or at the end fewer frames
            came than declared, beyond `max(3, 5 %)`), ``VIDEO_SEGMENT`` (the video ends before
            the segment, or within it, beyond `max(3, 5 %)` of the segment) and ``VIDEO_EMPTY``
            (no frame at all). Of a folder also ``VIDEO_NAMES`` (its images are named in different
            ways).
        ValueError: If there is no frame from `start` to `stop`.
    """
    if start < 0 or stop < 0 or 0 < stop <= start:
        raise ValueError(f"no frame from {start} to {stop}")
    return FolderFrames(path, start, stop) if path.is_dir() else VideoFrames(path, start, stop)


def read_selected(
    path: Path, indices: Sequence[int], start: int = 0, stop: int = 0
) -> dict[int, NDArray[np.uint8]]:
    """Read some frames of a clip; the others are stepped over, those after the last not read.

    Args:
        path: A plain local file, or a folder of images.
        indices: Frame indices, 0-based, counted from `start`, in any order, repeats allowed.
        start: First frame of the clip in the video.
        stop: Frame after its last; 0 if it lasts to the video's end.

    Returns:
        Frame index to frame (H, W, 3) uint8 BGR.

    Raises:
        ClipRejected: As `read_frames`; ``VIDEO_FRAMES`` too if the clip ends before the last
            of `indices`.
        ValueError: If an index is negative, or there is no frame from `start` to `stop`.
    """
    selected = {int(index) for index in indices}
    if min(selected, default=0) < 0:
        raise ValueError(f"negative frame index {min(selected)}")
    last = max(selected, default=-1)
    pictures: dict[int, NDArray[np.uint8]] = {}
    with read_frames(path, start, stop) as frames:
        for index in range(last + 1):
            if not frames.skip():
                raise ClipRejected(
                    "VIDEO_FRAMES",
                    f"{printable(path)}: frame {last} is needed, but only {index} decode",
                    remedy="estimate the clip's skeleton again from this file",
                )
            if index in selected:
                pictures[index] = frames.picture()
    return pictures
