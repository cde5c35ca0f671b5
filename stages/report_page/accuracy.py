"""Accuracy on the page: the verdict, pairs, classes, confusions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stroi.cache.percent import percent
from stroi.stages.evaluation.predictions import PredictedLabels
from stroi.stages.evaluation.table import RowResult, Table

CONFUSIONS = 6
"""Pairs of classes that the page lists as most confused."""


@dataclass(frozen=True)
class PairLine:
    """Two classes, measured alone.

    Attributes:
        name: Of the pair.
        classes: Its two class names.
        accuracy: Two-way accuracy in percent by number of the rows in ``pairs``; None without
            test clips.
        note: Why the accuracies are missing or say little; empty if they are sound.
    """

    name: str
    classes: tuple[str, str]
    accuracy: Mapping[int, float | None]
    note: str


@dataclass(frozen=True)
class ClassLine:
    """Accuracy on one class, as in the paper's Fig. 6.

    Attributes:
        name: Of the class.
        clips: Its test clips.
        accuracy: In percent by number of the rows in ``classes``; None without test clips.
        gain: Row 4 minus row 2: what the weights add, in points; None without test clips.
        interval: Its 95 % interval; None if it is not known.
    """

    name: str
    clips: int
    accuracy: Mapping[int, float | None]
    gain: float | None
    interval: tuple[float, float] | None


@dataclass(frozen=True)
class Confusion:
    """Two classes that are taken for each other.

    Attributes:
        classes: Their names.
        clips: Test clips of each.
        taken: How many of the first were taken for the second, and of the second for the first.
    """

    classes: tuple[str, str]
    clips: tuple[int, int]
    taken: tuple[int, int]


@dataclass(frozen=True)
class Confused:
    """The most confused pairs of classes of one row, first seed."""

    row: RowResult
    pairs: tuple[Confusion, ...]


@dataclass(frozen=True)
class Matrix:
    """Confusion matrix of one row: `counts`[actual][predicted], first seed."""

    row: RowResult
    counts: tuple[tuple[int, ...], ...]


def verdict(table: Table) -> str:
    """Whether the best ensemble beats both single branches, in one sentence.

    The RGB branch is the best of all rows of it, so that the comparison is the hardest one.
    """
    single = [row for row in table.rows if not row.method.is_ensemble]
    skeleton = next(row for row in single if row.method.is_skeleton)
    rgb = [row for row in single if not row.method.is_skeleton]
    best = _best(row for row in table.rows if row.method.is_ensemble)
    rivals = (("the skeleton branch", skeleton), ("the best RGB branch", _best(rgb)))
    # Means over seeds that ought to be equal may differ in the last bit.
    gaps = [round(best.accuracy - rival.accuracy, 9) for _, rival in rivals]
    first, second = (
        f"{_gap(gap)} {name} (row {rival.method.number}, {percent(rival.accuracy)} %)"
        for gap, (name, rival) in zip(gaps, rivals, strict=True)
    )
    beats = "beats" if min(gaps) > 0 else "does not beat"
    return (
        f"The best ensemble (row {best.method.number}, {percent(best.accuracy)} %) {beats} both "
        f"single branches: it is {first} and {second}."
    )


def _best(rows: Iterable[RowResult]) -> RowResult:
    return max(rows, key=lambda row: row.accuracy)


def _gap(points: float) -> str:
    if points == 0:
        return "level with"
    return f"{percent(abs(points))} points {'above' if points > 0 else 'below'}"


def pair_lines(table: Table) -> tuple[PairLine, ...]:
    """Two-way accuracies of the named pairs, in the profile's order."""
    return tuple(
        PairLine(
            name,
            pair.classes,
            {row.method.number: row.pairs[name] for row in table.shown_in("pairs")},
            pair.note,
        )
        for name, pair in table.pairs.items()
    )


def class_lines(table: Table) -> tuple[ClassLine, ...]:
    """Accuracy per class, in class order."""
    return tuple(
        ClassLine(
            name,
            table.class_sizes[label],
            {row.method.number: row.per_class[label] for row in table.shown_in("classes")},
            table.gains[label].gain,
            table.gains[label].interval,
        )
        for label, name in enumerate(table.classes)
    )


def confusion_matrix(
    actual: NDArray[np.int64], predicted: NDArray[np.int64], classes: int
) -> NDArray[np.int64]:
    """(L, L) int64 counts, actual by predicted label, of N clips."""
    counts = np.zeros((classes, classes), np.int64)
    np.add.at(counts, (actual, predicted), 1)
    return counts


def matrices(table: Table, labels: PredictedLabels) -> tuple[Matrix, ...]:
    """Confusion matrices of the rows that show theirs."""
    return tuple(
        Matrix(row, tuple(map(tuple, _counts(table, labels, row.method.number).tolist())))
        for row in table.shown_in("matrix")
    )


def most_confused(counts: NDArray[np.int64], classes: Sequence[str]) -> tuple[Confusion, ...]:
    """Pairs of classes by clips taken for each other, most first (the paper's Fig. 1).

    Args:
        counts: (L, L) confusion matrix.
        classes: Names of the L classes.

    Returns:
        At most `CONFUSIONS` pairs; none that was never confused.
    """
    both = np.triu(counts + counts.T, 1)
    order = np.argsort(-both, axis=None, kind="stable")[:CONFUSIONS]
    pairs = (divmod(int(position), len(classes)) for position in order)
    return tuple(
        Confusion(
            (classes[a], classes[b]),
            (int(counts[a].sum()), int(counts[b].sum())),
            (int(counts[a, b]), int(counts[b, a])),
        )
        for a, b in pairs
        if both[a, b]
    )


def confusions(table: Table, labels: PredictedLabels) -> tuple[Confused, ...]:
    """The most confused pairs of the rows that show theirs."""
    return tuple(
        Confused(row, most_confused(_counts(table, labels, row.method.number), table.classes))
        for row in table.shown_in("confusions")
    )


def _counts(table: Table, labels: PredictedLabels, number: int) -> NDArray[np.int64]:
    return confusion_matrix(labels.actual, labels.predicted[number], len(table.classes))
