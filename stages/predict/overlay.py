"""A video with what the networks saw: people, crops, the mosaic beside, and the running answer."""

from __future__ import annotations

import os
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from stroi.cache.errors import ParamsError, StroiError
from stroi.cache.files.atomic import os_errors_as_ours
from stroi.cache.files.temporaries import new_temporary_folder
from stroi.cache.skeletons import Clip
from stroi.pipeline.params.profile import MosaicParams
from stroi.stages.mosaic.cut import cut_mosaic
from stroi.stages.predict.answer import Answer
from stroi.stages.predict.clips import VideoClip, scored_mosaic
from stroi.stages.predict.drawing import (
    Picture,
    draw_boxes,
    draw_people,
    fit,
    mosaic_panel,
    stack,
    text_panel,
)
from stroi.stages.predict.recipe import Recipe
from stroi.stages.video.reader import read_frames

CODECS = ("libx264", "libopenh264", "mpeg4")
"""Encoders in the order in which one is taken: H.264 where this build of PyAV has it."""
HEIGHTS = (240, 480)
"""Smallest and largest height of the frame in the overlay, px."""


class Overlay:
    """Pictures of the overlay of one video.

    Args:
        recipe: Of the run.
        width: Width of a frame, px.
        height: Height of a frame, px.
    """

    def __init__(self, recipe: Recipe, width: int, height: int) -> None:
        self.recipe = recipe
        self.height = min(max(height, HEIGHTS[0]), HEIGHTS[1])
        self.width = max(1, round(width * self.height / height))
        self.scale = self.height / height
        self._blank = np.zeros((height, width, 3), np.uint8)

    def shrink(self, frame: NDArray[np.uint8]) -> Picture:
        """A frame in the size in which it is drawn."""
        return fit(frame, self.height)

    def panel(self, clip: VideoClip | None, answer: Answer | None) -> Picture:
        """What stands beside every frame of a clip: mosaic and weights; None is nobody's."""
        params = self.recipe.mosaics
        names = [row.name for row in params.rows]
        if clip is None or answer is None:
            side = len(names) * 16
            black = np.zeros((side, side * params.columns // len(names), 3), np.uint8)
            return mosaic_panel(black, names, None, 1, self.height)
        mosaic, people = scored_mosaic(clip.cut, params), clip.skeleton.person_count
        return mosaic_panel(mosaic, names, answer.row_weights, people, self.height)

    def draw(
        self,
        small: Picture,
        panel: Picture,
        clip: VideoClip | None,
        answer: Answer | None,
        at: int,
        seconds: float,
    ) -> Picture:
        """One picture of the video.

        Args:
            small: The frame, as `shrink` made it.
            panel: What `panel` made of the clip.
            clip: People and mosaic; None for nobody.
            answer: The scores.
            at: Number of the frame in the video; people are drawn if it is one of the clip's.
            seconds: Time of the frame.
        """
        picture = small.copy()
        if clip is None or answer is None:
            lines = [f"{seconds:7.2f} s  nobody", *[""] * 3]
        else:
            skeleton = clip.skeleton
            at -= clip.start
            if 0 <= at < len(skeleton.keypoints):
                draw_people(picture, skeleton.keypoints[at, : skeleton.person_count], self.scale)
                boxes, valid = frame_boxes(self._blank, skeleton, at, self.recipe.mosaics)
                draw_boxes(picture, boxes, valid, answer.row_weights, self.scale)
            lines = self._lines(answer, seconds)
        whole = np.hstack([picture, panel])
        return stack([text_panel(lines, whole.shape[1]), whole])

    def _lines(self, answer: Answer, seconds: float) -> list[str]:
        classes = self.recipe.classes
        shares = answer.probabilities
        label = classes[int(shares[answer.branch].argmax())]
        lines = [f"{seconds:7.2f} s  {label}  {float(shares[answer.branch].max()):.1%}"]
        for branch in ("skeleton", "rgb", "ensemble"):
            text = ""
            if branch in shares:
                own = shares[branch]
                best = np.argsort(-own, kind="stable")[:3]
                text = f"{branch:<9} " + "  ".join(f"{classes[c]} {own[c]:.0%}" for c in best)
            lines.append(text)
        return lines


def frame_boxes(
    frame: NDArray[np.uint8], skeleton: Clip, at: int, params: MosaicParams
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """The crops (P, K, 4) that a mosaic of one frame would have, and which of them there are.

    Args:
        frame: Frame `at` of the clip, or one of its size: no crop depends on the pixels.
        skeleton: The clip's people.
        at: Number of the frame in the clip.
        params: Of the mosaic.
    """
    if params.missing == "black":
        # No other frame matters: one frame's people are looked at, not those of a whole video.
        skeleton, at = replace(skeleton, keypoints=skeleton.keypoints[at : at + 1]), 0
    cut = cut_mosaic({at: frame}, skeleton, np.array([at], np.int32), params)
    return cut.box[:, 0], cut.valid[:, 0]


class VideoWriter:
    """A video file that is there when it is whole."""

    def __init__(self, path: Path, fps: float) -> None:
        # A file has a rate in whole numbers; no player needs more than a millionth.
        self._rate = Fraction(fps if 1 <= fps <= 1000 else 30.0).limit_denominator(1001)
        self._container = av.open(str(path), "w", format="mp4")
        self._stream: VideoStream | None = None

    def write(self, picture: Picture) -> None:
        """Add a picture (H, W, 3) BGR; the first one decides the size."""
        height, width = (side - side % 2 for side in picture.shape[:2])
        if self._stream is None:
            stream = self._container.add_stream(encoder(), rate=self._rate)
            assert isinstance(stream, VideoStream)
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            self._stream = stream
        even = np.ascontiguousarray(picture[:height, :width])
        frame = VideoFrame.from_ndarray(even, format="bgr24")
        self._container.mux(self._stream.encode(frame))

    def close(self) -> None:
        """Finish the file."""
        if self._stream is not None:
            self._container.mux(self._stream.encode(None))
        self._container.close()


def encoder() -> str:
    """The encoder that is taken.

    Raises:
        StroiError: ``OVERLAY_CODEC`` if there is none.
    """
    for name in CODECS:
        try:
            av.codec.Codec(name, "w")
        except av.codec.codec.UnknownCodecError:
            continue
        return name
    raise StroiError(
        "OVERLAY_CODEC",
        f"this build of PyAV writes none of {', '.join(CODECS)}",
        remedy="install av from PyPI, or leave --overlay out",
    )


@contextmanager
def video_writer(path: Path, fps: float) -> Iterator[VideoWriter]:
    """A writer whose file is moved to `path` at the end; nothing is left there after a failure.

    Raises:
        StroiError: ``OVERLAY_CODEC``; if the disk is full or read-only.
    """
    with os_errors_as_ours(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with new_temporary_folder(path) as folder:
            made = folder / "overlay.mp4"
            writer = VideoWriter(made, fps)
            try:
                yield writer
            finally:
                writer.close()
            made.replace(path)


def write_overlay(path: Path, video: Path, recipe: Recipe, clip: VideoClip, answer: Answer) -> None:
    """Draw a clip that is a whole video.

    Args:
        path: The new video.
        video: The video.
        recipe: Of the run.
        clip: What the networks saw.
        answer: What they said.

    Raises:
        ClipRejected: If the video cannot be decoded.
        StroiError: As `video_writer`.
    """
    skeleton = clip.skeleton
    overlay = Overlay(recipe, skeleton.width, skeleton.height)
    panel = overlay.panel(clip, answer)
    with read_frames(video) as frames, video_writer(path, skeleton.fps) as writer:
        for at, frame in enumerate(frames):
            seconds = at / (skeleton.fps or 30.0)
            writer.write(overlay.draw(overlay.shrink(frame), panel, clip, answer, at, seconds))


class WindowOverlay:
    """Draws a long video while its windows are read: a frame waits for its window's answer.

    Args:
        writer: The new video.
        overlay: Its pictures.
        fps: Frames per second.
    """

    def __init__(self, writer: VideoWriter, overlay: Overlay, fps: float) -> None:
        self._writer, self._overlay, self._fps = writer, overlay, fps
        self._waiting: deque[tuple[int, Picture]] = deque()
        self._last: tuple[VideoClip | None, Answer | None] = (None, None)

    def add(self, at: int, frame: NDArray[np.uint8]) -> None:
        """Keep a frame, small."""
        self._waiting.append((at, self._overlay.shrink(frame)))

    def answer(self, clip: VideoClip | None, answer: Answer | None, stop: int) -> None:
        """Write the waiting frames before `stop`: they are those of this window."""
        panel = self._overlay.panel(clip, answer)
        while self._waiting and self._waiting[0][0] < stop:
            at, small = self._waiting.popleft()
            seconds = at / self._fps
            self._writer.write(self._overlay.draw(small, panel, clip, answer, at, seconds))
        self._last = clip, answer

    def finish(self) -> None:
        """Write the frames behind the last window, with its answer."""
        self.answer(*self._last, stop=2**62)


def overlay_paths(target: Path, videos: Sequence[Path]) -> list[Path]:
    """Where the overlay of each video goes: `target` itself if it is an .mp4 file, else into it.

    In a folder an overlay is called by the path of its video below the folder that all share.

    Raises:
        ParamsError: ``PREDICT_OVERLAY`` if one file is to be that of several videos, or would
            replace a video.
    """
    if target.suffix.lower() == ".mp4":
        paths = [target] * len(videos)
    else:
        places = [video.absolute() for video in videos]
        shared = Path(os.path.commonpath([place.parent for place in places]))
        names = ["_".join(place.relative_to(shared).parts) for place in places]
        stems = Counter(Path(name).stem for name in names)
        paths = [
            target / f"{name if stems[Path(name).stem] > 1 else Path(name).stem}.mp4"
            for name in names
        ]
    if len(set(paths)) < len(paths):
        raise ParamsError(
            "PREDICT_OVERLAY",
            f"{len(videos)} videos and one overlay, {target}",
            remedy="give --overlay a folder",
        )
    inputs = {video.resolve() for video in videos}
    if taken := [path for path in paths if path.resolve() in inputs]:
        raise ParamsError(
            "PREDICT_OVERLAY",
            f"the overlay {taken[0]} would replace the video of that name",
            remedy="give --overlay another place",
        )
    return paths
