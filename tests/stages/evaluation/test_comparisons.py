"""Rows against rows: the same clips, seed by seed; gains per class; runs pooled into one test."""

from __future__ import annotations

from dataclasses import replace
from statistics import median

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from stroi.cache.errors import RefusedInput
from stroi.cache.scores import Scores
from stroi.pipeline.params.profile import EnsembleParams
from stroi.stages.evaluation.comparisons import class_gains, compare
from stroi.stages.evaluation.ground_truth import GroundTruth
from stroi.stages.evaluation.methods import METHODS, STREAMS
from stroi.stages.evaluation.predictions import (
    RunPredictions,
    choose_alphas,
    concatenate_folds,
    predict_rows,
)
from stroi.stages.evaluation.table import make_table

CLASSES = ("drink", "phone", "wave")
SEEDS = (0, 1, 2)
PARAMS = EnsembleParams()


def _case(prefix: str, count: int, seed: int) -> tuple[GroundTruth, dict[int, dict[str, Scores]]]:
    """Clips, and the scores of four networks per seed, right more often than not."""
    rng = np.random.default_rng(seed)
    ids = tuple(f"{prefix}{number:03d}" for number in range(count))
    labels = rng.integers(0, 3, count)
    by_seed = {}
    for number in SEEDS:
        streams = {}
        for name in STREAMS:
            logits = rng.normal(size=(count, 3)).astype(np.float32)
            logits[np.arange(count), labels] += 1
            streams[name] = Scores(ids, logits, CLASSES)
        by_seed[number] = streams
    return GroundTruth(ids, labels, CLASSES), by_seed


def _predictions(prefix: str = "c", count: int = 60, seed: int = 1) -> RunPredictions:
    truth, by_seed = _case(prefix, count, seed)
    return predict_rows(by_seed, truth, PARAMS)


def test_comparisons_against_scipy_and_plain_means() -> None:
    predictions = _predictions()
    table = make_table(predictions, PARAMS)
    assert [(each.first, each.second) for each in table.comparisons] == [
        (2, 3), (2, 4), (3, 4),
        (1, 5), (2, 5),
        (1, 6), (3, 6), (5, 6),
        (1, 7), (4, 7), (5, 7),
    ]  # fmt: skip
    for each in table.comparisons:
        one, other = predictions.hits(each.first), predictions.hits(each.second)
        assert each.gain == pytest.approx(100 * (other.mean() - one.mean()))
        first, second = table.row(each.first), table.row(each.second)
        assert each.gain == pytest.approx(second.accuracy - first.accuracy)
        assert each.interval is not None
        assert each.interval[0] <= each.gain <= each.interval[1]
        for at, test in enumerate(each.seeds):
            gained, lost = (other[at] & ~one[at]).sum(), (one[at] & ~other[at]).sum()
            assert (test.gained, test.lost) == (gained, lost)
            assert test.p == pytest.approx(binomtest(int(gained), int(gained + lost)).pvalue)
        assert each.median_p == median(test.p for test in each.seeds)


def test_a_row_against_itself_is_no_difference() -> None:
    hits = {1: np.array([[True, False, True]]), 2: np.array([[True, False, True]])}
    same = compare(1, 2, hits)
    assert (same.gain, same.interval, same.median_p) == (0.0, None, 1.0)


@given(st.integers(0, 1000))
@settings(max_examples=10, deadline=None)
def test_comparison_turned_round_has_the_same_p_and_the_opposite_gain(seed: int) -> None:
    rng = np.random.default_rng(seed)
    hits = {1: rng.random((2, 20)) < 0.7, 2: rng.random((2, 20)) < 0.5}
    there, back = compare(1, 2, hits), compare(2, 1, hits)
    assert there.gain == pytest.approx(-back.gain)
    assert [each.p for each in there.seeds] == [each.p for each in back.seeds]
    order = rng.permutation(20)
    assert compare(1, 2, {row: own[:, order] for row, own in hits.items()}) == there


def test_gains_per_class_are_row_4_less_row_2() -> None:
    predictions = _predictions()
    truth = replace(predictions.truth, classes=(*CLASSES, "never"))
    hits = {row: predictions.hits(row) for row in (2, 4)}
    *gains, never = class_gains(hits, truth)
    for label, each in enumerate(gains):
        own = truth.labels == label
        expected = 100 * (hits[4][:, own].mean() - hits[2][:, own].mean())
        assert each.gain == pytest.approx(expected)
        assert each.interval is not None
        assert each.interval[0] <= expected <= each.interval[1]
    assert (never.gain, never.interval) == (None, None)


def test_folds_pooled_are_one_test_of_all_clips() -> None:
    whole, by_seed = _case("c", 60, 1)
    place = np.random.default_rng(5).permutation(60)
    folds = {}
    for fold in range(3):
        own = np.sort(place[fold::3])
        ids = tuple(whole.ids[at] for at in own)
        scores = {
            seed: {name: Scores(ids, each.logits[own], CLASSES) for name, each in streams.items()}
            for seed, streams in by_seed.items()
        }
        truth = GroundTruth(ids, whole.labels[own], CLASSES)
        folds[f"fold{fold}"] = predict_rows(scores, truth, PARAMS)
    pooled, expected = concatenate_folds(folds), predict_rows(by_seed, whole, PARAMS)
    assert pooled.truth.ids == whole.ids
    assert make_table(pooled, PARAMS) == make_table(expected, PARAMS)
    reordered = concatenate_folds(dict(reversed(folds.items())))
    assert make_table(reordered, PARAMS) == make_table(expected, PARAMS)


def test_runs_that_do_not_make_one_test_are_not_pooled() -> None:
    one, other = _predictions("a"), _predictions("b", seed=2)
    with pytest.raises(RefusedInput, match="POOL_TWICE: one and two both test 'a000'"):
        concatenate_folds({"one": one, "two": _predictions("a", 1)})
    with pytest.raises(RefusedInput, match=r"POOL_SEEDS: two has seeds \(0, 1\)"):
        concatenate_folds({"one": one, "two": replace(other, seeds=(0, 1))})
    classes = replace(other.truth, classes=("drink", "hug", "wave"))
    with pytest.raises(RefusedInput, match="POOL_CLASSES: two has other classes"):
        concatenate_folds({"one": one, "two": replace(other, truth=classes)})


def test_a_chosen_weight_is_used_for_its_row_and_seed() -> None:
    known, validation = _case("v", 40, 7)
    truth, test = _case("t", 30, 8)
    params = EnsembleParams(alpha="validation", scores="softmax")
    chosen = choose_alphas(validation, known, params)
    assert set(chosen.methods) == {5, 6, 7}
    assert chosen.validation_clips == 40
    predictions = predict_rows(test, truth, params, chosen=chosen)
    for method in METHODS[4:]:
        for at, choice in enumerate(chosen.methods[method.number]):
            given_weight = EnsembleParams(alpha=choice.alpha, scores="softmax")
            alone = predict_rows(test, truth, given_weight)
            np.testing.assert_array_equal(
                predictions.scores[method.number][at], alone.scores[method.number][at]
            )
    table = make_table(predictions, params)
    assert table.row(7).alphas == tuple(choice.alpha for choice in chosen.methods[7])
    assert table.row(4).alphas == ()
    assert table.alpha == chosen


def test_a_weight_that_was_not_chosen_is_not_made_up() -> None:
    truth, test = _case("t", 30, 8)
    with pytest.raises(ValueError, match="chosen on validation clips first"):
        predict_rows(test, truth, EnsembleParams(alpha="validation"))
