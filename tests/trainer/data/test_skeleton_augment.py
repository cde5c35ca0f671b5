"""Random changes of training clips: what they keep, and what they depend on."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from stroi.cache.layouts import BODY_25, KINECT_V1, Layout
from stroi.trainer.config import SkeletonAugment
from stroi.trainer.data.skeleton_augment import augment_skeletons, epoch_draws

ALL = SkeletonAugment(
    rotate=60, tilt=15, scale=0.2, shear=0.1, time_crop=0.6, time_jitter=1.0, flip=0.5,
    drop_frames=0.1, drop_joints=0.1, time_warp=0.5,
)  # fmt: skip


def clips(layout: Layout = KINECT_V1, count: int = 4, frames: int = 9) -> Tensor:
    random = torch.Generator().manual_seed(1)
    x = torch.randn(count, 2, frames, len(layout.joints), 3, generator=random)
    x[1::2, 1] = 0
    return x


def draws(x: Tensor, seed: int = 0, epoch: int = 0) -> Tensor:
    return epoch_draws(len(x), frames=x.shape[2], joints=x.shape[3], seed=seed, epoch=epoch)


def changed(x: Tensor, how: SkeletonAugment, layout: Layout = KINECT_V1, seed: int = 0) -> Tensor:
    return augment_skeletons(x, draws(x, seed), how, layout)


def test_nothing_is_the_default() -> None:
    x = clips()
    assert changed(x, SkeletonAugment()) is x


def test_draws_depend_on_seed_epoch_and_row_alone() -> None:
    x = clips(count=6)
    again = draws(x, 3, 5)
    assert torch.equal(again, draws(x, 3, 5))
    assert not torch.equal(again, draws(x, 3, 6))
    assert not torch.equal(again, draws(x, 4, 5))
    assert again.shape == (6, 13 + 3 * 9 + 20)
    assert bool(((again >= 0) & (again < 1)).all())


@pytest.mark.parametrize("layout", [BODY_25, KINECT_V1], ids=lambda layout: layout.name)
def test_batch_mates_and_order_change_nothing(layout: Layout) -> None:
    x = clips(layout)
    whole, decided = changed(x, ALL, layout), draws(x)
    for rows in ([2, 0], [3], [1, 2, 3]):
        part = augment_skeletons(x[rows], decided[rows], ALL, layout)
        torch.testing.assert_close(part, whole[rows], rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", SkeletonAugment.model_fields)
def test_every_setting_does_something_and_leaves_the_clip_given_as_it_was(name: str) -> None:
    x = clips()
    before = x.clone()
    how = SkeletonAugment().replace(**{name: getattr(ALL, name)})
    assert not torch.equal(changed(x, how), x)
    assert torch.equal(x, before)


def test_absent_persons_and_joints_stay_absent() -> None:
    x = clips()
    x[:, :, :, 5] = 0
    got = changed(x, ALL.replace(flip=0.0))
    assert not got[1::2, 1].any()
    assert not got[:, :, :, 5].any()
    assert torch.isfinite(got).all()


@settings(max_examples=15, derandomize=True, deadline=None)
@given(seed=st.integers(0, 999), rotate=st.floats(1, 180), tilt=st.floats(0, 90))
def test_turning_keeps_all_distances(seed: int, rotate: float, tilt: float) -> None:
    x = clips(count=2)
    got = changed(x, SkeletonAugment(rotate=rotate, tilt=tilt), seed=seed)
    for a, b in ((x, got), (x - x[:, :, :, :1], got - got[:, :, :, :1])):
        torch.testing.assert_close(b.norm(dim=-1), a.norm(dim=-1), rtol=1e-4, atol=1e-5)


def test_rotation_is_about_the_vertical_and_tilt_is_not() -> None:
    x = clips()
    torch.testing.assert_close(changed(x, SkeletonAugment(rotate=90))[..., 1], x[..., 1])
    tilted = changed(x, SkeletonAugment(tilt=20))
    assert not torch.allclose(tilted[..., 1], x[..., 1])


def test_turns_reach_as_far_as_they_are_told_and_both_ways() -> None:
    x = torch.zeros(400, 2, 1, 20, 3)
    x[..., 0] = 1
    got = changed(x, SkeletonAugment(rotate=30))[:, 0, 0, 0].numpy()
    angle = np.degrees(np.arctan2(got[:, 2], got[:, 0]))
    assert -30 <= angle.min() < -28
    assert 28 < angle.max() <= 30


def test_both_persons_are_changed_alike() -> None:
    x = clips()
    x[:, 1] = x[:, 0]
    got = changed(x, ALL)
    assert torch.equal(got[:, 0], got[:, 1])


def test_scale_is_one_factor_for_a_clip() -> None:
    x = clips()
    share = changed(x, SkeletonAugment(scale=0.2)) / x
    for n in range(len(x)):
        seen = share[n][~share[n].isnan()]
        torch.testing.assert_close(seen, seen[:1].expand(len(seen)))
        assert 0.8 <= float(seen[0]) <= 1.2


@pytest.mark.parametrize(("layout", "axes"), [(KINECT_V1, 3), (BODY_25, 2)], ids=["3D", "2D"])
def test_shear_adds_every_axis_to_every_other_by_shares_of_their_own(
    layout: Layout, axes: int
) -> None:
    """Unit vectors tell the matrix; a picture's third number is a confidence, not an axis."""
    x = torch.zeros(400, 2, 1, len(layout.joints), 3)
    x[:, :, 0, :3] = torch.eye(3)
    matrix = changed(x, SkeletonAugment(shear=0.1), layout)[:, 0, 0, :3].numpy()
    off = ~np.eye(3, dtype=bool)
    off[axes:], off[:, axes:] = False, False
    shares = matrix[:, off]
    assert np.abs(shares).max() <= 0.1
    assert (shares.min(0) < -0.095).all()
    assert (shares.max(0) > 0.095).all()
    alike = np.corrcoef(shares.T)
    assert np.abs(alike[~np.eye(len(alike), dtype=bool)]).max() < 0.2
    np.testing.assert_array_equal(matrix[:, ~off], np.tile(np.eye(3)[~off], (400, 1)))


