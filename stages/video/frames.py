"""The interface of every source of frames, a video or a folder of images."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from stroi.cache.errors import ClipRejected
from stroi.pipeline.index.table import tolerance
from stroi.stages.video.decoding.decoder import printable
from stroi.stages.video.orientation import UPRIGHT, Orientation

MAX_FRAMES = 500_000
"""Most frames of a video; four and a half hours at 30 frames per second."""


@dataclass(frozen=True)
class VideoInfo:
    """The result of a full pass over a video, or over a segment of it.

    Attributes:
        frames: Frames of the segment that decode, T.
        width: Width of the upright frame in px.
        height: Its height in px.
        fps: Frames per second; 0 where unknown.
        remark: What a user should know of these frames, such as that they were turned; or nothing.
    """

    frames: int
    width: int
    height: int
    fps: float
    remark: str = ""


class FrameSource(Iterator[NDArray[np.uint8]]):
    """The frames of a clip in order, each (H, W, 3) uint8 BGR and upright.

    Closes itself after the last frame; a caller that stops early uses it as a context manager.

    Args:
        path: The video or folder.
        start: First frame of the clip in the video, from 0; those before are stepped over.
        stop: Frame after its last, which is not read; 0 if it lasts to the video's end.
        fps: Frames per second by the header, 0 if unknown.

    Raises:
        ValueError: If there is no frame from `start` to `stop`.
    """

    def __init__(self, path: Path, start: int = 0, stop: int = 0, *, fps: float = 0.0) -> None:
        self._path = path
        self._start, self._stop = start, stop
        self._fps = fps
        self._orientation = UPRIGHT
        self._read = 0
        self._shape: tuple[int, ...] = ()
        self._open = True

    @abstractmethod
    def _step(self) -> bool:
        """Step to the next frame; False after the last."""

    @abstractmethod
    def _pixels(self) -> NDArray[np.uint8]:
        """Pixels (H, W, 3) of the frame last stepped to."""

    def _upright(self, picture: NDArray[np.uint8], orientation: Orientation) -> NDArray[np.uint8]:
        """Turn a picture as its file asks, and keep that for the remark."""
        if orientation == UPRIGHT:
            return picture
        self._orientation = orientation
        return orientation.apply(picture)

    def _check_whole(self) -> None:
        """Check that nothing is missing, after the last frame of the video has been read."""

    def _size_remark(self) -> str:
        """What there is to say of the frames' sizes."""
        return ""

    def _rate(self) -> tuple[float, str]:
        """Frames per second, and what there is to say of that."""
        return self._fps, ""

    @abstractmethod
    def _release(self) -> None:
        """Release the resources; called once."""

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
            ClipRejected: See `stroi.stages.video.reader.read_frames`.
        """
        if not self.skip():
            raise StopIteration
        return self.picture()

    def skip(self) -> bool:
        """Step to the next frame without converting it to pixels; False after the last.

        Raises:
            ClipRejected: ``VIDEO_EMPTY``, ``VIDEO_FRAMES`` or ``VIDEO_SEGMENT`` at the end of the
                clip, ``VIDEO_FRAMES`` too beyond `MAX_FRAMES` of the video.
        """
        while self._open and self._read < self._start:
            self._advance()
        if self._stop and self._read >= self._stop:
            self.close()
        return self._open and self._advance()

    def _advance(self) -> bool:
        if not self._step():
            try:
                self._check_end()
            finally:
                self.close()
            return False
        self._read += 1
        if self._read > MAX_FRAMES:
            raise ClipRejected(
                "VIDEO_FRAMES",
                f"{printable(self._path)}: more than {MAX_FRAMES} frames",
                remedy="cut it into clips",
            )
        return True

    def _check_end(self) -> None:
        """The video has ended: check the file, and the clip's bounds against what decoded."""
        if self._read == 0 or not self._stop:
            self._check_whole()
        expected = self._stop - self._start if self._stop else 0
        decoded = self._read - self._start
        if decoded <= 0 or expected - decoded > tolerance(expected):
            last = f"to {self._stop - 1}" if self._stop else "on"
            raise ClipRejected(
                "VIDEO_SEGMENT",
                f"{printable(self._path)}: the clip is frames {self._start} {last} of the video, of"
                f" which only {self._read} decode",
                remedy="correct the clip's first and last frame, or fetch the video again",
            )

    def picture(self) -> NDArray[np.uint8]:
        """Pixels of the frame last stepped to, (H, W, 3) uint8 BGR.

        Raises:
            ClipRejected: ``VIDEO_FRAMES`` if it cannot be decoded, ``VIDEO_SIZE`` if its size
                is out of range or differs from the earlier frames'.
        """
        frame = self._pixels()
        if frame.shape != (self._shape or frame.shape):
            raise other_size(self._path, self._read - 1, frame.shape[1::-1], self._shape[1::-1])
        self._shape = frame.shape
        return frame

    def times(self) -> NDArray[np.float64]:
        """When each frame read up to now is shown, in s; ascending.

        Raises:
            ClipRejected: ``VIDEO_TIMES`` if the file does not say it.
        """
        return np.arange(self._read - self._start, dtype=np.float64)

    @property
    def stated_rate(self) -> float:
        """Frames per second by the header; 0 if unknown."""
        return self._fps

    @property
    def variable_rate(self) -> str:
        """How far the frame rate of the frames read up to now varies; empty if it does not."""
        return self._rate()[1]

    @property
    def remark(self) -> str:
        """What a user should know of the frames read up to now; empty if nothing."""
        return "; ".join(
            filter(None, (str(self._orientation), self._size_remark(), self.variable_rate))
        )

    @property
    def info(self) -> VideoInfo:
        """The result of the full pass.

        Raises:
            RuntimeError: If frames are still to come, or none was converted to pixels.
        """
        if self._open or not self._shape:
            raise RuntimeError("VideoInfo is known after a full pass over the frames only")
        height, width = self._shape[:2]
        return VideoInfo(self._read - self._start, width, height, self._rate()[0], self.remark)

    def close(self) -> None:
        """Close the clip; harmless when done twice."""
        if self._open:
            self._open = False
            self._release()

    def __del__(self) -> None:
        if getattr(self, "_open", False):
            self.close()


def other_size(
    path: Path, number: int, size: tuple[int, ...], before: tuple[int, ...]
) -> ClipRejected:
    """The error for a frame that has not the width and height in px of those before it."""
    return ClipRejected(
        "VIDEO_SIZE",
        f"{printable(path)}: frame {number} is {size[0]} x {size[1]} px, the frames before"
        f" {before[0]} x {before[1]} px",
        remedy="encode the video again with one frame size",
    )
