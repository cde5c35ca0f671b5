"""The frames of a video file, in decoding order.

A frame's index is its ordinal among the frames that a sequential decoder hands out. Headers,
time stamps and seeking are never trusted for it: containers announce frames that do not decode
and stamp others out of order. Frames are left out only by what the coded pictures themselves prove.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from av.sidedata.sidedata import SideData
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray

from stroi.cache.errors import ClipRejected
from stroi.stages.video.decoding.decoder import See, no_memory, packets, printable
from stroi.stages.video.decoding.kept_open import keep_open, open_at
from stroi.stages.video.decoding.opening import OpenVideo
from stroi.stages.video.frame_rate import frame_rate
from stroi.stages.video.frames import FrameSource
from stroi.stages.video.orientation import of_matrix


class VideoFrames(FrameSource):
    """The frames of a video, or of a segment of it, in decoding order.

    Args:
        path: A plain local file.
        start: First frame of the segment.
        stop: Frame after its last; 0 if it lasts to the video's end.
        opened: A decoder that has not passed frame `start`; its own by default.

    Raises:
        ClipRejected: As `stroi.stages.video.reader.read_frames`.
    """

    def __init__(
        self, path: Path, start: int = 0, stop: int = 0, opened: OpenVideo | None = None
    ) -> None:
        self._opened = opened or open_at(path, start)
        self._sound = True
        self._frame: VideoFrame | None = None
        self._size = (0, 0)
        self._scaled = False
        self._times: list[int | None] = []
        self._reformatter = VideoReformatter()
        # The streams are gone when the file is closed.
        self._tick = float(self._opened.stream.time_base or 0)
        self._stamped = self._opened.container.format.name != "avi"
        super().__init__(path, start, stop, fps=float(self._opened.stream.guessed_rate or 0))
        self._read = self._opened.read

    def _step(self) -> bool:
        try:
            self._frame = next(self._opened.frames, None)
        except BaseException:
            self._sound = False
            self.close()
            raise
        if self._frame is None:
            self._sound = False
            return False
        if self._read == self._start:
            self._size = (self._frame.width, self._frame.height)
        if self._read >= self._start:
            self._times.append(self._frame.pts)
        return True

    def _pixels(self) -> NDArray[np.uint8]:
        assert self._frame is not None
        # A video may change its size on the way: it is scaled to that of the clip's first frame.
        self._scaled |= self._size != (self._frame.width, self._frame.height)
        try:
            scaled = self._reformatter.reformat(
                self._frame, *self._size, "bgr24", interpolation=Interpolation.BICUBIC, threads=1
            )
            frame = np.asarray(scaled.to_ndarray(), np.uint8)
        except MemoryError:
            self._sound = False
            raise no_memory(self._path) from None
        matrix = self._frame.side_data.get("DISPLAYMATRIX")
        if isinstance(matrix, SideData):
            return self._upright(frame, of_matrix(bytes(matrix)))
        return frame

    def _check_whole(self) -> None:
        if self._read == 0:
            raise ClipRejected(
                "VIDEO_EMPTY",
                f"{printable(self._path)}: not one frame decodes",
                remedy="fetch the file again",
            )
        if missing := self._opened.missing_bytes():
            raise ClipRejected(
                "VIDEO_FRAMES",
                f"{printable(self._path)}: the file is cut: {missing} bytes are missing",
                remedy="fetch the file again, or encode it again if this is all there is",
            )

    def check_packets(self, see: See = lambda _: None) -> None:
        """Check the rest of the video without decoding it.

        Args:
            see: Called with each coded picture.

        Raises:
            ClipRejected: ``VIDEO_FRAMES`` if the file is cut.
        """
        for packet in packets(self._path, self._opened.container, self._opened.stream):
            see(packet)
        self._check_whole()

    def _size_remark(self) -> str:
        return f"scaled to its first frame, {self._size[0]} x {self._size[1]} px" * self._scaled

    def _rate(self) -> tuple[float, str]:
        return frame_rate(self._seconds(), self._fps)

    def times(self) -> NDArray[np.float64]:
        """As `FrameSource.times`, by the time stamps of the frames."""
        if not self._stamped:
            # AVI has a constant rate, and no time stamps.
            return super().times()
        times = self._seconds()
        # A NaN is in no order.
        if not (np.diff(times) > 0).all():
            raise ClipRejected(
                "VIDEO_TIMES",
                f"{printable(self._path)}: does not say when its frames are shown",
                remedy="encode it as H.264 in MP4, or set mosaics.sample_by to frame",
            )
        return times

    def remark_until(self, times: Sequence[int | None]) -> tuple[str, bool]:
        """The remark and whether the rate varies, if frames were shown at `times`, in ticks."""
        self._times = list(times)
        return self.remark, bool(self.variable_rate)

    def _seconds(self) -> NDArray[np.float64]:
        return np.array(self._times, np.float64) * self._tick  # None becomes NaN

    def _release(self) -> None:
        if self._stop and self._sound:
            keep_open(replace(self._opened, read=self._read))
        else:
            self._opened.close()

    def __del__(self) -> None:
        # The interpreter may be at its end: open nothing for later.
        self._sound = False
        super().__del__()
