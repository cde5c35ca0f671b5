"""The verdict, confusions and gains against a plain reading of the same numbers."""

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
    verdict,
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


def test_verdict_names_the_best_ensemble_and_both_gains() -> None:
    assert verdict(table((81.4, 76.4, 86.8, 82.8, 90.1, 90.2, 91.5))) == (
        "The best ensemble (row 7, 91.5 %) beats both single branches: it is 10.1 points above "
        "the skeleton branch (row 1, 81.4 %) and 4.7 points above the best RGB branch "
        "(row 3, 86.8 %)."
    )


def test_verdict_is_no_when_one_branch_is_better() -> None:
    assert verdict(table((95.0, 50.0, 50.0, 60.0, 90.0, 80.0, 90.0))) == (
        "The best ensemble (row 5, 90.0 %) does not beat both single branches: it is 5.0 points "
        "below the skeleton branch (row 1, 95.0 %) and 30.0 points above the best RGB branch "
        "(row 4, 60.0 %)."
    )


def test_verdict_is_no_when_a_branch_is_level() -> None:
    text = verdict(table((70.0, 90.0, 50.0, 60.0, 90.0, 80.0, 85.0)))
    assert "does not beat both" in text
    assert "level with the best RGB branch (row 2, 90.0 %)" in text


def test_verdict_rounds_no_lead_to_nothing_and_makes_none_of_rounding() -> None:
    close = verdict(table((90.0, 50.0, 50.0, 60.0, 80.0, 90.04, 90.0)))
    assert "beats both single branches: it is 0.04 points above the skeleton branch" in close
    assert "(row 6, 99.96 %)" in verdict(table((90.0, 50.0, 50.0, 60.0, 80.0, 99.96, 90.0)))
    # The same three seeds in another order have another mean in the last bit.
    one, other = (float(np.mean([100 * (n / 96) for n in hits])) for hits in ((1, 2, 3), (1, 3, 2)))
    assert one != other
    both = sorted((one, other))
    text = verdict(table((both[0], 1.0, 1.0, 1.0, both[1], 1.0, 1.0)))
    assert "does not beat both" in text
    assert "level with the skeleton branch" in text


@given(st.tuples(*[st.integers(0, 100)] * 7))
def test_verdict_says_yes_exactly_if_some_ensemble_beats_every_branch(
    values: tuple[int, ...],
) -> None:
    beats = "beats both" in verdict(table(tuple(map(float, values))))
    assert beats == (max(values[4:]) > max(values[:4]))


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
