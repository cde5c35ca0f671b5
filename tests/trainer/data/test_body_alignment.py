"""A sensor's joints in a frame of their own: the camera's place is gone, nothing else is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stroi.cache.errors import StroiError
from stroi.cache.layouts import KINECT_V1
from stroi.cache.own_layouts import own_layout
from stroi.cache.skeletons3d import JointClip
from stroi.trainer.config import Align
from stroi.trainer.data.skeleton_input import prepare

ALIGNS: tuple[Align, ...] = ("heading", "body")
J = KINECT_V1.index
_ROWS = ("nose", "right_wrist", "left_wrist", "right_ankle", "left_ankle")


def clip(seed: int = 0, *, persons: int = 1, frames: int = 7) -> JointClip:
    """People of random pose and path, some joints absent."""
    random = np.random.default_rng(seed)
    position = random.normal(0, 0.3, (frames, 2, 20, 3)).astype(np.float32)
    position += random.normal(0, 0.1, (frames, 2, 1, 3)).cumsum(0).astype(np.float32)
    for part, up in (("shoulder", 0.5), ("hip", 0.0)):
        for side, right in (("left", -0.2), ("right", 0.2)):
            position[:, :, J(f"{side}_{part}")] += np.float32([right, up + 0.5, 0.1])
    state = random.integers(0, 5, (frames, 2, 20)).clip(0, 2).astype(np.uint8)
    state[0, 0] = 2
    state[:, persons:] = 0
    return JointClip(position * (state > 0)[..., None], state, persons, KINECT_V1, 30.0)


def about_vertical(angle: float) -> np.ndarray:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])


def turned(one: JointClip, matrix: np.ndarray, way: tuple[float, ...] = (0, 0, 0)) -> JointClip:
    position = (one.position @ matrix.T + way) * (one.state > 0)[..., None]
    return replace(one, position=position.astype(np.float32))


@settings(max_examples=25, derandomize=True, deadline=None)
@given(
    seed=st.integers(0, 99), angle=st.floats(-3.1, 3.1), persons=st.integers(1, 2),
    align=st.sampled_from(ALIGNS),
)  # fmt: skip
def test_turning_and_moving_the_whole_clip_changes_nothing(
    seed: int, angle: float, persons: int, align: Align
) -> None:
    one = clip(seed, persons=persons)
    other = turned(one, about_vertical(angle), (1.5, -0.2, 3.0))
    got = prepare(other, frames=9, align=align)
    np.testing.assert_allclose(got, prepare(one, frames=9, align=align), atol=1e-4)


def test_without_alignment_it_changes() -> None:
    one = clip()
    assert np.abs(prepare(turned(one, about_vertical(1)), frames=9) - prepare(one, frames=9)).max()
    np.testing.assert_array_equal(prepare(one, frames=9, align="none"), prepare(one, frames=9))


@settings(max_examples=25, derandomize=True, deadline=None)
@given(seed=st.integers(0, 99), lean=st.floats(-0.8, 0.8), angle=st.floats(-3.1, 3.1))
def test_an_upright_body_does_not_depend_on_the_cameras_tilt(
    seed: int, lean: float, angle: float
) -> None:
    one = clip(seed)
    c, s = np.cos(lean), np.sin(lean)
    tilt = about_vertical(angle) @ np.array([[1, 0, 0], [0, c, -s], [0, s, c]])
    got = prepare(turned(one, tilt), frames=9, align="body")
    np.testing.assert_allclose(got, prepare(one, frames=9, align="body"), atol=1e-4)


@pytest.mark.parametrize("align", ALIGNS)
def test_the_body_faces_one_way(align: Align) -> None:
    got = prepare(clip(3), frames=7, align=align)[0, 0]
    trunk = {side: [J(f"{side}_shoulder"), J(f"{side}_hip")] for side in ("left", "right")}
    across = got[trunk["right"]].mean(0) - got[trunk["left"]].mean(0)
    assert across[0] > 0
    assert across[2] == pytest.approx(0, abs=1e-5)
    if align == "body":
        up = got[[J("left_shoulder"), J("right_shoulder")]] - got[[J("left_hip"), J("right_hip")]]
        np.testing.assert_allclose(up.mean(0)[[0, 2]], 0, atol=1e-5)
        assert up.mean(0)[1] > 0


@pytest.mark.parametrize("align", ALIGNS)
def test_distances_stay_and_two_persons_share_one_frame(align: Align) -> None:
    one = clip(4, persons=2)
    one.state[:] = 2
    plain, got = prepare(one, frames=7), prepare(one, frames=7, align=align)
    for a in (0, 9, 19):
        for b in (2, 11):
            np.testing.assert_allclose(
                np.linalg.norm(got[0, :, a] - got[1, :, b], axis=-1),
                np.linalg.norm(plain[0, :, a] - plain[1, :, b], axis=-1),
                rtol=1e-4,
            )


def test_a_clip_that_never_shows_a_whole_trunk_is_left_as_it_is() -> None:
    one = clip(5)
    one.state[:, :, J("left_hip")] = 0
    np.testing.assert_array_equal(prepare(one, frames=7, align="body"), prepare(one, frames=7))


@pytest.mark.parametrize("align", ALIGNS)
def test_a_body_without_extent_is_left_as_it_is(align: Align) -> None:
    position = np.ones((3, 2, 20, 3), np.float32)
    state = np.zeros((3, 2, 20), np.uint8)
    state[:, 0] = 2
    position[:, 1] = 0
    one = JointClip(position, state, 1, KINECT_V1, 30.0)
    np.testing.assert_array_equal(prepare(one, frames=3, align=align), prepare(one, frames=3))


def test_a_layout_without_shoulders_is_refused_with_what_to_do() -> None:
    joints = ("head", "rh", "lh", "rf", "lf")
    layout = own_layout(
        "star",
        joints,
        [("head", joint) for joint in joints[1:]],
        "head",
        body25=dict(zip(_ROWS, joints, strict=True)),
    )
    position = np.random.default_rng(0).normal(0, 1, (4, 2, 5, 3)).astype(np.float32)
    one = JointClip(position, np.full((4, 2, 5), 2, np.uint8), 2, layout, 0.0)
    assert prepare(one, frames=6).shape == (2, 6, 5, 3)
    with pytest.raises(StroiError) as caught:
        prepare(one, frames=6, align="body")
    assert str(caught.value) == (
        "ALIGN: gcn.align is body, and star has no left_shoulder; set gcn.align to none, or name"
        " the joint in body25 of the layout"
    )
