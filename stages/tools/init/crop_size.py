"""The side of a crop: from the skeletons that are there, or from people in a few videos."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from stroi.cache.errors import ClipRejected, RefusedInput
from stroi.pipeline.index.table import ClipEntry

if TYPE_CHECKING:
    from stroi.stages.pose.estimators.movenet import MoveNet

CLIPS = 12
"""Videos that are read, evenly spaced in the sorted list."""

FRAMES = (5, 20)
"""Frames that are read, counted from the start of the video."""

MIN_TORSOS = 3
"""With fewer detected torsos the estimate comes from the frame's height."""

SMALLEST, LARGEST = 16, 256
"""Bounds of the side, px."""

_NECK, _HIPS = 1, 8
"""Of BODY_25: the middle of the shoulders, and of the hips."""


@dataclass(frozen=True)
class CropSize:
    """An estimated side of a crop.

    Attributes:
        cell: The side, px: half a torso; a tenth of the frame's height if no person was detected.
            The paper's 48 px on Northwestern-UCLA are 0.6 of a torso.
        reason: How it was estimated, in words.
        unreadable: The path of each video that could not be read, and why.
        sampled: Videos that were opened.
    """

    cell: int
    reason: str
    unreadable: tuple[str, ...] = ()
    sampled: int = 0


@dataclass(frozen=True)
class Torsos:
    """Torsos of skeletons that are there.

    Attributes:
        lengths: Length in px of each, and the height of the picture in which it has this length;
            0 if that is the video's own.
        clips: Clips that they are of.
    """

    lengths: tuple[tuple[float, int], ...]
    clips: int


def estimate_crop_size(
    root: Path, clips: Sequence[ClipEntry], known: Torsos | None = None
) -> CropSize:
    """Estimate the side of a crop; labels are not used.

    Args:
        root: The folder that the clips' paths are relative to.
        clips: The clips of the data set.
        known: The torsos of the skeletons that are there; without them an estimator looks for
            people in a few videos.

    Raises:
        RefusedInput: ``INIT_UNREADABLE`` if none of them can be read.
    """
    videos = sorted({clip.video for clip in clips if clip.video})
    step = max(1, -(-len(videos) // CLIPS))
    heights: list[int] = []
    torsos: list[float] = []
    unreadable: list[str] = []
    estimator = None if known else _movenet()
    for video in videos[::step]:
        try:
            height, lengths = _measure(root / video, estimator)
        except ClipRejected as rejected:
            unreadable.append(f"{video}: {rejected}")
            continue
        heights.append(height)
        torsos += lengths
    if not heights:
        first, *others = unreadable or ["there are no videos"]
        raise RefusedInput(
            "INIT_UNREADABLE",
            f"none of {len(unreadable)} videos could be read, first {first}",
            details=tuple(others),
        )
    sampled = len(heights) + len(unreadable)
    height = int(median(heights))
    count = f"{len(torsos)} torsos in {len(heights)} videos"
    if known:
        torsos = [length * (height / of if of else 1) for length, of in known.lengths]
        count = f"{len(torsos)} torsos of the skeletons of {known.clips} clips"
    if len(torsos) >= MIN_TORSOS:
        length = median(torsos)
        reason = f"half of {length:.0f} px, the median of {count}"
        return CropSize(_even(length / 2), reason, tuple(unreadable), sampled)
    reason = f"a tenth of the height of {height} px: only {count}"
    return CropSize(_even(height / 10), reason, tuple(unreadable), sampled)


def _movenet() -> MoveNet:
    # Not needed where skeletons are there.
    from stroi.stages.pose.estimators.movenet import MoveNet

    return MoveNet()


def _measure(video: Path, estimator: MoveNet | None) -> tuple[int, list[float]]:
    """Height of the frames, and length of every torso in the `FRAMES`, px."""
    from stroi.stages.video.reader import read_frames

    height, torsos = 0, []
    with read_frames(video) as frames:
        for number in range(max(FRAMES) + 1 if estimator else 1):
            if not frames.skip():
                break
            if number == 0 or number in FRAMES:
                picture = frames.picture()
                height = picture.shape[0]
            if estimator and number in FRAMES:
                torsos += torso_lengths(estimator(picture))
    return height, torsos


def torso_lengths(people: NDArray[np.float32]) -> list[float]:
    """Lengths of the torsos of people (P, 25, 3), BODY_25 px and confidence."""
    complete = people[(people[:, (_NECK, _HIPS), 2] > 0).all(axis=1)]
    torsos = complete[:, _NECK, :2] - complete[:, _HIPS, :2]
    return [float(length) for length in np.hypot(*torsos.T)]


def _even(side: float) -> int:
    return min(LARGEST, max(SMALLEST, 2 * round(side / 2)))
