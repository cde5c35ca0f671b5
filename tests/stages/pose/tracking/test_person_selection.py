"""Who is a clip's subject: by persistence, size and confidence over the whole clip."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from walkers import Pose, detections, walk

from stroi.cache.errors import ClipRejected
from stroi.stages.pose.tracking.person_selection import fill_gaps, main_persons
from stroi.stages.pose.tracking.tracking import track

FRAMES = 40


def still(x: float, *, seed: int = 1, size: float = 1.0, seen: slice = slice(None)) -> Pose:
    poses = walk(np.full(FRAMES, x), seed=seed, size=size)
    shown = np.zeros_like(poses)
    shown[seen] = poses[seen]
    return shown


def test_one_person() -> None:
    only = still(300)
    keypoints, count = main_persons(only[None])
    assert (keypoints.shape, keypoints.dtype, count) == ((FRAMES, 2, 25, 3), np.float32, 1)
    np.testing.assert_array_equal(keypoints[:, 0], only)
    assert not keypoints[:, 1].any()


def test_two_persons_left_one_first_whatever_the_order_of_tracks() -> None:
    left, right, ghost = still(150, size=0.8), still(450), still(600, seen=slice(5, 12))
    for order in itertools.permutations((left, right, ghost)):
        keypoints, count = main_persons(np.stack(order))
        assert count == 2
        np.testing.assert_array_equal(keypoints[:, 0], left)
        np.testing.assert_array_equal(keypoints[:, 1], right)


def test_second_person_needs_evidence() -> None:
    main = still(300)
    cases = {
        "half": (still(500, seen=slice(0, 20)), 2),
        "less than half": (still(500, seen=slice(0, 19)), 1),
        "half as tall": (still(500, size=0.55), 2),
        "far in the background": (still(500, size=0.45), 1),
    }
    for case, (other, expected) in cases.items():
        assert main_persons(np.stack([main, other]))[1] == expected, case
    small = np.stack([main, still(500, size=0.45, seen=slice(0, 12))])
    assert main_persons(small, min_presence=0.3, min_relative_size=0.4)[1] == 2


def test_param_forces_the_number() -> None:
    both = np.stack([still(150), still(450, size=0.4, seen=slice(0, 10))])
    keypoints, count = main_persons(both, subjects=2)
    assert count == 2
    assert keypoints[:10, 1].any()
    keypoints, count = main_persons(np.stack([still(150), still(450)]), subjects=1)
    assert count == 1
    assert not keypoints[:, 1].any()
    keypoints, count = main_persons(still(450)[None], subjects=2)
    assert count == 2
    assert not keypoints[:, 1].any()


@pytest.mark.parametrize("people", [1, 2, 3, 4])
def test_up_to_so_many_are_kept_from_left_to_right(people: int) -> None:
    """By rank, which is size here; the fifth is too small, the sixth is too short."""
    places, sizes = (450, 150, 600, 300, 800, 50), (1.0, 0.9, 0.8, 0.7, 0.4, 2.0)
    tracks = [still(x, size=size) for x, size in zip(places, sizes, strict=True)]
    tracks[5] = still(50, size=2.0, seen=slice(0, 15))
    for order in ((0, 1, 2, 3, 4, 5), (5, 3, 0, 4, 2, 1)):
        keypoints, count = main_persons(np.stack([tracks[at] for at in order]), people=people)
        assert (keypoints.shape, count) == ((FRAMES, people, 25, 3), people)
        kept = sorted(range(people), key=places.__getitem__)
        np.testing.assert_array_equal(keypoints, np.stack([tracks[at] for at in kept], axis=1))
    alone, count = main_persons(tracks[0][None], people=people, subjects=people)
    assert (alone.shape[1], count) == (people, people)
    assert not alone[:, 1:].any()


def test_near_person_is_preferred_to_a_far_and_a_faint_one() -> None:
    faint = still(100)
    faint[..., 2] *= 0.4
    near, far = still(300, seen=slice(0, 36)), still(500, size=0.6)
    keypoints, _ = main_persons(np.stack([faint, far, near]), subjects=1)
    np.testing.assert_array_equal(keypoints[:, 0], near)


def test_bystanders_ghosts_and_late_comers() -> None:
    """Of everybody that a clip shows: two act, one of them late, the others do not count."""
    steps = np.arange(FRAMES)
    actor, late = still(250), still(400, seen=slice(16, FRAMES))
    behind = walk(np.full(FRAMES, 600.0), seed=7, y=60, size=0.3)
    passes = walk(700.0 + 5 * steps, seed=8, size=0.9)
    passes[12:] = 0
    ghost = still(100, size=1.5, seen=slice(3, 6))
    tracks = track(detections(behind, actor, passes, late, ghost))
    assert len(tracks) == 5
    keypoints, count = main_persons(tracks)
    assert count == 2
    np.testing.assert_array_equal(keypoints[:, 0], actor)
    np.testing.assert_array_equal(keypoints[:, 1], late)


def test_two_who_change_sides_keep_their_columns() -> None:
    """Left is who stands further left over the whole clip, in every frame alike."""
    away = 10.0 * (np.arange(FRAMES) - 25)
    starts_left, starts_right = walk(300 + away, seed=1), walk(300 - away, seed=2, y=204)
    for order in ((starts_left, starts_right), (starts_right, starts_left)):
        keypoints, count = main_persons(np.stack(order))
        assert count == 2
        np.testing.assert_array_equal(keypoints[:, 0], starts_left)
        np.testing.assert_array_equal(keypoints[:, 1], starts_right)


@pytest.mark.parametrize("frames", [0, 3])
def test_nobody_or_a_ghost_alone_is_refused(frames: int) -> None:
    ghost = still(300, seen=slice(7, 7 + frames))
    tracks = track(detections(ghost))
    with pytest.raises(ClipRejected) as caught:
        main_persons(tracks)
    assert str(caught.value) == (
        "NO_PERSON: nobody is seen in 10% of the 40 frames; "
        "leave the clip out, or use a larger estimator image if people are small"
    )


def test_no_frames_are_nobody() -> None:
    with pytest.raises(ClipRejected, match="of the 0 frames"):
        main_persons(track([]))


def test_short_gap_is_a_line_between_its_ends() -> None:
    path = np.zeros((1, 9, 25, 3), np.float32)
    path[0, 1, 4], path[0, 5, 4], path[0, 6, 4] = (10, 20, 0.5), (50, 0, 0.8), (60, 0, 0.9)
    filled = fill_gaps(path, 3)
    np.testing.assert_allclose(filled[0, 2:5, 4], [(20, 15, 0.45), (30, 10, 0.45), (40, 5, 0.45)])
    filled[0, 2:5, 4] = 0
    np.testing.assert_array_equal(filled, path)


@pytest.mark.parametrize("longest", [0, 2])
def test_long_gap_and_open_ends_stay_absent(longest: int) -> None:
    path = np.zeros((1, 9, 25, 3), np.float32)
    path[0, 1, 4], path[0, 5, 4] = (10, 20, 0.5), (50, 0, 0.8)
    np.testing.assert_array_equal(fill_gaps(path, longest), path)


def test_gaps_of_a_subject_are_filled_by_default() -> None:
    only = still(300)
    only[10:13, 4] = 0
    assert main_persons(only[None])[0][11, 0, 4, 2] == pytest.approx(0.54)
    assert main_persons(only[None], fill_gap=0)[0][11, 0, 4, 2] == 0
