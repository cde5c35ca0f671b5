"""Rows against rows, clip by clip: is one better, or were the test clips kind to it?

Legend of shapes: S seeds, N clips, L classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
from numpy.typing import NDArray

from stroi.stages.evaluation.table import GroundTruth
from stroi.trainer.metrics.significance import Interval, McNemar, bootstrap_interval, mcnemar

PAIRS = (
    (2, 3), (2, 4), (3, 4),
    (1, 5), (1, 6), (1, 7),
    (2, 5), (3, 6), (4, 7),
    (5, 6), (5, 7),
)  # fmt: skip
"""Rows that are compared: what the weights add to the ResNet, what each ensemble adds to either
of its branches, and what the weights add to the ensemble."""

GAIN = (2, 4)
"""Rows whose difference per class is the paper's Fig. 6."""


@dataclass(frozen=True)
class Comparison:
    """Two rows on the same clips.

    Attributes:
        first: Number of one row.
        second: Number of the other.
        gain: Accuracy of the second less that of the first, mean over seeds, in points.
        interval: 95 % bootstrap interval of it over clips and seeds, in points; None if the
            difference is the same for every clip and seed.
        seeds: The exact test of each seed.
        median_p: Median of the seeds' p values: no joint p value, for the seeds' networks are
            asked about the same clips.
    """

    first: int
    second: int
    gain: float
    interval: Interval | None
    seeds: tuple[McNemar, ...]
    median_p: float


@dataclass(frozen=True)
class ClassGain:
    """What the weights add on one class: row 4 less row 2, in points, mean over seeds.

    Attributes:
        gain: The difference; None without test clips.
        interval: As that of a `Comparison`, over the clips of the class.
    """

    gain: float | None
    interval: Interval | None


def compare(first: int, second: int, hits: Mapping[int, NDArray[np.bool_]]) -> Comparison:
    """Compare two rows; `hits` has (S, N), whether each seed has each clip right, by row."""
    one, other = hits[first], hits[second]
    difference = other.astype(np.int8) - one.astype(np.int8)
    seeds = tuple(mcnemar(a, b) for a, b in zip(one, other, strict=True))
    return Comparison(
        first,
        second,
        100 * float(difference.mean()),
        _points(bootstrap_interval(difference.astype(np.float64))),
        seeds,
        median(each.p for each in seeds),
    )


def comparisons(
    hits: Mapping[int, NDArray[np.bool_]], pairs: Sequence[tuple[int, int]] = PAIRS
) -> tuple[Comparison, ...]:
    """All `pairs` of rows compared."""
    return tuple(compare(first, second, hits) for first, second in pairs)


def class_gains(hits: Mapping[int, NDArray[np.bool_]], truth: GroundTruth) -> tuple[ClassGain, ...]:
    """What the weights add, class by class, L of them."""
    plain, weighted = (hits[number].astype(np.float64) for number in GAIN)
    found = []
    for label in range(len(truth.classes)):
        own = (weighted - plain)[:, truth.labels == label]
        gain = 100 * float(own.mean()) if own.size else None
        found.append(ClassGain(gain, _points(bootstrap_interval(own)) if own.size else None))
    return tuple(found)


def _points(interval: Interval | None) -> Interval | None:
    return None if interval is None else (100 * interval[0], 100 * interval[1])
