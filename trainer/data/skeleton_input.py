"""Clips to network input: common origin, common scale, fixed length, absent joints left absent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from stroi.cache.errors import StroiError
from stroi.cache.layouts import BODY_25, LAYOUTS, Layout
from stroi.cache.skeletons import Clip
from stroi.cache.skeletons3d import JointClip
from stroi.trainer.config import Align, Fill
from stroi.trainer.data.body_alignment import turn
from stroi.trainer.models.input_streams import BESIDE

TORSO_PER_HEIGHT = 0.3
"""Neck to mid hip as a share of a person's height, for clips that never show a whole torso."""


class ClipSource(Protocol):
    """Clips by sample id: a dict, a `SkeletonCache` or a `JointCache`."""

    def __getitem__(self, sample_id: str, /) -> Clip | JointClip:
        """The clip of one sample."""


@dataclass(frozen=True)
class SkeletonSet:
    """Prepared skeletons of N clips.

    Attributes:
        ids: N sample ids, sorted.
        x: (N, M, T, V, 3) float32, see `prepare`; a missing joint is (0, 0, 0).
        present: (N, M) bool, whether the person has any joint at all.
        layout: The V joints.
    """

    ids: tuple[str, ...]
    x: NDArray[np.float32]
    present: NDArray[np.bool_]
    layout: Layout = BODY_25


def layout_of(clip: Clip | JointClip) -> Layout:
    """The joints of a clip: BODY_25 if they were estimated, else those of its sensor."""
    return LAYOUTS[clip.layout] if isinstance(clip, JointClip) else BODY_25


def resample(keypoints: NDArray[np.float32], frames: int) -> NDArray[np.float32]:
    """Stretch a clip to a fixed length, linearly in time.

    Between a seen and an unseen key point the nearer one decides: nothing is interpolated
    towards the (0, 0) of an absent joint.

    Args:
        keypoints: (T, M, V, D) coordinates and, last, confidence; confidence 0 means absent.
        frames: T', frames wanted.

    Returns:
        (T', M, V, D) float32.
    """
    place = np.linspace(0, len(keypoints) - 1, frames)
    low = np.floor(place).astype(np.int64)
    high = np.minimum(low + 1, len(keypoints) - 1)
    share = (place - low).astype(np.float32)[:, None, None, None]
    first, second = keypoints[low], keypoints[high]
    both = (first[..., -1:] > 0) & (second[..., -1:] > 0)
    nearer = np.where(share < 0.5, first, second)
    return np.where(both, first * (1 - share) + second * share, nearer).astype(np.float32)


def to_length(
    keypoints: NDArray[np.float32], frames: int, fill: Fill = "stretch"
) -> NDArray[np.float32]:
    """Give a clip a fixed length.

    Args:
        keypoints: (T, M, V, D) coordinates and, last, confidence; confidence 0 means absent.
        frames: T', frames wanted.
        fill: ``stretch`` resamples; a clip of fewer frames is otherwise played again from its
            start until there are enough (``repeat``), or followed by frames without any joint
            (``pad``). A clip of more frames is always resampled.

    Returns:
        (T', M, V, D) float32.
    """
    if fill == "stretch" or len(keypoints) >= frames:
        return resample(keypoints, frames)
    if fill == "repeat":
        return keypoints[np.arange(frames) % len(keypoints)].astype(np.float32)
    padded = np.zeros((frames, *keypoints.shape[1:]), np.float32)
    padded[: len(keypoints)] = keypoints
    return padded


def prepare(
    clip: Clip | JointClip,
    *,
    frames: int,
    fill: Fill = "stretch",
    align: Align = "none",
) -> NDArray[np.float32]:
    """One clip as input of the graph network; label-blind.

    Args:
        clip: Estimated key points, or a sensor's joints.
        frames: T', frames wanted.
        fill: How the clip gets them, see `to_length`.
        align: How a sensor's joints are turned, see `stroi.trainer.data.body_alignment.turn`.

    Returns:
        (M, T', V, 3) float32, see `prepare_keypoints` and `prepare_joints`; absent joints are 0.

    Raises:
        StroiError: ``CLIP_EMPTY`` if no person has a joint.
    """
    if isinstance(clip, JointClip):
        return prepare_joints(clip, frames=frames, fill=fill, align=align)
    return prepare_keypoints(clip, frames=frames, fill=fill)


