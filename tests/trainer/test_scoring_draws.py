"""Clips scored in changed copies: whose mean the scores are, and what they do not depend on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from small_inputs import CLASSES, IDS, SMALL_GCN, clips

from stroi.cache.layouts import BODY_25
from stroi.cache.scores import Scores
from stroi.trainer import score_gcn as scoring
from stroi.trainer.config import SkeletonAugment
from stroi.trainer.data.skeleton_augment import augment_skeletons, clip_draws
from stroi.trainer.data.skeleton_input import prepare_all
from stroi.trainer.models.graph_net import GraphNet
from stroi.trainer.score_gcn import compute_weights, score_gcn

DRAWS = 3
LIVELY = SkeletonAugment(
    tilt=30, scale=0.2, time_crop=0.5, time_warp=1.0, flip=0.5, drop_joints=0.1
)


@pytest.fixture(scope="module")
def net() -> GraphNet:
    torch.manual_seed(3)
    return GraphNet(CLASSES, SMALL_GCN.replace(augment=LIVELY)).eval()


@pytest.fixture(scope="module")
def together(net: GraphNet) -> Scores:
    return score_gcn(net, clips(), IDS, tta_copies=DRAWS)


def test_scores_are_the_mean_over_the_copies(net: GraphNet, together: Scores) -> None:
    data = prepare_all(clips(), IDS, **net.config.preparation)
    assert data.present.sum(1).max() == 2
    for row, sample in enumerate(data.ids):
        clip, present = torch.from_numpy(data.x[row]), torch.from_numpy(data.present[row])
        draws = clip_draws(sample, DRAWS, frames=clip.shape[1], joints=clip.shape[2])
        total = torch.zeros(len(CLASSES))
        for draw in draws:
            copy = augment_skeletons(clip[None], draw[None], LIVELY, BODY_25)
            with torch.no_grad():
                total += net(copy, present[None])[0][0]
        np.testing.assert_allclose(together.logits[row], total / DRAWS, rtol=1e-4, atol=1e-5)


def test_copies_say_something_else_than_the_clip(net: GraphNet, together: Scores) -> None:
    plain = score_gcn(net, clips(), IDS)
    assert together.ids == plain.ids
    assert (np.abs(together.logits - plain.logits).max(1) > 1e-3).all()


def test_copies_that_change_nothing_are_the_clip() -> None:
    torch.manual_seed(3)
    calm = GraphNet(CLASSES, SMALL_GCN).eval()
    np.testing.assert_allclose(
        score_gcn(calm, clips(), IDS, tta_copies=2).logits, score_gcn(calm, clips(), IDS).logits,
        rtol=1e-5, atol=1e-6,
    )  # fmt: skip


@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(order=st.permutations(IDS), size=st.integers(1, 8), mates=st.floats(0.01, 100))
def test_batch_mates_and_order_change_no_bit(
    net: GraphNet, together: Scores, order: list[str], size: int, mates: float
) -> None:
    first, *others = order[:size]
    changed = clips()
    for name in others:
        changed[name] = replace(changed[name], keypoints=changed[name].keypoints * mates)
    found = score_gcn(net, changed, order[:size], tta_copies=DRAWS)
    np.testing.assert_array_equal(
        found.logits[found.ids.index(first)], together.logits[together.ids.index(first)]
    )


@pytest.mark.parametrize("at_once", [1, 7])
def test_clips_prepared_at_a_time_change_no_bit(
    net: GraphNet, together: Scores, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(scoring, "CLIPS_PER_CHUNK", at_once)
    found = score_gcn(net, clips(), IDS, tta_copies=DRAWS)
    np.testing.assert_array_equal(found.logits, together.logits)


def test_joint_weights_are_those_of_the_clip_itself(net: GraphNet) -> None:
    before = compute_weights(net, clips(), IDS)[0]
    score_gcn(net, clips(), IDS, tta_copies=DRAWS)
    np.testing.assert_array_equal(
        compute_weights(net, clips(), IDS)[0].joint_weights, before.joint_weights
    )


def test_draws_are_of_the_id_alone_and_spread_evenly() -> None:
    first = clip_draws("a", 500, frames=6, joints=4)
    assert first.shape == (500, 13 + 3 * 6 + 4)
    assert torch.equal(first, clip_draws("a", 500, frames=6, joints=4))
    assert (first != clip_draws("b", 500, frames=6, joints=4)).float().mean() > 0.99
    assert first.min() >= 0
    assert first.max() < 1
    assert (first.mean(0) - 0.5).abs().max() < 0.08
