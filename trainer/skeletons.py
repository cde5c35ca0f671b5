"""Clips to network input: common origin, common scale, fixed length, absent joints left absent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from stroi.cache.errors import StroiError
from stroi.cache.layouts import BODY_25
from stroi.cache.skeletons import Clip

TORSO_PER_HEIGHT = 0.3
"""Neck to mid hip as a share of a person's height, for clips that never show a whole torso."""


class ClipSource(Protocol):
    """Clips by sample id: a dict, or `stroi.cache.skeletons.SkeletonCache`."""

    def __getitem__(self, sample_id: str, /) -> Clip:
        """The clip of one sample."""


@dataclass(frozen=True)
class SkeletonSet:
    """Prepared skeletons of N clips.

    Attributes:
        ids: N sample ids, sorted.
        x: (N, M, T, V, 3) float32: x, y in torso lengths about the clip's centre (y down),
            confidence in [0, 1]; a missing joint is (0, 0, 0).
        present: (N, M) bool, whether the person has any joint at all.
    """

    ids: tuple[str, ...]
    x: NDArray[np.float32]
    present: NDArray[np.bool_]


def resample(keypoints: NDArray[np.float32], frames: int) -> NDArray[np.float32]:
    """Stretch a clip to a fixed length, linearly in time.

    Between a seen and an unseen key point the nearer one decides: nothing is interpolated
    towards the (0, 0) of an absent joint.

    Args:
        keypoints: (T, M, V, 3) x, y, confidence; confidence 0 means absent.
        frames: T', frames wanted.

    Returns:
        (T', M, V, 3) float32.
    """
    place = np.linspace(0, len(keypoints) - 1, frames)
    low = np.floor(place).astype(np.int64)
    high = np.minimum(low + 1, len(keypoints) - 1)
    share = (place - low).astype(np.float32)[:, None, None, None]
    first, second = keypoints[low], keypoints[high]
    both = (first[..., 2:] > 0) & (second[..., 2:] > 0)
    nearer = np.where(share < 0.5, first, second)
    return np.where(both, first * (1 - share) + second * share, nearer).astype(np.float32)


def prepare(clip: Clip, *, frames: int) -> NDArray[np.float32]:
    """Key points of one clip as input of the graph network; label-blind.

    Both persons keep one origin (the mean of the persons' median body centres) and one scale
    (the mean of their median torso lengths), so their distance and sizes stay comparable.

    Args:
        clip: Tracked persons in BODY_25, key points (T, M, V, 3) in px.
        frames: T', frames wanted.

    Returns:
        (M, T', V, 3) float32: x, y in torso lengths (y down), confidence; absent joints are 0.

    Raises:
        StroiError: ``CLIP_EMPTY`` if no person has a joint.
    """
    keypoints = np.nan_to_num(clip.keypoints.astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    persons = [p for p in range(keypoints.shape[1]) if (keypoints[:, p, :, 2] > 0).any()]
    if not persons:
        raise StroiError(
            "CLIP_EMPTY", "no person has a single joint", remedy="leave this clip out of the index"
        )
    middles, sizes = zip(*(_middle_and_size(keypoints[:, p]) for p in persons), strict=True)
    seen = keypoints[..., 2:] > 0
    size = float(np.mean(sizes)) or max(clip.height, 1) * TORSO_PER_HEIGHT
    moved = (keypoints[..., :2] - np.mean(middles, axis=0)) / size
    placed = np.concatenate([moved, keypoints[..., 2:]], axis=-1)
    return resample(np.where(seen, placed, 0).astype(np.float32), frames).transpose(1, 0, 2, 3)


def prepare_all(clips: ClipSource, ids: Sequence[str], *, frames: int) -> SkeletonSet:
    """Prepare many clips.

    Args:
        clips: Clips by sample id.
        ids: Which of them, in any order.
        frames: T, frames per prepared clip.

    Returns:
        The prepared clips, sorted by id.

    Raises:
        StroiError: ``CLIP_EMPTY`` naming the first clip without a person.
    """
    ordered = tuple(sorted(ids))
    x = np.empty((len(ordered), 2, frames, len(BODY_25.joints), 3), np.float32)
    for row, sample in enumerate(ordered):
        try:
            x[row] = prepare(clips[sample], frames=frames)
        except StroiError as error:
            message = f"clip {sample}: {error.message}"
            raise StroiError(error.code, message, remedy=error.remedy) from None
    return SkeletonSet(ordered, x, np.asarray((x[..., 2] > 0).any((2, 3))))


def _middle_and_size(person: NDArray[np.float32]) -> tuple[NDArray[np.float32], float]:
    """Median centre (2,) in px and torso length in px of one person (T, V, 3); 0 if unknown."""
    seen = person[..., 2] > 0
    hip, neck = BODY_25.index("mid_hip"), BODY_25.index("neck")
    anchor = next((j for j in (hip, neck) if seen[:, j].any()), None)
    points = person[seen] if anchor is None else person[seen[:, anchor], anchor]
    middle = np.median(points[:, :2], axis=0)
    torso = seen[:, hip] & seen[:, neck]
    if torso.any():
        lengths = np.linalg.norm(person[torso, hip, :2] - person[torso, neck, :2], axis=-1)
        return middle, float(np.median(lengths))
    high = np.where(seen, person[..., 1], -np.inf).max(1)
    low = np.where(seen, person[..., 1], np.inf).min(1)
    return middle, float(np.median((high - low)[seen.any(1)])) * TORSO_PER_HEIGHT
