"""Who of a Kinect's bodies is a person: by evidence, and not by order, id or label."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ntu_people import Joints, colour, furniture, person
from numpy.typing import NDArray

from stroi.cache.errors import ClipRejected
from stroi.stages.sensors.bodies import (
    MAX_BODIES,
    MAX_GAP,
    MAX_STEP,
    Person,
    follow,
    main_bodies,
    motion,
    wide_share,
)
from stroi.stages.sensors.ntu_skeleton import Body, NtuSkeleton

T = 40
EVERY = range(T)
ID = 72057594037944738


def body(name: int, frames: range, joints: Joints, states: NDArray[np.uint8] | None = None) -> Body:
    return Body(
        name,
        np.array(frames, np.int32),
        joints.astype(np.float32),
        colour(joints).astype(np.float32),
        np.full(joints.shape[:2], 2, np.uint8) if states is None else states,
    )


def chosen(*bodies: Body, frames: int = T) -> tuple[Person, ...]:
    ordered = tuple(sorted(bodies, key=lambda one: one.id))
    return main_bodies(NtuSkeleton(frames, ordered), "x.skeleton")


def ids(*bodies: Body) -> list[int]:
    return [one.id for one in chosen(*bodies)]


def test_one_person_in_every_frame() -> None:
    joints = person(T, at=0)
    (one,) = chosen(body(ID, EVERY, joints))
    np.testing.assert_array_equal(one.joints, joints.astype(np.float32), strict=True)
    np.testing.assert_array_equal(one.pixels, colour(joints).astype(np.float32), strict=True)
    np.testing.assert_array_equal(one.states, np.full((T, 25), 2, np.uint8), strict=True)


def test_the_left_one_is_first_whatever_the_ids() -> None:
    left, right = person(T, at=-0.6, seed=1), person(T, at=0.6, seed=2)
    assert ids(body(5, EVERY, left), body(7, EVERY, right)) == [5, 7]
    assert ids(body(9, EVERY, left), body(7, EVERY, right)) == [9, 7]


@pytest.mark.parametrize("people", [1, 2, 3, 4])
def test_up_to_so_many_are_kept(people: int) -> None:
    """Those who move most, from left to right; who stands like a statue never counts."""
    waves, places = (0.4, 0.3, 0.2, 0.1), (0.6, -0.6, 1.2, -1.2)
    movers = [
        body(7 + at, EVERY, person(T, at=place, wave=wave, seed=at))
        for at, (place, wave) in enumerate(zip(places, waves, strict=True))
    ]
    statue = body(20, EVERY, np.repeat(person(T, at=2, seed=9)[:1], T, axis=0))
    found = main_bodies(NtuSkeleton(T, (*movers, statue)), "x.skeleton", people)
    assert [one.id for one in found] == sorted(range(7, 7 + people), key=lambda n: places[n - 7])


def test_furniture_is_dropped_though_it_moves_most() -> None:
    couch, reader = furniture(T, at=1), person(T, at=0, wave=0.02)
    one, other = body(1, EVERY, couch), body(2, EVERY, reader)
    assert motion(one) > 100 * motion(other)
    assert (wide_share(one), wide_share(other)) == (1, 0)
    assert ids(one, other) == [2]


def test_who_is_alone_is_kept_even_if_wide() -> None:
    assert ids(body(1, EVERY, furniture(T, at=0))) == [1]


def test_somebody_who_falls_is_no_furniture() -> None:
    standing, lying = person(T // 2, at=0), person(T // 2, at=0)
    lying[..., (0, 1)] = lying[..., (1, 0)]
    fallen = body(1, EVERY, np.concatenate([standing, lying]))
    assert wide_share(fallen) == 0.5
    assert ids(fallen, body(2, EVERY, person(T, at=1))) == [1, 2]


def test_a_third_body_that_moves_less_is_left_out() -> None:
    waves = {1: 0.05, 2: 0.5, 3: 0.4}
    bodies = [body(n, EVERY, person(T, at=n - 2.0, wave=wave)) for n, wave in waves.items()]
    assert ids(*bodies) == [2, 3]


def test_the_second_needs_persistence() -> None:
    first = body(1, EVERY, person(T, at=0, wave=0.1))

    def passing(frames: int) -> Body:
        return body(2, range(frames), person(frames, at=1.5, wave=0.9))

    assert ids(first, passing(T // 3)) == [1]
    assert ids(first, passing(T // 3 + 1)) == [1, 2]


def test_the_second_needs_motion() -> None:
    first = body(1, EVERY, person(T, at=0))
    picture = body(2, EVERY, person(T, at=1, wave=0, sway=0.001))
    listener = body(3, EVERY, person(T, at=1, wave=0, sway=0.01))
    assert ids(first, picture) == [1]
    assert ids(first, listener) == [1, 3]


def test_a_brief_ghost_does_not_take_the_place_of_a_quiet_person() -> None:
    reader = body(2, EVERY, person(T, at=0, wave=0.02))
    ghost = body(1, range(5), person(5, at=1, sway=1.0))
    assert motion(ghost) > 100 * motion(reader)
    assert ids(reader, ghost) == [2]


def test_equal_people_are_ordered_by_id() -> None:
    same = person(T, at=0)
    assert ids(body(8, EVERY, same), body(7, EVERY, same)) == [7, 8]
    assert ids(*(body(n, EVERY, same) for n in (9, 8, 7))) == [7, 8]


def test_a_person_under_a_new_id_is_one_person() -> None:
    joints = person(T, at=0)
    parts = (body(9, range(20), joints[:20]), body(3, range(25, T), joints[25:]))
    (one,) = chosen(*parts)
    assert one.id == 3
    assert one.states.any(axis=1).tolist() == [True] * 20 + [False] * 5 + [True] * 15
    np.testing.assert_array_equal(one.joints[25:], joints[25:].astype(np.float32))


@pytest.mark.parametrize(
    ("gap", "step", "people"),
    [
        (1, 0.0, 1),
        (MAX_GAP, 0.0, 1),
        (MAX_GAP + 1, 0.0, 2),
        (1, MAX_STEP - 0.05, 1),
        (1, MAX_STEP + 0.05, 2),
    ],
)
def test_near_in_time_and_place(gap: int, step: float, people: int) -> None:
    one = body(1, range(10), person(10, at=0, sway=0, wave=0))
    other = body(2, range(9 + gap, 19 + gap), person(10, at=step, sway=0, wave=0))
    assert len(follow([one, other])) == people


def test_two_who_come_back_at_once_keep_apart() -> None:
    bodies = [
        body(1, range(10), person(10, at=0)),
        body(2, range(10), person(10, at=0.4)),
        body(3, range(12, 20), person(8, at=0.45)),
        body(4, range(12, 20), person(8, at=0.05)),
    ]
    assert [(one.id, one.frames.tolist()) for one in follow(bodies)] == [
        (1, [*range(10), *range(12, 20)]),
        (2, [*range(10), *range(12, 20)]),
    ]
    first, second = follow(bodies)
    assert first.joints[10:, :, 0].mean() < second.joints[10:, :, 0].mean()


def test_bodies_at_the_same_time_are_never_one() -> None:
    same = person(T, at=0)
    assert len(follow([body(1, EVERY, same), body(2, range(5, 15), same[5:15])])) == 2


def test_joints_that_are_not_tracked_are_zero_and_count_for_nothing() -> None:
    states = np.full((T, 25), 2, np.uint8)
    states[:, 3], states[7], states[8, 4] = 0, 0, 1
    wild = person(T, at=0)
    wild[:, 3], wild[7] = 1e5, -1e5
    (one,) = chosen(body(1, EVERY, wild, states))
    assert one.states[8, 4] == 1
    np.testing.assert_array_equal(one.states, states)
    assert not one.joints[states == 0].any()
    assert not one.pixels[states == 0].any()
    assert motion(body(1, EVERY, wild, states)) == pytest.approx(plain_motion(wild, states))
    assert motion(body(1, EVERY, wild, states)) < 10


def plain_motion(joints: Joints, states: NDArray[np.uint8]) -> float:
    """Joint by joint, with numpy's own variance."""
    single = joints.astype(np.float32).astype(float)
    return sum(
        single[states[:, joint] > 0, joint].var(axis=0).sum()
        for joint in range(25)
        if states[:, joint].any()
    )