def test_crop_shows_a_window_stretched_to_the_whole_length() -> None:
    frames = 21
    x = torch.arange(1.0, frames + 1)[None, None, :, None, None].expand(64, 2, frames, 20, 3)
    got = changed(x.contiguous(), SkeletonAugment(time_crop=0.5))[:, 0, :, 0, 0]
    step = got.diff(dim=1)
    torch.testing.assert_close(step, step[:, :1].expand_as(step), rtol=0, atol=1e-4)
    shown = got[:, -1] - got[:, 0]
    assert 0.5 * (frames - 1) - 1e-4 <= float(shown.min()) < 0.6 * (frames - 1)
    assert float(got.min()) >= 1
    assert float(got.max()) <= frames


def test_jitter_keeps_the_order_of_frames_and_stays_near() -> None:
    frames = 21
    x = torch.arange(1.0, frames + 1)[None, None, :, None, None].expand(8, 2, frames, 20, 3)
    got = changed(x.contiguous(), SkeletonAugment(time_jitter=1.0))[:, 0, :, 0, 0]
    assert (got.diff(dim=1) >= -1e-5).all()
    assert (got - torch.arange(1.0, frames + 1)).abs().max() <= 0.5 + 1e-5


@pytest.mark.parametrize("warp", [0.3, 1.0])
def test_warp_keeps_order_and_ends_and_varies_the_steps(warp: float) -> None:
    frames = 21
    x = torch.arange(1.0, frames + 1)[None, None, :, None, None].expand(400, 2, frames, 20, 3)
    step = changed(x.contiguous(), SkeletonAugment(time_warp=warp))[:, 0, :, 0, 0].diff(dim=1)
    assert float(step.min()) >= 1 - warp - 1e-4
    torch.testing.assert_close(step.sum(1), torch.full((400,), frames - 1.0))
    # A stick of length n broken at random into n pieces: their variance is (n - 1) / (n + 1).
    pieces = frames - 1
    spread = warp * ((pieces - 1) / (pieces + 1)) ** 0.5
    assert float(step.std()) == pytest.approx(spread, rel=0.05)


def test_nothing_is_read_between_a_present_and_an_absent_joint() -> None:
    x = torch.full((16, 2, 9, 20, 3), 5.0)
    x[:, :, 4:] = 0
    got = changed(x, SkeletonAugment(time_crop=0.5, time_jitter=1.0))
    assert set(got.unique().tolist()) == {0.0, 5.0}


def test_a_flip_exchanges_left_and_right() -> None:
    x = clips()
    got = changed(x, SkeletonAugment(flip=1.0))
    left, right = KINECT_V1.index("left_hand"), KINECT_V1.index("right_hand")
    expected = x[:, :, :, right] * torch.tensor([-1.0, 1.0, 1.0])
    torch.testing.assert_close(got[:, :, :, left], expected)
    twice = augment_skeletons(got, draws(x), SkeletonAugment(flip=1.0), KINECT_V1)
    torch.testing.assert_close(twice, x)


def test_pictures_turn_within_the_picture_and_keep_their_confidence() -> None:
    x = clips(BODY_25)
    x[..., 2] = x[..., 2].abs()
    assert torch.equal(changed(x, SkeletonAugment(rotate=90), BODY_25), x)
    got = changed(x, SkeletonAugment(rotate=90, tilt=30, scale=0.2, shear=0.1), BODY_25)
    torch.testing.assert_close(got[..., 2], x[..., 2])
    turned = changed(x, SkeletonAugment(tilt=30), BODY_25)
    assert not torch.allclose(turned[..., 0], x[..., 0])
    torch.testing.assert_close(turned[..., :2].norm(dim=-1), x[..., :2].norm(dim=-1))


def test_hidden_joints_are_hidden_in_every_frame_and_frames_in_every_joint() -> None:
    x = clips(count=50)
    joints = (changed(x, SkeletonAugment(drop_joints=0.3)) == 0).all(-1)[:, 0]
    assert torch.equal(joints.all(1), joints.any(1))
    assert 0.2 < float(joints.float().mean()) < 0.4
    frames = (changed(x, SkeletonAugment(drop_frames=0.3)) == 0).all(-1)[:, 0]
    assert torch.equal(frames.all(2), frames.any(2))
    assert 0.2 < float(frames.float().mean()) < 0.4