def prepare_joints(
    clip: JointClip,
    *,
    frames: int,
    fill: Fill = "stretch",
    align: Align = "none",
) -> NDArray[np.float32]:
    """Joints of one clip in m about the body's centre.

    Both persons keep one origin: the layout's centre joint of the first person seen, in the first
    frame that has it; and they are turned alike.

    Args:
        clip: Bodies in the sensor's space, positions (T, M, V, 3) in m.
        frames: T', frames wanted.
        fill: How the clip gets them, see `to_length`.
        align: How the joints are turned, see `stroi.trainer.data.body_alignment.turn`.

    Returns:
        (M, T', V, 3) float32: x, y up, z in m; absent joints are 0.

    Raises:
        StroiError: ``CLIP_EMPTY`` if no person has a joint.
    """
    seen, layout = clip.state > 0, LAYOUTS[clip.layout]
    if not seen.any():
        raise _empty()
    joint = layout.index(layout.centre)
    moved = clip.position - _origin(clip.position, seen, joint)
    if align != "none":
        moved = moved @ turn(clip.position, seen, layout, align).T
    moved = np.where((moved == 0).all(-1, keepdims=True), BESIDE, moved)
    marked = np.concatenate([np.where(seen[..., None], moved, 0), seen[..., None]], axis=-1)
    whole = to_length(marked.astype(np.float32), frames, fill)
    return whole[..., :3].transpose(1, 0, 2, 3)


def _origin(
    position: NDArray[np.float32], seen: NDArray[np.bool_], joint: int
) -> NDArray[np.float32]:
    """(3,): `joint` of the first person seen with it, else whatever joint is seen first."""
    if seen[:, :, joint].any():
        frame, person = np.argwhere(seen[:, :, joint])[0]
    else:
        frame, person, joint = np.argwhere(seen)[0]
    return np.asarray(position[frame, person, joint])


def prepare_keypoints(clip: Clip, *, frames: int, fill: Fill = "stretch") -> NDArray[np.float32]:
    """Key points of one clip in torso lengths about the clip's centre.

    Both persons keep one origin (the mean of the persons' median body centres) and one scale
    (the mean of their median torso lengths), so their distance and sizes stay comparable.

    Args:
        clip: Tracked persons in BODY_25, key points (T, M, V, 3) in px.
        frames: T', frames wanted.
        fill: How the clip gets them, see `to_length`.

    Returns:
        (M, T', V, 3) float32: x, y in torso lengths (y down), confidence; absent joints are 0.

    Raises:
        StroiError: ``CLIP_EMPTY`` if no person has a joint.
    """
    keypoints = np.nan_to_num(clip.keypoints.astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    persons = [p for p in range(keypoints.shape[1]) if (keypoints[:, p, :, 2] > 0).any()]
    if not persons:
        raise _empty()
    middles, sizes = zip(*(_middle_and_size(keypoints[:, p]) for p in persons), strict=True)
    seen = keypoints[..., 2:] > 0
    size = float(np.mean(sizes)) or max(clip.height, 1) * TORSO_PER_HEIGHT
    moved = (keypoints[..., :2] - np.mean(middles, axis=0)) / size
    placed = np.concatenate([moved, keypoints[..., 2:]], axis=-1)
    whole = to_length(np.where(seen, placed, 0).astype(np.float32), frames, fill)
    return whole.transpose(1, 0, 2, 3)


def prepare_all(
    clips: ClipSource,
    ids: Sequence[str],
    *,
    frames: int,
    fill: Fill = "stretch",
    align: Align = "none",
) -> SkeletonSet:
    """Prepare many clips.

    Args:
        clips: Clips by sample id.
        ids: Which of them, in any order.
        frames: T, frames per prepared clip.
        fill: See `prepare`.
        align: See `prepare`.

    Returns:
        The prepared clips, sorted by id.

    Raises:
        StroiError: ``CLIP_EMPTY`` naming the first clip without a person.
    """
    ordered = tuple(sorted(ids))
    layout = layout_of(clips[ordered[0]]) if ordered else BODY_25
    x = np.empty((len(ordered), 2, frames, len(layout.joints), 3), np.float32)
    for row, sample in enumerate(ordered):
        clip = clips[sample]
        try:
            x[row] = prepare(_of_layout(clip, layout), frames=frames, fill=fill, align=align)
        except StroiError as error:
            message = f"clip {sample}: {error.message}"
            raise StroiError(error.code, message, remedy=error.remedy) from None
    return SkeletonSet(ordered, x, np.asarray((x != 0).any((2, 3, 4))), layout)


def _of_layout(clip: Clip | JointClip, layout: Layout) -> Clip | JointClip:
    if layout_of(clip) != layout:
        raise StroiError(
            "LAYOUT",
            f"its joints are {layout_of(clip).name}, those of the first clip {layout.name}",
            remedy="train on clips of one sensor",
        )
    return clip


def _empty() -> StroiError:
    return StroiError(
        "CLIP_EMPTY", "no person has a single joint", remedy="leave this clip out of the index"
    )


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
