"""Tests and intervals against exact integers, enumeration and plain loops."""

from __future__ import annotations

from itertools import product
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from stroi.trainer.metrics.accuracy import wilson_interval
from stroi.trainer.metrics.significance import accuracy_interval, bootstrap_interval, mcnemar


def _exact_p(gained: int, lost: int) -> float:
    """Two-sided: all outcomes of a fair coin that are no likelier than the one seen."""
    count = gained + lost
    seen = comb(count, gained)
    return sum(ways for k in range(count + 1) if (ways := comb(count, k)) <= seen) / 2**count


def _answers(both: int, gained: int, lost: int, none: int) -> tuple[NDArray[np.bool_], ...]:
    kinds = [(True, True)] * both + [(False, True)] * gained + [(True, False)] * lost
    table = np.array(kinds + [(False, False)] * none, np.bool_).reshape(-1, 2)
    return table[:, 0], table[:, 1]


counts = st.integers(0, 40)


@given(both=counts, gained=counts, lost=counts, none=counts)
def test_mcnemar_is_the_exact_binomial_test_and_symmetric(
    both: int, gained: int, lost: int, none: int
) -> None:
    first, second = _answers(both, gained, lost, none)
    found = mcnemar(first, second)
    assert (found.gained, found.lost) == (gained, lost)
    assert found.p == pytest.approx(_exact_p(gained, lost), rel=1e-9)
    turned = mcnemar(second, first)
    assert (turned.gained, turned.lost, turned.p) == (lost, gained, found.p)


def test_mcnemar_by_hand_and_with_many_clips() -> None:
    # 1 against 6: 2 * (1 + 7) / 2^7.
    assert mcnemar(*_answers(20, 6, 1, 3)).p == pytest.approx(0.125)
    assert mcnemar(*_answers(5, 0, 0, 5)).p == 1.0
    assert mcnemar(*_answers(0, 5, 5, 0)).p == 1.0
    assert mcnemar(*_answers(0, 900, 700, 0)).p == pytest.approx(_exact_p(900, 700), rel=1e-9)


def test_mcnemar_wants_the_same_clips() -> None:
    with pytest.raises(ValueError, match="3 and 2 clips"):
        mcnemar(np.ones(3, np.bool_), np.ones(2, np.bool_))


@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(1, 30))
@settings(max_examples=30, deadline=None)
def test_interval_holds_the_mean_and_knows_no_order(seed: int, seeds: int, clips: int) -> None:
    rng = np.random.default_rng(seed)
    hits = rng.random((seeds, clips)) < rng.random()
    low, high = accuracy_interval(hits)
    assert 0 <= low <= hits.mean() <= high <= 1
    assert accuracy_interval(hits[:, rng.permutation(clips)]) == (low, high)
    difference = hits.astype(np.float64) - (rng.random((seeds, clips)) < 0.5)
    found = bootstrap_interval(difference, draws=500)
    if found is not None:
        assert -1 <= found[0] <= difference.mean() <= found[1] <= 1


def test_bootstrap_against_all_resamples_of_a_small_case() -> None:
    values = np.array([[1, 0, 1], [1, 1, 0]], np.float64)
    means = [
        values[np.ix_(chosen, clips)].mean()
        for chosen in product(range(2), repeat=2)
        for clips in product(range(3), repeat=3)
    ]
    expected = np.quantile(means, [0.025, 0.975])
    assert bootstrap_interval(values) == pytest.approx(expected)


def test_bootstrap_against_a_plain_loop_over_clips_and_seeds() -> None:
    rng = np.random.default_rng(3)
    hits = rng.random((5, 96)) < np.array([0.7, 0.72, 0.8, 0.75, 0.9])[:, None]
    draws = [hits[rng.integers(0, 5, 5)][:, rng.integers(0, 96, 96)].mean() for _ in range(20_000)]
    found = accuracy_interval(hits)
    assert found == pytest.approx(np.quantile(draws, [0.025, 0.975]), abs=0.004)
    # One seed's interval does not know that others would have given other networks.
    assert bootstrap_interval(hits) == found


def test_interval_of_one_network_is_wilsons() -> None:
    hits = np.array([[True] * 8 + [False] * 2])
    assert accuracy_interval(hits) == wilson_interval(8, 10)
    bootstrap = bootstrap_interval(hits)
    assert bootstrap is not None
    assert bootstrap == pytest.approx((0.5, 1.0))


@pytest.mark.parametrize("right", [True, False])
def test_without_any_spread_there_is_no_bootstrap(right: bool) -> None:
    hits = np.full((3, 12), right)
    assert bootstrap_interval(hits) is None
    assert accuracy_interval(hits) == wilson_interval(12 * right, 12)


def test_interval_covers_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(8)
    # 200 experiments: 5 networks of different worth see 60 clips of different difficulty.
    grid = rng.normal(0.6, 0.3, 100_000) + rng.normal(0, 1, 100_000)
    true, held = float((1 / (1 + np.exp(-grid))).mean()), 0
    for _ in range(200):
        worth, ease = rng.normal(0.6, 0.3, (5, 1)), rng.normal(0, 1, (1, 60))
        hits = rng.random((5, 60)) < 1 / (1 + np.exp(-worth - ease))
        found = bootstrap_interval(hits, draws=1000)
        assert found is not None
        held += found[0] <= true <= found[1]
    assert 0.90 <= held / 200 <= 1.0
