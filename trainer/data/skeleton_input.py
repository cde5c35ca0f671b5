"""Clips to network input: common origin, common scale, fixed length, absent joints left absent.

Legend of shapes: N clips, T frames of a clip, T' frames of the input, M persons, V joints.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from stroi.cache.errors import StroiError
from stroi.cache.layouts import BODY_25, Layout
from stroi.cache.rois import PAPER_PEOPLE, require_same_people
from stroi.cache.skeletons import Clip
from stroi.cache.skeletons3d import JointClip
from stroi.trainer.config import ORIGIN_OFFSET, Align, Fill
from stroi.trainer.data.body_alignment import body_rotation

TORSO_PER_HEIGHT = 0.3
"""Neck to mid hip as a share of a person's height, for clips that never show a whole torso."""

Allocate = Callable[[tuple[int, ...]], "NDArray[np.float32]"]
"""Makes an array of a shape."""


class ClipSource(Protocol):
    """Clips by sample id: a dict, a `SkeletonCache` or a `JointCache`."""

    def __getitem__(self, sample_id: str, /) -> Clip | JointClip:
        """The clip of one sample."""


@dataclass(frozen=True)
class SkeletonSet:
    """Prepared skeletons of N clips.

    Attributes:
        ids: N sample ids, sorted.
        x: (N, M, T', V, 3) float32 of `prepare`; an absent joint is (0, 0, 0).
        present: (N, M) bool, whether the person has any joint at all.
        layout: The V joints.
    """

    ids: tuple[str, ...]
    x: NDArray[np.float32]
    present: NDArray[np.bool_]
    layout: Layout = BODY_25

    def part(self, start: int, stop: int) -> SkeletonSet:
        """The clips from position `start` to before `stop`; their arrays are not copied."""
        part = slice(start, stop)
        return SkeletonSet(self.ids[part], self.x[part], self.present[part], self.layout)


def layout_of(clip: Clip | JointClip) -> Layout:
    """The joints of a clip: BODY_25 if they were estimated, else those of its sensor."""
    return clip.layout if isinstance(clip, JointClip) else BODY_25


def people_of(clip: Clip | JointClip) -> int:
    """M, the most persons of a clip."""
    return int((clip.position if isinstance(clip, JointClip) else clip.keypoints).shape[1])


def resample(keypoints: NDArray[np.float32], frames: int) -> NDArray[np.float32]:
    """Stretch a clip to a fixed length, linearly in time.

    Between a present and an absent key point the nearer one counts: nothing is interpolated
    towards the (0, 0) of an absent joint.

    Args:
        keypoints: (T, M, V, D) coordinates and, last, confidence; confidence 0 means absent.
        frames: T'.

    Returns:
        (T', M, V, D) float32.
    """
    times = np.linspace(0, len(keypoints) - 1, frames)
    low = np.floor(times).astype(np.int64)
    high = np.minimum(low + 1, len(keypoints) - 1)
    share = (times - low).astype(np.float32)[:, None, None, None]  # (T', 1, 1, 1)
    first, second = keypoints[low], keypoints[high]  # (T', M, V, D)
    both = (first[..., -1:] > 0) & (second[..., -1:] > 0)
    nearer = np.where(share < 0.5, first, second)
    return np.where(both, first * (1 - share) + second * share, nearer).astype(np.float32)


def to_length(
    keypoints: NDArray[np.float32], frames: int, fill: Fill = "stretch"
) -> NDArray[np.float32]:
    """Give a clip a fixed length.

    Args:
        keypoints: (T, M, V, D) coordinates and, last, confidence; confidence 0 means absent.
        frames: T'.
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
        frames: T'.
        fill: How `to_length` gets there.
        align: Which `body_rotation` a sensor's joints get.

    Returns:
        (M, T', V, 3) float32 of `prepare_keypoints` or `prepare_joints`; absent joints are 0.

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

    All persons keep one origin: the layout's centre joint of the first present person, in the
    first frame that has it. They also keep one rotation.

    Args:
        clip: Bodies in the sensor's space, positions (T, M, V, 3) in m.
        frames: T'.
        fill: How `to_length` gets there.
        align: Which `body_rotation` the joints get.

    Returns:
        (M, T', V, 3) float32: x, y up, z in m; absent joints are 0.

    Raises:
        StroiError: ``CLIP_EMPTY`` if no person has a joint.
    """
    present, layout = clip.state > 0, clip.layout  # (T, M, V)
    if not present.any():
        raise _empty()
    position = clip.position - _origin(clip.position, present, layout.index(layout.centre))
    if align != "none":
        position = position @ body_rotation(clip.position, present, layout, align).T
    position = np.where((position == 0).all(-1, keepdims=True), ORIGIN_OFFSET, position)
    position = np.where(present[..., None], position, 0)
    with_state = np.concatenate([position, present[..., None]], axis=-1)  # (T, M, V, 4)
    resampled = to_length(with_state.astype(np.float32), frames, fill)  # (T', M, V, 4)
    return resampled[..., :3].transpose(1, 0, 2, 3)  # (M, T', V, 3)


