"""What every row says about every test clip: of one run, or of several that share no test clip."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from stroi.cache.errors import RefusedInput
from stroi.cache.scores import Scores
from stroi.pipeline.params.profile import EnsembleParams
from stroi.stages.evaluation.comparisons import ClassGain, Comparison, class_gains, comparisons
from stroi.stages.evaluation.table import (
    ROWS,
    GroundTruth,
    Result,
    Row,
    judge,
    right,
    row_scores,
)
from stroi.trainer.metrics.ensemble import AlphaChoice


@dataclass(frozen=True)
class RunPredictions:
    """Scores of all rows for the same clips.

    Attributes:
        truth: The clips.
        seeds: The seeds.
        scores: (N, L) scores of each seed by the number of the row.
        choices: How the weight of the RGB branch was chosen, per seed by the number of the row;
            empty if it was given.
        held: Validation clips that it was chosen on.
        rows: The seven rows, named by the networks that ran.
    """

    truth: GroundTruth
    seeds: tuple[int, ...]
    scores: Mapping[int, tuple[NDArray[np.float64], ...]]
    choices: Mapping[int, tuple[AlphaChoice, ...]] = field(default_factory=dict)
    held: int = 0
    rows: tuple[Row, ...] = ROWS

    @property
    def predicted(self) -> dict[int, NDArray[np.int64]]:
        """(N,) labels that each row gives with the first seed."""
        return {number: scores[0].argmax(axis=1) for number, scores in self.scores.items()}


@dataclass(frozen=True)
class Pair:
    """Two classes that are told apart on their own.

    Attributes:
        classes: Their names.
        test_clips: Test clips of each.
        note: What is wrong with the figure, or why there is none; empty if nothing is.
    """

    classes: tuple[str, str]
    test_clips: tuple[int, int]
    note: str


def named_pairs(truth: GroundTruth, params: EnsembleParams) -> dict[str, Pair]:
    """The pairs of the profile by name, with what there is to measure them on."""
    found = {}
    for name, classes in params.pairs.items():
        first, second = (
            int(np.count_nonzero(truth.labels == truth.classes.index(label))) for label in classes
        )
        lacking = [label for label, n in zip(classes, (first, second), strict=True) if not n]
        note = f"no test clip of {' or '.join(lacking)}" if lacking else ""
        found[name] = Pair(classes, (first, second), note)
    return found


@dataclass(frozen=True)
class TableResults:
    """What a table shows.

    Attributes:
        results: The seven rows.
        comparisons: Rows against rows.
        gains: What the weights add, per class.
        pairs: Pairs of classes that are told apart on their own, by name.
    """

    results: tuple[Result, ...]
    comparisons: tuple[Comparison, ...]
    gains: tuple[ClassGain, ...]
    pairs: Mapping[str, Pair]


def answer(
    seeds: Sequence[int],
    by_seed: Sequence[Mapping[str, Scores]],
    truth: GroundTruth,
    params: EnsembleParams,
    choices: Mapping[int, tuple[AlphaChoice, ...]],
    held: int = 0,
    rows: tuple[Row, ...] = ROWS,
) -> RunPredictions:
    """The rows' scores, each ensemble with the weight that was chosen for it or is given.

    Raises:
        RefusedInput: If score files do not belong together.
    """
    scores = {}
    for row in rows:
        chosen = choices.get(row.number)
        weights = [each.alpha for each in chosen] if chosen else [None] * len(by_seed)
        scores[row.number] = tuple(
            row_scores(row, streams, truth, params, alpha)
            for streams, alpha in zip(by_seed, weights, strict=True)
        )
    return RunPredictions(truth, tuple(seeds), scores, choices, held, rows)


def outcome(answers: RunPredictions, params: EnsembleParams) -> TableResults:
    """Accuracies, intervals and tests of all rows."""
    truth, hits, results = answers.truth, {}, []
    for row in answers.rows:
        scores = answers.scores[row.number]
        hits[row.number] = right(scores, truth)
        results.append(judge(row, scores, truth, params, _alphas(answers, params, row)))
    pairs = named_pairs(truth, params)
    return TableResults(tuple(results), comparisons(hits), class_gains(hits, truth), pairs)


def _alphas(answers: RunPredictions, params: EnsembleParams, row: Row) -> tuple[float, ...]:
    if len(row.streams) == 1:
        return ()
    if answers.choices:
        return tuple(each.alpha for each in answers.choices[row.number])
    return () if params.alpha == "validation" else (params.alpha,) * len(answers.seeds)


def pool(parts: Mapping[str, RunPredictions]) -> RunPredictions:
    """The test clips of several runs as one test, such as those of all folds.

    Seeds pair by number. What weights were chosen stays with the parts.

    Args:
        parts: By the name of the run, at least one.

    Raises:
        RefusedInput: ``POOL_SEEDS``, ``POOL_CLASSES``, ``POOL_NETWORKS`` or ``POOL_INPUT`` if the
            runs are not of one kind, ``POOL_TWICE`` if a clip is tested in two of them.
    """
    first, *_ = parts.values()
    tested: dict[str, str] = {}
    for name, part in parts.items():
        if part.seeds != first.seeds:
            raise _unlike("POOL_SEEDS", f"{name} has seeds {part.seeds}, not {first.seeds}")
        if part.truth.classes != first.truth.classes:
            raise _unlike("POOL_CLASSES", f"{name} has other classes than the first run")
        if part.rows != first.rows:
            raise _unlike("POOL_NETWORKS", f"{name} has other networks than the first run")
        if list(part.truth.left_out) != list(first.truth.left_out):
            raise _unlike("POOL_INPUT", f"{name} has other stages than the first run")
        for clip in part.truth.ids:
            if tested.setdefault(clip, name) != name:
                raise _unlike("POOL_TWICE", f"{tested[clip]} and {name} both test {clip!a}")
    order = np.argsort(np.array(list(tested)))
    labels = np.concatenate([part.truth.labels for part in parts.values()])[order]
    left_out = {
        stage: sum(part.truth.left_out[stage] for part in parts.values())
        for stage in first.truth.left_out
    }
    truth = GroundTruth(tuple(sorted(tested)), labels, first.truth.classes, left_out)
    scores = {
        number: tuple(
            np.concatenate([part.scores[number][at] for part in parts.values()])[order]
            for at in range(len(first.seeds))
        )
        for number in first.scores
    }
    return RunPredictions(truth, first.seeds, scores, rows=first.rows)


def _unlike(code: str, problem: str) -> RefusedInput:
    return RefusedInput(
        code, problem, remedy="pool runs of one data set and one setting that test other clips"
    )
