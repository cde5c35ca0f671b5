"""A look at a few videos: how large people are decides how large a crop is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np

from stroi.cache.errors import ClipRejected, RefusedInput
from stroi.pipeline.index.table import ClipEntry
from stroi.stages.pose.estimators.movenet import MoveNet
from stroi.stages.video.reader import read_frames

CLIPS = 12
"""Clips that are looked at, evenly spread over the ids."""

FRAMES = (5, 20)
"""Their frames that are looked at, from the beginning of the video."""

MIN_TORSOS = 3
SMALLEST, LARGEST = 16, 256

_NECK, _HIPS = 1, 8
"""Of BODY_25: the middle of the shoulders, and of the hips."""


@dataclass(frozen=True)
class Look:
    """What was seen.

    Attributes:
        cell: Side of a crop, px: half a torso; a tenth of the frame's height if nobody was found.
            The paper's 48 px on Northwestern-UCLA are 0.6 of a torso.
        told: What it was taken from.
        unreadable: Why clips could not be opened.
    """

    cell: int
    told: str
    unreadable: tuple[str, ...] = ()


def look_at(root: Path, clips: Sequence[ClipEntry]) -> Look:
    """Look at a few of the clips, label-blind.

    Args:
        root: The folder that their paths are relative to.
        clips: Clips of a listing.

    Raises:
        RefusedInput: ``INIT_UNREADABLE`` if none of them can be read.
    """
    videos = sorted({clip.video for clip in clips if clip.video})
    step = max(1, -(-len(videos) // CLIPS))
    heights: list[int] = []
    torsos: list[float] = []
    unreadable: list[str] = []
    estimator = MoveNet()
    for video in videos[::step]:
        try:
            height, found = _look(root / video, estimator)
        except ClipRejected as rejected:
            unreadable.append(str(rejected))
            continue
        heights.append(height)
        torsos += found
    if not heights:
        first = f", first: {unreadable[0]}" if unreadable else ""
        raise RefusedInput(
            "INIT_UNREADABLE",
            f"none of {len(unreadable)} videos could be read{first}",
            remedy="see `stroi inspect FILE`, or encode them as H.264 in MP4",
        )
    told = f"{len(torsos)} torsos in {len(heights)} videos"
    if len(torsos) >= MIN_TORSOS:
        length = median(torsos)
        return Look(
            _even(length / 2), f"half of {length:.0f} px, the median of {told}", (*unreadable,)
        )
    height = int(median(heights))
    return Look(
        _even(height / 10), f"a tenth of {height} px, for there were {told}", (*unreadable,)
    )


def _look(video: Path, estimator: MoveNet) -> tuple[int, list[float]]:
    """Height of the frames, and length of every torso in those that are looked at, px."""
    height, torsos = 0, []
    with read_frames(video) as frames:
        for number in range(max(FRAMES) + 1):
            if not frames.skip():
                break
            if number == 0 or number in FRAMES:
                picture = frames.picture()
                height = picture.shape[0]
            if number in FRAMES:
                torsos += _torsos(estimator(picture))
    return height, torsos


def _torsos(people: np.ndarray[tuple[int, int, int], np.dtype[np.float32]]) -> list[float]:
    """Lengths of the torsos of people (P, 25, 3), px."""
    whole = people[(people[:, (_NECK, _HIPS), 2] > 0).all(axis=1)]
    return [float(length) for length in np.hypot(*(whole[:, _NECK, :2] - whole[:, _HIPS, :2]).T)]


def _even(side: float) -> int:
    return min(LARGEST, max(SMALLEST, 2 * round(side / 2)))
