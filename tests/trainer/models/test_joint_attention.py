"""Eq. 4 and the row weights against numpy loops; nothing depends on batch mates."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from stroi.cache.layouts import BODY_25, COCO_17, KINECT_V1, KINECT_V2, Layout
from stroi.cache.rois import PRESETS, read_rows
from stroi.trainer.config import PersonPooling
from stroi.trainer.models.joint_attention import joint_weights, row_weights, training_mean

HEAD_HANDS_FEET = (0, 4, 7, 11, 14)
ALL_BODIES = get_args(PersonPooling)


def _feature(seed: int = 0, count: int = 4, people: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    random = np.random.default_rng(seed)
    feature = random.normal(0, 1, (count, people, 3, 4, 25))
    present = np.ones((count, people), bool)
    present[::2, 1:] = False
    if people > 2:
        present[1, 0] = present[3, 1] = False
    feature[~present] = 0
    return torch.from_numpy(feature), torch.from_numpy(present)


def test_eq4_against_loops() -> None:
    feature, _ = _feature(count=2)
    values = feature.numpy()
    expected = np.zeros((2, 2, 25))
    for n, m, v in np.ndindex(expected.shape):
        total = 0.0
        for c in range(3):
            for t in range(4):
                total += np.sqrt(values[n, m, c, t, v] ** 2)
        expected[n, m, v] = total / (4 * 3)
    np.testing.assert_allclose(joint_weights(feature).numpy(), expected, rtol=1e-12)


@pytest.mark.parametrize("frames", [4, 15, 20])
def test_l2_top15_against_numpy(frames: int) -> None:
    values = np.random.default_rng(0).normal(0, 1, (3, 2, 5, frames, 25))
    length = np.sqrt((values**2).sum(2))
    expected = np.sort(length, axis=2)[:, :, ::-1][:, :, :15].mean(2)
    got = joint_weights(torch.from_numpy(values), formula="l2_top15")
    np.testing.assert_allclose(got.numpy(), expected, rtol=1e-12)


def test_l2_top15_of_nobody_has_a_gradient() -> None:
    feature = torch.zeros(1, 2, 3, 4, 25, requires_grad=True)
    joint_weights(feature, formula="l2_top15").sum().backward()
    assert feature.grad is not None
    assert torch.isfinite(feature.grad).all()


def _rows(joint: np.ndarray, present: np.ndarray, bodies: str) -> np.ndarray:
    """The rule for one clip, (P, 25) to (P, 5), written for reading."""
    everybody = range(len(joint))
    there = [person for person in everybody if present[person]]
    if bodies == "per_person":
        source = [joint[person] if person in there else joint[there[0]] for person in everybody]
    elif bodies == "mean":
        source = [np.mean([joint[person] for person in there], axis=0)] * len(joint)
    else:
        strongest = max(there, key=lambda person: (joint[person].mean(), -person))
        source = [joint[strongest]] * len(joint)
    return np.array([[body[j] for j in HEAD_HANDS_FEET] / body[list(HEAD_HANDS_FEET)].mean()
                     for body in source])  # fmt: skip


@pytest.mark.parametrize("bodies", ALL_BODIES)
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("people", [1, 2, 3, 4])
def test_rows_against_numpy(bodies: PersonPooling, seed: int, people: int) -> None:
    feature, present = _feature(seed, people=people)
    joint = joint_weights(feature)
    got = row_weights(joint, present, person_pooling=bodies).numpy()
    for n in range(4):
        expected = _rows(joint[n].numpy(), present[n].numpy(), bodies)
        np.testing.assert_allclose(got[n], expected, rtol=1e-12)


def test_rows_are_found_by_joint_name() -> None:
    joint = torch.arange(1.0, 18.0).repeat(1, 2, 1)
    got = row_weights(joint, torch.tensor([[True, False]]), layout=COCO_17)
    picked = np.array([1, 11, 10, 17, 16.0])
    np.testing.assert_allclose(got[0, 0].numpy(), picked / picked.mean(), rtol=1e-6)
    assert BODY_25.index("right_wrist") == 4


PAPER_JOINTS = ("nose", "right_wrist", "left_wrist", "right_ankle", "left_ankle")
KINECT_ROWS = ("head", "right_hand", "left_hand", "right_ankle", "left_ankle")


@pytest.mark.parametrize(
    ("layout", "names", "numbers"),
    [
        (BODY_25, PAPER_JOINTS, (0, 4, 7, 11, 14)),
        (KINECT_V1, KINECT_ROWS, (3, 11, 7, 18, 14)),
        (KINECT_V2, KINECT_ROWS, (3, 11, 7, 18, 14)),
    ],
    ids=lambda value: value.name if isinstance(value, Layout) else "",
)
def test_each_row_is_its_own_joint(
    layout: Layout, names: tuple[str, ...], numbers: tuple[int, ...]
) -> None:
    """One joint alone is active: only its row weighs anything."""
    for row, (name, number) in enumerate(zip(names, numbers, strict=True)):
        assert layout.joints[number] == name
        joint = torch.zeros(1, 2, len(layout.joints))
        joint[0, 0, number] = 3.0
        got = row_weights(joint, torch.tensor([[True, False]]), layout=layout)
        np.testing.assert_allclose(got[0, 0].numpy(), 5.0 * np.eye(5)[row])


GROUPS = ["left_knee", {"right_arm": ["right_elbow", "right_wrist"]}, "full_body", "neck"]
# Numbers of each row's joints, written out.
GROUP_JOINTS = {
    BODY_25.name: ((13,), (3, 4), tuple(range(25)), (1,)),
    COCO_17.name: ((13,), (8, 10), tuple(range(17)), (5, 6)),
    KINECT_V1.name: ((13,), (9, 11), (3, 2, 8, 9, 11, 4, 5, 7, 0, 16, 17, 18, 12, 13, 14, 15, 19),
                     (2,)),
}  # fmt: skip


@pytest.mark.parametrize("bodies", ALL_BODIES)
@pytest.mark.parametrize("layout", [BODY_25, COCO_17, KINECT_V1], ids=lambda one: one.name)
def test_a_group_weighs_the_mean_of_its_joints_before_scaling(
    layout: Layout, bodies: PersonPooling
) -> None:
    joint = torch.from_numpy(np.random.default_rng(3).random((4, 2, len(layout.joints))))
    present = torch.tensor([[True, False], [True, True], [True, True], [False, True]])
    joint[~present] = 0
    rows = read_rows(GROUPS)
    got = row_weights(joint, present, person_pooling=bodies, layout=layout, rows=rows).numpy()
    constant = training_mean(joint, present, person_pooling=bodies, layout=layout, rows=rows)
    means = []
    for n in range(4):
        there = [person for person in (0, 1) if present[n, person]]
        values = joint[n].numpy()
        if bodies == "per_person":
            source = [values[person if person in there else there[0]] for person in (0, 1)]
        elif bodies == "mean":
            source = [values[there].mean(0)] * 2
        else:
            source = [max((values[person] for person in there), key=lambda one: one.mean())] * 2
        raw = np.array([[body[list(own)].mean() for own in GROUP_JOINTS[layout.name]]
                        for body in source])  # fmt: skip
        means.append(raw.mean())
        np.testing.assert_allclose(got[n], raw / raw.mean(1, keepdims=True), rtol=1e-12)
    assert constant == pytest.approx(np.mean(means), rel=1e-12)


def test_one_row_weighs_one_unless_the_training_clips_scale_it() -> None:
    joint, present = torch.rand(3, 2, 25), torch.ones(3, 2, dtype=torch.bool)
    rows = PRESETS["full_body"]
    assert torch.equal(row_weights(joint, present, rows=rows), torch.ones(3, 2, 1))
    scaled = row_weights(joint, present, rows=rows, weight_scale=0.5)
    assert len(set(scaled[:, 0, 0].tolist())) == 3


def test_gradient_of_a_group_is_shared_by_its_joints() -> None:
    joint = torch.ones(1, 2, 25, requires_grad=True)
    rows = read_rows(["head", {"arm": ["right_elbow", "right_wrist"]}])
    got = row_weights(joint, torch.tensor([[True, False]]), rows=rows, weight_scale=1.0)
    got[0, 0, 1].backward()
    assert joint.grad is not None
    assert joint.grad[0, 0].nonzero().flatten().tolist() == [3, 4]
    assert joint.grad[0, 0, 3:5].tolist() == [0.5, 0.5]


@pytest.mark.parametrize("bodies", ALL_BODIES)
def test_constant_of_the_training_clips_scales_every_clip_alike(bodies: PersonPooling) -> None:
    feature, present = _feature(count=6)
    joint = joint_weights(feature)
    constant = training_mean(joint[:4], present[:4], person_pooling=bodies)
    raw = [_rows(joint[n].numpy(), present[n].numpy(), bodies) for n in range(6)]
    own = row_weights(joint, present, person_pooling=bodies)
    got = row_weights(joint, present, person_pooling=bodies, weight_scale=constant)
    np.testing.assert_allclose(got[:4].mean(), 1, rtol=1e-12)
    np.testing.assert_allclose((got / got.mean(2, keepdim=True)).numpy(), own.numpy(), rtol=1e-12)
    np.testing.assert_allclose(own.numpy(), raw, rtol=1e-12)
    louder = row_weights(2 * joint, present, person_pooling=bodies, weight_scale=constant)
    np.testing.assert_allclose(louder.numpy(), 2 * got.numpy(), rtol=1e-12)


def test_constant_of_silence_is_one() -> None:
    assert training_mean(torch.zeros(2, 2, 25), torch.ones(2, 2, dtype=torch.bool)) == 1.0


@settings(max_examples=25)
@given(order=st.permutations(range(4)), size=st.integers(1, 4), scale=st.floats(0.01, 100))
def test_batch_order_and_mates_change_no_bit(order: list[int], size: int, scale: float) -> None:
    feature, present = _feature()
    whole = row_weights(joint_weights(feature), present)
    chosen = order[:size]
    mates = feature[chosen].clone()
    mates[1:] *= scale
    got = row_weights(joint_weights(mates), present[chosen])
    assert torch.equal(got[0], whole[chosen[0]])


@pytest.mark.parametrize("bodies", ALL_BODIES)
def test_one_person_weighs_both_halves(bodies: PersonPooling) -> None:
    feature, present = _feature()
    got = row_weights(joint_weights(feature), present, person_pooling=bodies)
    assert torch.equal(got[::2, 0], got[::2, 1])
    np.testing.assert_allclose(got.mean(2).numpy(), np.ones((4, 2)), rtol=1e-12)


@pytest.mark.parametrize("bodies", ALL_BODIES)
def test_no_activation_means_no_preference(bodies: PersonPooling) -> None:
    joint = torch.zeros(1, 2, 25, requires_grad=True)
    got = row_weights(joint, torch.tensor([[True, False]]), person_pooling=bodies)
    assert torch.equal(got, torch.ones(1, 2, 5))
    got.sum().backward()
    assert joint.grad is not None
    assert torch.isfinite(joint.grad).all()


@pytest.mark.parametrize("bodies", ALL_BODIES)
def test_gradient_reaches_the_feature(bodies: PersonPooling) -> None:
    feature, present = _feature(3, 2)
    factors = torch.linspace(0, 1, 5, dtype=torch.float64)

    def total(values: torch.Tensor) -> torch.Tensor:
        return (row_weights(joint_weights(values), present, person_pooling=bodies) * factors).sum()

    assert torch.autograd.gradcheck(total, feature.requires_grad_(), atol=1e-7)
