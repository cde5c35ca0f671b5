"""Streams of one clip are summed by id; the weight of a branch is chosen by counting."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from stroi.cache.errors import RefusedInput
from stroi.cache.scores import Scores
from stroi.trainer.metrics.ensemble import ALPHAS, choose_alpha, ensemble, softmax, sum_streams

JOINT = Scores(("a", "b"), np.float32([[1, 0], [0, 2]]), ("x", "y"))
BONE = Scores(("b", "a"), np.float32([[3, 0], [0, 5]]), ("x", "y"))


def test_streams_are_summed_by_id_and_weighed() -> None:
    both = sum_streams([JOINT, BONE])
    assert both.ids == ("a", "b")
    np.testing.assert_array_equal(both.logits, [[1, 5], [3, 2]])
    np.testing.assert_array_equal(
        sum_streams([JOINT, BONE], (1.0, 0.5)).logits, [[1, 2.5], [1.5, 2]]
    )
    assert both.logits.dtype == np.float32


def test_a_single_stream_is_left_as_it_is() -> None:
    assert sum_streams([BONE]) is BONE


def test_other_samples_are_refused() -> None:
    with pytest.raises(RefusedInput, match="ENSEMBLE_IDS"):
        sum_streams([JOINT, Scores(("a", "c"), BONE.logits, BONE.classes)])


def test_grid_is_even_by_ratio_and_holds_one() -> None:
    assert 1.0 in ALPHAS
    assert (ALPHAS[0], ALPHAS[-1]) == pytest.approx((1 / 8, 8))
    assert [b / a for a, b in pairwise(ALPHAS)] == pytest.approx([2**0.5] * (len(ALPHAS) - 1))


@pytest.mark.parametrize("kind", ["logits", "softmax"])
@given(seed=st.integers(0, 10_000))
def test_choice_is_the_best_by_counting_and_knows_no_order(
    kind: Literal["logits", "softmax"], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    one, two = rng.normal(size=(2, 12, 3)).astype(np.float32) * [[[1]], [[3]]]
    labels = rng.integers(0, 3, 12)

    def shares(logits: NDArray[np.floating]) -> NDArray[np.floating]:
        powers = np.exp(logits)
        return powers / powers.sum(1, keepdims=True) if kind == "softmax" else logits

    right = [((shares(one) + a * shares(two)).argmax(1) == labels).sum() for a in ALPHAS]
    found = choose_alpha(one, two, labels, kind=kind)
    assert found.accuracies == pytest.approx([count / 12 for count in right])
    best = [a for a, count in zip(ALPHAS, right, strict=True) if count == max(right)]
    assert found.alpha in best
    assert abs(np.log(found.alpha)) == pytest.approx(min(abs(np.log(best))))
    order = rng.permutation(12)
    assert choose_alpha(one[order], two[order], labels[order], kind=kind) == found


def test_where_nothing_speaks_for_another_weight_it_is_one() -> None:
    scores = np.float32([[2, 0], [0, 2]])
    assert choose_alpha(scores, scores, np.array([0, 1])).alpha == 1.0
    assert choose_alpha(scores, scores, np.array([1, 0])).alpha == 1.0


def test_a_branch_that_is_sure_and_wrong_gets_little_weight() -> None:
    right = np.float32([[1, 0], [0, 1]])
    assert choose_alpha(right, 2.5 * right[:, ::-1], np.array([0, 1])).alpha == pytest.approx(
        2**-1.5
    )


def test_softmax_survives_large_logits() -> None:
    np.testing.assert_allclose(
        softmax(np.float32([[1000, 1000], [0, -1000]])), [[0.5, 0.5], [1, 0]]
    )


def test_ensemble_of_logits_and_of_shares() -> None:
    one = np.array([[2, 1, 0], [0, 3, 1], [5, 4, 0]], np.float32)
    two = one[:, ::-1]
    np.testing.assert_allclose(ensemble([one, two], weights=(1, 0.5)), one + 0.5 * two)
    np.testing.assert_allclose(
        ensemble([one, two], kind="softmax").sum(1), np.full(len(one), 2.0), rtol=1e-6
    )
    with pytest.raises(ValueError, match="zip"):
        ensemble([one, two], weights=(1,))
