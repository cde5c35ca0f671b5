"""Two people who are seen as one for a while, as in a hug."""

from __future__ import annotations

import numpy as np
import pytest
from walkers import Pose, detections, owners, walk

from stroi.stages.pose.tracking.merge_repair import repair_merges
from stroi.stages.pose.tracking.tracking import track

FRAMES = 120


def hug() -> tuple[Pose, Pose]:
    """Two who approach, stand together from frame 30 to 89, and step back again."""
    apart = 30 + 4 * np.maximum(0, np.abs(np.arange(FRAMES) - 59.5) - 30)
    return walk(300 - apart, seed=1), walk(300 + apart, seed=2, y=204)


@pytest.mark.parametrize("hidden", [0, 1], ids=["left hidden", "right hidden"])
def test_hug_is_two_identities(hidden: int) -> None:
    left, right = hug()
    gone = np.zeros((2, FRAMES), np.bool_)
    gone[hidden, 36:84] = True
    tracks = track(detections(left, right, gone=gone))
    assert owners(tracks, left, right) == [{0}, {1}]


@pytest.mark.parametrize("owner", [0, 1], ids=["left", "right"])
def test_merged_track_that_leaves_with_the_wrong_one_is_exchanged(owner: int) -> None:
    """The merged pair is found where `owner` stood, and afterwards taken for the other."""
    people = hug()
    mine, other = people[owner], people[1 - owner]
    tracks = np.zeros((3, FRAMES, 25, 3), np.float32)
    tracks[0, :84], tracks[0, 84:] = mine[:84], other[84:]
    tracks[1, :36] = other[:36]
    tracks[2, 84:] = mine[84:]
    joined = repair_merges(tracks)
    np.testing.assert_array_equal(joined[0], mine)
    np.testing.assert_array_equal(joined[1, 36:84], 0)
    np.testing.assert_array_equal(np.delete(joined[1], range(36, 84), 0),
                                  np.delete(other, range(36, 84), 0))  # fmt: skip


@pytest.mark.parametrize("owner", [0, 1], ids=["left", "right"])
def test_pause_after_which_sides_have_changed_is_exchanged(owner: int) -> None:
    people = hug()
    mine, other = people[owner], people[1 - owner]
    tracks = np.stack([mine, other])
    tracks[:, 84:] = tracks[::-1, 84:]
    tracks[1, 36:84] = 0
    joined = repair_merges(tracks)
    np.testing.assert_array_equal(joined[0], mine)
    np.testing.assert_array_equal(joined[1, 84:], other[84:])
    np.testing.assert_array_equal(joined[1, :36], other[:36])


def test_pause_of_someone_alone_changes_nothing() -> None:
    steps = np.arange(FRAMES)
    tracks = np.stack([walk(100.0 + 3 * steps, seed=1), walk(400.0 - 3 * steps, seed=2)])
    tracks[1, 5:30] = 0
    np.testing.assert_array_equal(repair_merges(tracks), tracks)


def test_short_merger_is_a_passing_by() -> None:
    people = hug()
    tracks = np.zeros((3, FRAMES, 25, 3), np.float32)
    tracks[0, :52], tracks[0, 52:] = people[0][:52], people[1][52:]
    tracks[1, :40] = people[1][:40]
    tracks[2, 52:] = people[0][52:]
    joined = repair_merges(tracks)
    np.testing.assert_array_equal(joined[0], tracks[0])
    np.testing.assert_array_equal(joined[1], tracks[1] + tracks[2])


def test_someone_who_leaves_alone_is_not_joined_to_a_new_comer() -> None:
    steps = np.arange(FRAMES)
    stays = walk(np.full(FRAMES, 100.0), seed=1)
    leaves, comes = walk(400 + 2.0 * steps, seed=2), walk(700 - 2.0 * steps, seed=3)
    gone = np.zeros((3, FRAMES), np.bool_)
    gone[1, 40:] = gone[2, :80] = True
    tracks = track(detections(stays, leaves, comes, gone=gone))
    assert owners(tracks, stays, leaves, comes) == [{0}, {1}, {2}]


def test_ghost_beside_the_pair_is_not_taken_for_the_hidden_one() -> None:
    left, right = hug()
    ghost = walk(np.full(FRAMES, 320.0), seed=5, y=190)
    gone = np.zeros((3, FRAMES), np.bool_)
    gone[1, 36:84] = True
    gone[2] = True
    gone[2, 58:61] = False
    tracks = track(detections(left, right, ghost, gone=gone))
    assert {0} in owners(tracks, left, right, ghost)
    assert any(1 in shown and 0 not in shown for shown in owners(tracks, left, right, ghost))
