"""What each stream shows, against a reading joint by joint."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from stroi.cache.layouts import BODY_25, KINECT_V1, KINECT_V2, LAYOUTS, Layout
from stroi.trainer.config import Stream
from stroi.trainer.models.input_streams import centre_per_frame, compute_stream, normalise_height
from stroi.trainer.models.skeleton_graph import hop_distance, parents

STREAMS: tuple[Stream, ...] = ("joint", "bone", "joint_motion", "bone_motion")


def clips(layout: Layout, seed: int = 0, missing: float = 0.2) -> np.ndarray:
    """Two clips (2, 2, 5, V, 3) with holes; confidences above 0 where the layout has them."""
    random = np.random.default_rng(seed)
    x = random.normal(0, 1, (2, 2, 5, len(layout.joints), 3)).astype(np.float32)
    if layout is BODY_25:
        x[..., 2] = random.uniform(0.1, 1, x.shape[:-1])
    x[random.random(x.shape[:-1]) < missing] = 0
    return x


def read(x: np.ndarray, layout: Layout, stream: Stream) -> np.ndarray:
    """The stream, one joint of one frame at a time."""

    def between(end: np.ndarray, start: np.ndarray) -> np.ndarray:
        if not end.any() or not start.any():
            return np.zeros(3, np.float32)
        way = end - start
        if layout is BODY_25:
            way[2] = min(end[2], start[2])
        return way

    inner = parents(layout)
    if stream.startswith("bone"):
        bones = np.zeros_like(x)
        for index in np.ndindex(x.shape[:4]):
            bones[index] = between(x[index], x[(*index[:3], inner[index[3]])])
        x = bones
    if not stream.endswith("motion"):
        return x
    moves = np.zeros_like(x)
    for n, m, t, v in np.ndindex(x.shape[:4]):
        if t + 1 < x.shape[2]:
            moves[n, m, t, v] = between(x[n, m, t + 1, v], x[n, m, t, v])
    return moves


@pytest.mark.parametrize("stream", STREAMS)
@pytest.mark.parametrize("layout", [BODY_25, KINECT_V1], ids=lambda layout: layout.name)
def test_streams_against_a_reading_joint_by_joint(layout: Layout, stream: Stream) -> None:
    x = clips(layout)
    got = compute_stream(torch.from_numpy(x), layout, stream).numpy()
    np.testing.assert_allclose(got, read(x, layout, stream), atol=1e-6)


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=lambda layout: layout.name)
def test_bones_point_away_from_the_centre(layout: Layout) -> None:
    inner = parents(layout)
    centre = layout.index(layout.centre)
    far = hop_distance(layout, centre)
    edges = {frozenset(edge) for edge in layout.edges}
    assert inner[centre] == centre
    for joint in set(range(len(layout.joints))) - {centre}:
        assert far[inner[joint]] == far[joint] - 1
        assert frozenset((joint, inner[joint])) in edges


def test_bones_by_name() -> None:
    names = KINECT_V2.joints
    inner = {name: names[parents(KINECT_V2)[j]] for j, name in enumerate(names)}
    assert inner["left_hand"] == "left_wrist"
    assert inner["spine_base"] == "spine_mid"
    assert inner["head"] == "neck"


@settings(max_examples=15, derandomize=True, deadline=None)
@given(seed=st.integers(0, 99), x=st.floats(-3, 3), y=st.floats(-3, 3))
def test_where_a_clip_stands_changes_no_bone_and_no_motion(seed: int, x: float, y: float) -> None:
    here = torch.from_numpy(clips(KINECT_V1, seed, missing=0))
    there = here + torch.tensor([x, y, 1.0])
    for stream in STREAMS[1:]:
        torch.testing.assert_close(
            compute_stream(there, KINECT_V1, stream), compute_stream(here, KINECT_V1, stream),
            rtol=0, atol=1e-5,
        )  # fmt: skip


def test_an_absent_person_stays_absent() -> None:
    x = torch.from_numpy(clips(KINECT_V1))
    x[:, 1] = 0
    for stream in STREAMS:
        assert not compute_stream(x, KINECT_V1, stream)[:, 1].any()


@pytest.mark.parametrize("layout", [BODY_25, KINECT_V1], ids=lambda layout: layout.name)
def test_centred_joints_against_a_reading_joint_by_joint(layout: Layout) -> None:
    x = clips(layout, seed=3)
    x[1, 1, :, layout.index(layout.centre)] = 0
    got = centre_per_frame(torch.from_numpy(x), layout).numpy()
    joint = layout.index(layout.centre)
    for n, m, t, v in np.ndindex(x.shape[:4]):
        known = np.flatnonzero(x[n, m, :, joint].any(-1))
        expected = x[n, m, t, v].copy()
        if expected.any() and v != joint and len(known):
            path = x[n, m, known[np.abs(known - t).argmin()], joint].copy()
            path[2] *= layout is not BODY_25
            expected -= path
        np.testing.assert_allclose(got[n, m, t, v], expected, atol=1e-6)


def test_centring_is_for_joints_and_their_motion() -> None:
    x = torch.from_numpy(clips(KINECT_V1))
    for stream in STREAMS:
        got = compute_stream(x, KINECT_V1, stream, "frame")
        if stream.startswith("bone"):
            assert torch.equal(got, compute_stream(x, KINECT_V1, stream))
        else:
            expected = compute_stream(centre_per_frame(x, KINECT_V1), KINECT_V1, stream)
            torch.testing.assert_close(got, expected)


@pytest.mark.parametrize("layout", [BODY_25, KINECT_V1], ids=lambda layout: layout.name)
def test_clips_of_one_height_against_a_reading_clip_by_clip(layout: Layout) -> None:
    x = clips(layout, seed=5)
    got = normalise_height(torch.from_numpy(x), layout).numpy()
    axes = 2 if layout is BODY_25 else 3
    for before, after in zip(x, got, strict=True):
        there = before.any(-1)
        places = before[there][:, :axes]
        middle = (places.max(0) + places.min(0)) / 2
        expected = (places - middle) * 2 / np.ptp(places[:, 1])
        np.testing.assert_allclose(after[there][:, :axes], expected, rtol=1e-4, atol=1e-5)
        np.testing.assert_array_equal(after[..., axes:], before[..., axes:])
        assert not after[~there].any()
        np.testing.assert_allclose(np.ptp(after[there][:, 1]), 2, rtol=1e-5)


def test_where_and_how_large_does_not_matter_to_clips_of_one_height() -> None:
    x = torch.from_numpy(clips(KINECT_V1))
    there = (x != 0).any(-1, keepdim=True)
    elsewhere = torch.where(there, 3 * x + torch.tensor([1.0, -2.0, 0.5]), 0)
    for stream in STREAMS:
        got = compute_stream(elsewhere, KINECT_V1, stream, "frame", "clip")
        expected = compute_stream(x, KINECT_V1, stream, "frame", "clip")
        torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-5)


def test_clips_without_a_height_stay_finite() -> None:
    x = torch.zeros(2, 2, 4, 20, 3)
    x[1, 0, 1, 3] = 0.5
    got = normalise_height(x, KINECT_V1)
    assert torch.isfinite(got).all()
    assert torch.equal((got != 0).any(-1), (x != 0).any(-1))


def test_a_walk_moves_the_centre_alone() -> None:
    stand = torch.from_numpy(clips(KINECT_V1, missing=0))
    walk = stand + torch.linspace(0, 2, 5)[:, None, None]
    joint = KINECT_V1.index(KINECT_V1.centre)
    got, expected = centre_per_frame(walk, KINECT_V1), centre_per_frame(stand, KINECT_V1)
    others = [j for j in range(20) if j != joint]
    torch.testing.assert_close(got[..., others, :], expected[..., others, :])
    assert torch.equal(got[..., joint, :], walk[..., joint, :])
