"""The table of results of one run: the seven rows of the paper's Tables I and II, and plug-ins'.

`Table` is declared once: stage ``ensemble`` writes it, the report reads it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from stroi.pipeline.params.profile import EnsembleParams
from stroi.stages.evaluation.comparisons import ClassGain, Comparison, class_gains, compare
from stroi.stages.evaluation.ground_truth import GroundTruth
from stroi.stages.evaluation.methods import METHODS, Detail, Method
from stroi.stages.evaluation.predictions import ChosenAlphas, RunPredictions, hit_mask
from stroi.trainer.metrics.accuracy import accuracy, per_class_accuracy, two_way_accuracy
from stroi.trainer.metrics.significance import accuracy_interval
from stroi.trainer.plugins import origin

Percent = Annotated[float, Field(ge=0.0, le=100.0)]
Clips = Annotated[int, Field(ge=0)]


@dataclass(frozen=True)
class RowResult:
    """Test accuracy of one method, in percent.

    Attributes:
        method: The method.
        accuracy: Mean over seeds.
        spread: Sample standard deviation over seeds, in points; None with one seed.
        interval: 95 % interval of the accuracy: Wilson's over the clips with one seed, a
            bootstrap's over clips and seeds with several.
        seeds: Accuracy of each seed.
        pairs: Two-way accuracy inside each named pair of classes, mean over seeds; None if no
            test clip is of either class.
        per_class: Accuracy of each class, mean over seeds; None without test clips.
        alphas: Weight of the RGB branch, one per seed; () for a single branch.
    """

    method: Method
    accuracy: Percent
    spread: Annotated[float, Field(ge=0.0)] | None
    interval: tuple[Percent, Percent]
    seeds: Annotated[tuple[Percent, ...], Field(min_length=1)]
    pairs: Mapping[str, Percent | None]
    per_class: tuple[Percent | None, ...]
    alphas: tuple[Annotated[float, Field(ge=0.0)], ...] = ()


@dataclass(frozen=True)
class Pair:
    """Two classes that the rows are also measured on alone.

    Attributes:
        classes: Their names.
        test_clips: Test clips of each.
        note: Why the accuracies are missing or say little; empty if they are sound.
    """

    classes: tuple[str, str]
    test_clips: tuple[Clips, Clips]
    note: str


@dataclass(frozen=True)
class SplitClips:
    """The split's test clips.

    Attributes:
        listed: All of them.
        seen: Those that the graph network saw.
        left_out: Those that are not measured, by the first stage that lost them.
    """

    listed: Clips
    seen: Clips
    left_out: Mapping[str, Clips]


class Table(BaseModel):
    """The rows, and what they were measured on.

    Attributes:
        test_clips: Clips that all rows are measured on.
        test_split: The test clips of the split, measured or lost.
        classes: Names of the L classes.
        class_sizes: Test clips of each class.
        chance: Accuracy of guessing, in percent.
        seeds: The seeds, in the order of all figures by seed.
        interval: How the rows' intervals were computed.
        rows: Result of each method.
        pairs: Pairs of classes by name.
        comparisons: Rows against rows.
        gains: What the weights add, per class.
        alpha: Weight of the RGB branch in the ensembles, as given or as chosen; null for folds
            with choices of their own.
        plugins: Version and package of the plug-ins that have further rows.
    """

    model_config = ConfigDict(
        frozen=True, strict=True, extra="forbid", allow_inf_nan=False, revalidate_instances="always"
    )

    test_clips: Annotated[int, Field(ge=1)]
    test_split: SplitClips
    classes: tuple[str, ...]
    class_sizes: tuple[Clips, ...]
    chance: Percent
    seeds: tuple[int, ...]
    interval: Literal["wilson", "bootstrap"]
    rows: tuple[RowResult, ...]
    pairs: Mapping[str, Pair]
    comparisons: tuple[Comparison, ...]
    gains: tuple[ClassGain, ...]
    alpha: float | ChosenAlphas | None
    plugins: Mapping[str, Mapping[str, str]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _is_complete(self) -> Table:
        numbers = [row.method.number for row in self.rows]
        if numbers[: len(METHODS)] != [method.number for method in METHODS]:
            raise ValueError(f"the first rows are not 1 to {len(METHODS)}")
        if numbers != sorted(set(numbers)):
            raise ValueError("the rows are not in the order of their numbers, each once")
        if {row for each in self.comparisons for row in (each.first, each.second)} - set(numbers):
            raise ValueError("a comparison is of a row that is not there")
        if any(len(row.per_class) != len(self.classes) for row in self.rows):
            raise ValueError("a row has not one accuracy per class")
        if any(len(row.seeds) != len(self.seeds) for row in self.rows):
            raise ValueError("a row has not one accuracy per seed")
        for name, values in (("gain", self.gains), ("size", self.class_sizes)):
            if len(values) != len(self.classes):
                raise ValueError(f"there is not one {name} per class")
        return self

    def row(self, number: int) -> RowResult:
        """The row of that number."""
        return next(row for row in self.rows if row.method.number == number)

    def shown_in(self, detail: Detail) -> tuple[RowResult, ...]:
        """The rows that a part of the page shows."""
        return tuple(row for row in self.rows if detail in row.method.details)


def make_table(predictions: RunPredictions, params: EnsembleParams) -> Table:
    """Accuracies, intervals and tests of all rows."""
    truth = predictions.truth
    hits = {method.number: predictions.hits(method.number) for method in predictions.methods}
    return Table(
        test_clips=len(truth.ids),
        test_split=SplitClips(truth.listed, truth.seen, dict(truth.left_out)),
        classes=truth.classes,
        class_sizes=tuple(np.bincount(truth.labels, minlength=len(truth.classes)).tolist()),
        chance=100 / len(truth.classes),
        seeds=predictions.seeds,
        interval="wilson" if len(predictions.seeds) == 1 else "bootstrap",
        rows=tuple(
            row_result(
                method,
                predictions.scores[method.number],
                truth,
                params.pairs,
                predictions.alphas(method),
            )
            for method in predictions.methods
        ),
        pairs={name: _pair(classes, truth) for name, classes in params.pairs.items()},
        comparisons=tuple(
            compare(first, method.number, hits)
            for method in predictions.methods
            for first in method.compared_with
        ),
        gains=class_gains(hits, truth),
        alpha=predictions.alpha,
        plugins={name: origin("methods", name) for name in params.methods},
    )


def row_result(
    method: Method,
    scores: Sequence[NDArray[np.float64]],
    truth: GroundTruth,
    pairs: Mapping[str, tuple[str, str]],
    alphas: tuple[float, ...] = (),
) -> RowResult:
    """Accuracy of one method.

    Args:
        method: The method.
        scores: Its scores (N, L), one array per seed.
        truth: The N clips.
        pairs: Pairs of classes to measure alone.
        alphas: Weight of the RGB branch in each seed's scores.
    """
    values = tuple(100 * accuracy(each, truth.labels) for each in scores)
    shares = np.mean([per_class_accuracy(each, truth.labels) for each in scores], axis=0)
    low, high = accuracy_interval(hit_mask(scores, truth))
    return RowResult(
        method=method,
        accuracy=float(np.mean(values)),
        spread=float(np.std(values, ddof=1)) if len(values) > 1 else None,
        interval=(100 * low, 100 * high),
        seeds=values,
        pairs={name: _pair_accuracy(scores, truth, *pair) for name, pair in pairs.items()},
        per_class=tuple(map(_percent, shares)),
        alphas=alphas,
    )


def _pair_accuracy(
    scores: Sequence[NDArray[np.float64]], truth: GroundTruth, first: str, second: str
) -> float | None:
    one, other = truth.classes.index(first), truth.classes.index(second)
    values = [two_way_accuracy(each, truth.labels, one, other) for each in scores]
    return _percent(np.mean(values))


def _percent(share: np.floating) -> float | None:
    """A share of some clips in percent; None without clips, whose share is NaN."""
    return None if np.isnan(share) else 100 * float(share)


def _pair(classes: tuple[str, str], truth: GroundTruth) -> Pair:
    first, second = (
        int(np.count_nonzero(truth.labels == truth.classes.index(label))) for label in classes
    )
    lacking = [label for label, n in zip(classes, (first, second), strict=True) if not n]
    note = f"no test clip of {' or '.join(lacking)}" if lacking else ""
    return Pair(classes, (first, second), note)
