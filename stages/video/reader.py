"""The one video decoder: pose and crops see the same frames under the same numbers.

A frame's index is its ordinal among the frames that a sequential decoder hands out. Headers,
time stamps and seeking are never trusted for it: containers announce frames that do not decode
and stamp others out of order. Frames are left out only by what the coded pictures themselves prove.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
from av.sidedata.sidedata import SideData
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray

from stroi.cache.errors import ClipRejected
from stroi.stages.video.decoder import (
    OpenVideo,
    See,
    keep_open,
    no_memory,
    open_at,
    open_video,
    packets,
    printable,
)
from stroi.stages.video.frame_rate import frame_rate
from stroi.stages.video.frames import FrameSource, VideoInfo
from stroi.stages.video.image_folder import FolderFrames, check_images
from stroi.stages.video.orientation import of_matrix
from stroi.stages.video.selective_decoding import (
    OrderError,
    decode_frames,
    frame_order,
    may_be_selective,
)

__all__ = [
    "SelectedFrames", "VideoFrames", "VideoInfo", "check_clip", "read_frames", "read_selected",
]  # fmt: skip


class VideoFrames(FrameSource):
    """The frames of a video, or of a segment of it, in decoding order.

    Args:
        path: A plain local file.
        start: First frame of the segment.
        stop: Frame after its last; 0 if it lasts to the video's end.
        opened: A decoder that has not passed frame `start`; its own by default.

    Raises:
        ClipRejected: See `read_frames`.
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
        path: A plain local file of one of `stroi.stages.video.decoder.FORMATS`, whatever its name;
            or a folder of numbered images, see `stroi.stages.video.image_folder.list_images`.
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

    Attributes:
        remark: As that of `VideoInfo`, up to the last of them.
        variable_rate: Whether the frame rate varies up to there.
    """

    remark: str = ""
    variable_rate: bool = False


def read_selected(
    path: Path, indices: Sequence[int], start: int = 0, stop: int = 0
) -> SelectedFrames:
    """Read some frames of a clip; the others are stepped over, those after the last not read.

    Of a whole video the others are not even decoded, where `stroi.stages.video.coded_order` proves
    which frames the wanted ones refer to.

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
    pictures = SelectedFrames()
    with VideoFrames(path, opened=opened) if opened else read_frames(path, start, stop) as frames:
        for index in range(last + 1):
            if not frames.skip():
                raise ClipRejected(
                    "VIDEO_FRAMES",
                    f"{printable(path)}: frame {last} is needed, but only {index} decode",
                    remedy="estimate the clip's skeleton again from this file",
                )
            if index in selected:
                pictures[index] = frames.picture()
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
    pictures = SelectedFrames()
    with VideoFrames(path, opened=decoded) as frames:
        try:
            for number in sorted(wanted):
                frames.skip()
                if number in selected:
                    pictures[number] = frames.picture()
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
