"""What the page says about accuracy: the verdict, pairs, classes, confusions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stroi.cache.percent import percent
from stroi.stages.report_page.results import Predictions, Table, TableRow

PAIR_ROWS = (1, 2, 4, 7)
CLASS_ROWS = (2, 4, 7)
CONFUSED_ROWS = (1, 7)
MATRIX_ROWS = (7, 1, 2)
COLOUR = {1: "skeleton", 2: "soft", 3: "rgb", 4: "rgb", 5: "both", 6: "both", 7: "both"}
"""CSS colour of each row: by branch; the unweighted ResNet paler than the weighted ones."""

_SINGLE_RGB = (2, 3, 4)
_ENSEMBLES = (5, 6, 7)
_SHOWN_CONFUSIONS = 6


@dataclass(frozen=True)
class PairLine:
    """Two classes told apart on their own.

    Attributes:
        name: Of the pair.
        classes: Its two class names.
        accuracy: Two-way accuracy in percent by row number, rows `PAIR_ROWS`; None without test
            clips.
        note: What is wrong with the figures, or why there are none; empty if nothing is.
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
        accuracy: In percent by row number, rows `CLASS_ROWS`; None without test clips.
        gain: Row 4 less row 2: what the weights add, in points.
        interval: Its 95 % interval; None if it is not known.
    """

    name: str
    clips: int
    accuracy: Mapping[int, float | None]
    gain: float | None
    interval: tuple[float, float] | None = None


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

    row: TableRow
    pairs: tuple[Confusion, ...]


@dataclass(frozen=True)
class Matrix:
    """Confusion matrix of one row: `counts`[actual][predicted], first seed."""

    row: TableRow
    counts: tuple[tuple[int, ...], ...]


def verdict(table: Table) -> str:
    """Whether the best ensemble beats both single branches, in one sentence.

    The RGB branch is the best of rows 2, 3 and 4, so that the comparison is the hardest one.
    """
    best = _best(table, _ENSEMBLES)
    reached = percent(best.accuracy)
    rivals = (
        ("the skeleton branch", table.row(1)),
        ("the best RGB branch", _best(table, _SINGLE_RGB)),
    )
    # Means over seeds that ought to be equal may differ in the last bit.
    gaps = [round(best.accuracy - rival.accuracy, 9) for _, rival in rivals]
    first, second = (
        f"{_gap(gap)} {name} (row {rival.row.number}, {percent(rival.accuracy)} %)"
        for gap, (name, rival) in zip(gaps, rivals, strict=True)
    )
    beats = "beats" if min(gaps) > 0 else "does not beat"
    return (
        f"The best ensemble (row {best.row.number}, {reached} %) {beats} both single "
        f"branches: it is {first} and {second}."
    )


def _best(table: Table, numbers: Sequence[int]) -> TableRow:
    return max((table.row(number) for number in numbers), key=lambda row: row.accuracy)


def _gap(points: float) -> str:
    if points == 0:
        return "level with"
    return f"{percent(abs(points))} points {'above' if points > 0 else 'below'}"


def pair_lines(table: Table, pairs: Mapping[str, tuple[str, str]]) -> tuple[PairLine, ...]:
    """Two-way accuracies of the named pairs, in the profile's order."""
    return tuple(
        PairLine(
            name,
            classes,
            {number: table.row(number).pairs[name] for number in PAIR_ROWS},
            table.pairs[name].note if name in table.pairs else "",
        )
        for name, classes in pairs.items()
    )


def class_lines(table: Table, sizes: Sequence[int]) -> tuple[ClassLine, ...]:
    """Accuracy per class, in class order."""
    lines = []
    for label, name in enumerate(table.classes):
        of = {number: table.row(number).per_class[label] for number in CLASS_ROWS}
        plain, weighted = of[2], of[4]
        gain = None if plain is None or weighted is None else weighted - plain
        interval = None
        if table.gains:  # counted clip by clip: equal rows differ by nothing at all
            gain, interval = table.gains[label].gain, table.gains[label].interval
        lines.append(ClassLine(name, sizes[label], of, gain, interval))
    return tuple(lines)


def confusion_matrix(
    actual: NDArray[np.int64], predicted: NDArray[np.int64], classes: int
) -> NDArray[np.int64]:
    """(L, L) int64 counts, actual by predicted label, of N clips."""
    counts = np.zeros((classes, classes), np.int64)
    np.add.at(counts, (actual, predicted), 1)
    return counts


def matrices(table: Table, predictions: Predictions) -> tuple[Matrix, ...]:
    """Confusion matrices of rows `MATRIX_ROWS`."""
    found = []
    for number in MATRIX_ROWS:
        counts = confusion_matrix(
            predictions.actual, predictions.predicted[number], len(table.classes)
        )
        found.append(Matrix(table.row(number), tuple(tuple(line) for line in counts.tolist())))
    return tuple(found)


def most_confused(counts: NDArray[np.int64], classes: Sequence[str]) -> tuple[Confusion, ...]:
    """Pairs of classes by clips taken for each other, most first (the paper's Fig. 1).

    Args:
        counts: (L, L) confusion matrix.
        classes: Names of the L classes.

    Returns:
        At most six pairs; none that was never confused.
    """
    both = np.triu(counts + counts.T, 1)
    order = np.argsort(-both, axis=None, kind="stable")[:_SHOWN_CONFUSIONS]
    pairs = (divmod(int(place), len(classes)) for place in order)
    return tuple(
        Confusion(
            (classes[a], classes[b]),
            (int(counts[a].sum()), int(counts[b].sum())),
            (int(counts[a, b]), int(counts[b, a])),
        )
        for a, b in pairs
        if both[a, b]
    )


def confusions(table: Table, predictions: Predictions) -> tuple[Confused, ...]:
    """The most confused pairs of rows `CONFUSED_ROWS`."""
    return tuple(
        Confused(
            table.row(number),
            most_confused(
                confusion_matrix(
                    predictions.actual, predictions.predicted[number], len(table.classes)
                ),
                table.classes,
            ),
        )
        for number in CONFUSED_ROWS
    )
