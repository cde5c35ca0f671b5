"""Figures about scores, against counting by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stroi.trainer.metrics.accuracy import (
    accuracy,
    confusion,
    per_class_accuracy,
    two_way_accuracy,
    wilson_interval,
)

LOGITS = np.array([[2, 1, 0], [0, 3, 1], [5, 4, 0], [0, 1, 2], [1, 0, 0]], np.float32)
LABELS = np.array([0, 1, 1, 1, 0])


def test_accuracy_and_confusion_by_hand() -> None:
    assert accuracy(LOGITS, LABELS) == pytest.approx(3 / 5)
    assert confusion(LOGITS, LABELS).tolist() == [[2, 0, 0], [1, 1, 1], [0, 0, 0]]


def test_per_class_accuracy_has_no_figure_without_samples() -> None:
    got = per_class_accuracy(LOGITS, LABELS)
    np.testing.assert_allclose(got, [1, 1 / 3, math.nan])


def test_two_way_accuracy_counts_only_two_classes() -> None:
    assert two_way_accuracy(LOGITS, LABELS, 0, 1) == pytest.approx(4 / 5)
    assert two_way_accuracy(LOGITS, LABELS, 1, 0) == pytest.approx(4 / 5)
    assert two_way_accuracy(LOGITS, LABELS, 1, 2) == pytest.approx(2 / 3)
    assert math.isnan(two_way_accuracy(LOGITS[:0], LABELS[:0], 0, 1))


def test_wilson_against_published_values() -> None:
    low, high = wilson_interval(8, 10)
    assert (low, high) == pytest.approx((0.4902, 0.9433), abs=1e-4)
    assert wilson_interval(0, 0) == (0.0, 1.0)


@given(hits=st.integers(0, 50), misses=st.integers(0, 50))
def test_wilson_holds_the_share(hits: int, misses: int) -> None:
    low, high = wilson_interval(hits, hits + misses)
    assert 0 <= low <= high <= 1
    if hits + misses:
        assert low <= hits / (hits + misses) + 1e-9
        assert high >= hits / (hits + misses) - 1e-9