def _origin(
    position: NDArray[np.float32], present: NDArray[np.bool_], joint: int
) -> NDArray[np.float32]:
    """(3,): `joint` of the first person present with it, else the first present joint."""
    if present[:, :, joint].any():
        frame, person = np.argwhere(present[:, :, joint])[0]
    else:
        frame, person, joint = np.argwhere(present)[0]
    return np.asarray(position[frame, person, joint])


def prepare_keypoints(clip: Clip, *, frames: int, fill: Fill = "stretch") -> NDArray[np.float32]:
    """Key points of one clip in torso lengths about the clip's centre.

    All persons keep one origin (the mean of the persons' median body centres) and one scale
    (the mean of their median torso lengths), so their distance and sizes stay comparable.

    Args:
        clip: Tracked persons in BODY_25, key points (T, M, V, 3) in px.
        frames: T'.
        fill: How `to_length` gets there.

    Returns:
        (M, T', V, 3) float32: x, y in torso lengths (y down), confidence; absent joints are 0.

    Raises:
        StroiError: ``CLIP_EMPTY`` if no person has a joint.
    """
    keypoints = np.nan_to_num(clip.keypoints.astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    persons = [p for p in range(keypoints.shape[1]) if (keypoints[:, p, :, 2] > 0).any()]
    if not persons:
        raise _empty()
    centres, torsos = zip(*(_centre_and_torso(keypoints[:, p]) for p in persons), strict=True)
    confidence = keypoints[..., 2:]  # (T, M, V, 1)
    torso = float(np.mean(torsos)) or max(clip.height, 1) * TORSO_PER_HEIGHT
    position = (keypoints[..., :2] - np.mean(centres, axis=0)) / torso
    scaled = np.concatenate([position, confidence], axis=-1)  # (T, M, V, 3)
    resampled = to_length(np.where(confidence > 0, scaled, 0).astype(np.float32), frames, fill)
    return resampled.transpose(1, 0, 2, 3)  # (T', M, V, 3) -> (M, T', V, 3)


def prepare_all(
    clips: ClipSource,
    ids: Sequence[str],
    *,
    frames: int,
    fill: Fill = "stretch",
    align: Align = "none",
    allocate: Allocate | None = None,
) -> SkeletonSet:
    """Prepare many clips.

    Args:
        clips: Clips by sample id.
        ids: Which of them, in any order.
        frames: T'.
        fill: How `to_length` gets there.
        align: Which `body_rotation` a sensor's joints get.
        allocate: Makes `SkeletonSet.x`; in memory by default.

    Returns:
        The prepared clips, sorted by id.

    Raises:
        StroiError: ``CLIP_EMPTY`` naming the first clip without a person; ``LAYOUT`` or
            ``PEOPLE_OTHER`` if the clips are not of one form.
    """
    ordered = tuple(sorted(ids))
    first = clips[ordered[0]] if ordered else None
    layout, people = (layout_of(first), people_of(first)) if first else (BODY_25, PAPER_PEOPLE)
    shape = len(ordered), people, frames, len(layout.joints), 3
    x = np.empty(shape, np.float32) if allocate is None else allocate(shape)
    present = np.empty((len(ordered), people), np.bool_)
    for row, sample in enumerate(ordered):
        clip = clips[sample]
        try:
            _require_form(clip, layout, people)
            x[row] = prepare(clip, frames=frames, fill=fill, align=align)
        except StroiError as error:
            message = f"clip {sample}: {error.message}"
            raise StroiError(error.code, message, remedy=error.remedy) from None
        # Here, because flags of all coordinates of all clips would be a quarter of them.
        present[row] = (x[row] != 0).any((1, 2, 3))
    return SkeletonSet(ordered, x, present, layout)


def _require_form(clip: Clip | JointClip, layout: Layout, people: int) -> None:
    require_same_people(
        people, "the first clip", people_of(clip), "it", "train on clips of one skeletons.people"
    )
    if layout_of(clip) != layout:
        raise StroiError(
            "LAYOUT",
            f"its joints are {layout_of(clip).name}, those of the first clip {layout.name}",
            remedy="train on clips of one sensor",
        )


def _empty() -> StroiError:
    return StroiError(
        "CLIP_EMPTY", "no person has a single joint", remedy="leave this clip out of the index"
    )


def _centre_and_torso(person: NDArray[np.float32]) -> tuple[NDArray[np.float32], float]:
    """Median centre (2,) in px and torso length in px of one person (T, V, 3); 0 if unknown."""
    present = person[..., 2] > 0  # (T, V)
    hip, neck = BODY_25.index("mid_hip"), BODY_25.index("neck")
    anchor = next((j for j in (hip, neck) if present[:, j].any()), None)
    points = person[present] if anchor is None else person[present[:, anchor], anchor]
    centre = np.median(points[:, :2], axis=0)
    torso = present[:, hip] & present[:, neck]  # (T,)
    if torso.any():
        lengths = np.linalg.norm(person[torso, hip, :2] - person[torso, neck, :2], axis=-1)
        return centre, float(np.median(lengths))
    bottom = np.where(present, person[..., 1], -np.inf).max(1)
    top = np.where(present, person[..., 1], np.inf).min(1)
    return centre, float(np.median((bottom - top)[present.any(1)])) * TORSO_PER_HEIGHT