@settings(max_examples=30, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10**6))
def test_motion_is_the_sum_of_variances(seed: int) -> None:
    random = np.random.default_rng(seed)
    joints = random.normal(0, 1, (9, 25, 3))
    states = random.integers(0, 3, (9, 25)).astype(np.uint8)
    found = motion(body(1, range(9), joints, states))
    assert found == pytest.approx(plain_motion(joints, states), rel=1e-6)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(names=st.permutations(range(4)), shift=st.integers(0, 10**15))
def test_the_choice_is_the_same_for_any_ids(names: list[int], shift: int) -> None:
    people = [person(T, at=n - 1.5, wave=0.1 + 0.1 * n, seed=n) for n in range(4)]
    renamed = [body(name + shift, EVERY, one) for name, one in zip(names, people, strict=True)]
    found = chosen(*renamed)
    for one, expected in zip(found, people[2:], strict=True):
        np.testing.assert_array_equal(one.joints, expected.astype(np.float32))


def test_nobody_tracked() -> None:
    untracked = body(1, EVERY, person(T, at=0), np.zeros((T, 25), np.uint8))
    with pytest.raises(ClipRejected, match=r"SKEL_EMPTY: 'x.skeleton': no joint of anybody is"):
        chosen(untracked)


def test_too_many_ids() -> None:
    one = person(1, at=0)
    many = [body(n, range(n, n + 1), one) for n in range(MAX_BODIES + 1)]
    with pytest.raises(ClipRejected, match=r"SKEL_COUNT: 'x.skeleton': 1001 bodies, at most 1000"):
        chosen(*many, frames=len(many))
