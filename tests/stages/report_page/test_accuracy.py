"""Confusions and gains against a plain reading of the same numbers."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stroi.stages.evaluation.comparisons import ClassGain
from stroi.stages.evaluation.methods import METHODS
from stroi.stages.evaluation.table import RowResult, SplitClips, Table
from stroi.stages.report_page.accuracy import (
    class_lines,
    confusion_matrix,
    most_confused,
)


def table(accuracies: tuple[float, ...], per_class: tuple[float | None, ...] = ()) -> Table:
    """Seven rows with these accuracies in percent; row N has N times `per_class`."""
    rows = tuple(
        RowResult(
            method=method,
            accuracy=accuracy,
            spread=None,
            interval=(0.0, 100.0),
            seeds=(accuracy,),
            pairs={},
            per_class=tuple(
                None if value is None else min(100.0, value * method.number) for value in per_class
            ),
        )
        for method, accuracy in zip(METHODS, accuracies, strict=True)
    )
    classes = tuple(f"c{at}" for at in range(len(per_class)))
    gains = tuple(
        ClassGain(None, None) if value is None else ClassGain(2 * value, (0.0, 3 * value))
        for value in per_class
    )
    return Table(
        test_clips=10,
        test_split=SplitClips(10, 10, {}),
        classes=classes,
        class_sizes=tuple(0 if value is None else 3 for value in per_class),
        chance=10.0,
        seeds=(0,),
        interval="wilson",
        rows=rows,
        pairs={},
        comparisons=(),
        gains=gains,
        alpha=1.0,
    )


def test_lines_of_classes_are_those_of_the_table() -> None:
    first, second = class_lines(table((0.0,) * 7, (10.0, None)))
    assert first.accuracy == {2: 20.0, 4: 40.0, 7: 70.0}
    assert (first.clips, first.gain, first.interval) == (3, 20.0, (0.0, 30.0))
    assert (second.clips, second.gain, second.interval) == (0, None, None)
    assert second.accuracy == {2: None, 4: None, 7: None}


labelled = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=60)


@given(labelled)
def test_confusions_are_counted_clip_by_clip(clips: list[tuple[int, int]]) -> None:
    actual, predicted = (np.array(column, np.int64) for column in zip(*clips, strict=True))
    counts = confusion_matrix(actual, predicted, 5)
    assert counts.tolist() == [[clips.count((a, b)) for b in range(5)] for a in range(5)]
    pairs = most_confused(counts, "abcde")
    for each in pairs:
        a, b = ("abcde".index(name) for name in each.classes)
        assert each.taken == (clips.count((a, b)), clips.count((b, a)))
        assert each.clips == tuple(sum(x == of for x, _ in clips) for of in (a, b))
    totals = [sum(each.taken) for each in pairs]
    assert totals == sorted(totals, reverse=True)
    every = sorted(
        (
            clips.count((a, b)) + clips.count((b, a))
            for a in range(5)
            for b in range(a + 1, 5)
            if (a, b) in clips or (b, a) in clips
        ),
        reverse=True,
    )
    assert totals == every[:6]
