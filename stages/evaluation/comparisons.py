"""One row against another, clip by clip: significance tests and gains per class.

Legend of shapes: S seeds, N clips, L classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from stroi.stages.evaluation.ground_truth import GroundTruth
from stroi.trainer.metrics.significance import Interval, McNemar, bootstrap_interval, mcnemar

GAIN = (2, 4)
"""Rows whose difference per class is the paper's Fig. 6."""

Points = Annotated[float, Field(ge=-100.0, le=100.0)]
PValue = Annotated[float, Field(ge=0.0, le=1.0)]


@dataclass(frozen=True)
class Comparison:
    """Two rows on the same clips.

    Attributes:
        first: Number of one row.
        second: Number of the other.
        gain: Accuracy of the second minus that of the first, mean over seeds, in points.
        interval: 95 % bootstrap interval of the gain over clips and seeds, in points; None if the
            difference is the same for every clip and seed.
        seeds: The exact test of each seed.
        median_p: Median of the seeds' p values. It is not a joint p value: the seeds' networks
            are tested on the same clips.
    """

    first: int
    second: int
    gain: Points
    interval: tuple[Points, Points] | None
    seeds: tuple[McNemar, ...]
    median_p: PValue


@dataclass(frozen=True)
class ClassGain:
    """What the weights add on one class: row 4 minus row 2, mean over seeds.

    Attributes:
        gain: The difference in points; None without test clips.
        interval: 95 % bootstrap interval of the gain over the clips of the class and the seeds;
            None as for a `Comparison`, or without test clips.
    """

    gain: Points | None
    interval: tuple[Points, Points] | None


def compare(first: int, second: int, hits: Mapping[int, NDArray[np.bool_]]) -> Comparison:
    """Compare two rows, given the hits (S, N) of each row by its number."""
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


def class_gains(hits: Mapping[int, NDArray[np.bool_]], truth: GroundTruth) -> tuple[ClassGain, ...]:
    """What the weights add, class by class, L of them, given the hits (S, N) of each row."""
    plain, weighted = (hits[number].astype(np.float64) for number in GAIN)
    gains = []
    for label in range(len(truth.classes)):
        own = (weighted - plain)[:, truth.labels == label]
        if own.size:
            gains.append(ClassGain(100 * float(own.mean()), _points(bootstrap_interval(own))))
        else:
            gains.append(ClassGain(None, None))
    return tuple(gains)


def _points(interval: Interval | None) -> Interval | None:
    return None if interval is None else (100 * interval[0], 100 * interval[1])
