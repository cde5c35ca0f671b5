"""Motions: phases of the twins, bones of constant length, projection."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stroi.stages.demo.body import arm_lengths, leg_lengths, reach
from stroi.stages.demo.camera import DISTANCE, Camera, camera
from stroi.stages.demo.clips import MOTION_PAIRS, PAIRS, plan_demo
from stroi.stages.demo.motions import MOTIONS
from stroi.stages.demo.pose_parts import phases
from stroi.stages.demo.randomisation import TICKS, Nuisance, draw_nuisance

NUISANCE = draw_nuisance(plan_demo(seed=0)[0])


def drawn(frames: int, tempo: int, phase: int) -> Nuisance:
    return replace(NUISANCE, frames=frames, tempo=tempo, phase=phase)


@settings(max_examples=100, deadline=None)
@given(
    frames=st.integers(30, 200),
    tempo=st.integers(200_000, 450_000),
    phase=st.integers(0, TICKS - 1),
)
def test_twins_meet_to_the_bit_at_the_sampled_frames(frames: int, tempo: int, phase: int) -> None:
    nuisance = drawn(frames, tempo, phase)
    slow, fast = phases(nuisance, fast=False), phases(nuisance, fast=True)
    sampled = np.arange(1, 6) * (frames // 6)
    assert np.array_equal(slow[sampled], fast[sampled])
    between = np.setdiff1d(np.arange(frames), np.arange(0, frames, frames // 6))
    assert (slow[between] != fast[between]).all()


@settings(max_examples=50, deadline=None)
@given(frames=st.integers(30, 200), tempo=st.integers(200_000, 450_000), fast=st.booleans())
def test_phases_advance_as_the_plan_says(frames: int, tempo: int, fast: bool) -> None:
    nuisance = drawn(frames, tempo, 123_456)
    step = frames // 6
    cycles = 0.123456 + (tempo / TICKS + fast) * np.arange(frames) / step
    expected = np.exp(2j * np.pi * cycles)
    np.testing.assert_allclose(np.exp(1j * phases(nuisance, fast=fast)), expected, atol=1e-9)


@pytest.mark.parametrize("pair", PAIRS)
def test_bones_keep_their_length(pair: str) -> None:
    clip = next(clip for clip in plan_demo(seed=4) if clip.pair == pair)
    nuisance = draw_nuisance(clip)
    frame = np.arange(nuisance.frames, dtype=np.float64)
    poses, _ = MOTIONS[pair](nuisance, phases(nuisance, fast=True), frame)
    for pose in poses:
        upper, fore = arm_lengths(pose.body)
        thigh, shin = leg_lengths(pose.body)
        for side in ("right", "left"):
            for start, end, length in (
                ("shoulder", "elbow", upper),
                ("elbow", "wrist", fore),
                ("hip", "knee", thigh),
                ("knee", "ankle", shin),
            ):
                bone = pose.points[f"{side}_{start}"] - pose.points[f"{side}_{end}"]
                np.testing.assert_allclose(np.linalg.norm(bone, axis=1), length, rtol=1e-9)


@pytest.mark.parametrize("pair", MOTION_PAIRS)
def test_motions_are_periodic_in_the_phase(pair: str) -> None:
    frame = np.zeros(40)
    phase = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    one, _ = MOTIONS[pair](NUISANCE, phase, frame)
    other, _ = MOTIONS[pair](NUISANCE, phase + 2 * np.pi, frame)
    for name, points in one[0].points.items():
        np.testing.assert_allclose(points, other[0].points[name], atol=1e-12, err_msg=name)
    wrists = one[0].points["right_wrist"]
    assert np.ptp(wrists, axis=0).max() > 0.10


def test_an_object_changes_hands_without_a_jump() -> None:
    clip = next(clip for clip in plan_demo(seed=2) if clip.pair == "give")
    nuisance = draw_nuisance(clip)
    frame = np.arange(nuisance.frames, dtype=np.float64)
    (giver, taker), (held_object,) = MOTIONS["give"](nuisance, frame, frame)
    hands = giver.points["left_hand"], taker.points["right_hand"]
    near = [np.linalg.norm(held_object.centre - hand, axis=1) for hand in hands]
    assert near[0][0] < 0.15 < near[1][0]
    assert near[1][-1] < 0.15 < near[0][-1]
    assert np.linalg.norm(np.diff(held_object.centre, axis=0), axis=1).max() < 0.12


@given(
    target=st.tuples(*[st.floats(-1, 1)] * 3).filter(lambda t: np.linalg.norm(t) > 0.05),
)
def test_reach_gets_there_or_points_at_it(target: tuple[float, float, float]) -> None:
    goal = np.array([target])
    pole = np.array([[0.3, -1.0, 0.21]])
    middle, end = reach(np.zeros((1, 3)), goal, (0.3, 0.25), pole)
    distance = float(np.linalg.norm(goal))
    np.testing.assert_allclose(np.linalg.norm(middle), 0.3, rtol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(end - middle), 0.25, rtol=1e-6)
    if 0.06 < distance < 0.548:
        np.testing.assert_allclose(end, goal, atol=1e-9)
    else:
        np.testing.assert_allclose(np.cross(end, goal), 0, atol=1e-9)


def test_projection_of_known_points() -> None:
    straight = Camera(yaw=0.0, height=0.9, focal=460.0, centre=(160.0, 120.0))
    pixels, scale = straight.project(np.array([[0, 0.9, 0], [0.5, 1.4, 0], [0.5, 0.9, 2.3]]))
    assert DISTANCE == 4.6
    np.testing.assert_allclose(pixels, [[160, 120], [210, 70], [260, 120]])
    np.testing.assert_allclose(scale, [100, 100, 200])


def test_cameras_stand_on_both_sides_and_wider_ones_follow() -> None:
    yaws = [camera(f"c{number}", NUISANCE, (320, 240)).yaw for number in range(1, 5)]
    assert yaws[2] < yaws[0] < 0 < yaws[1] < yaws[3]
