"""Scores of every method for the same clips: of one run, or of several folds together.

Legend of shapes: N clips, L classes, S seeds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stroi.cache.errors import RefusedInput
from stroi.cache.scores import Scores, join, match_classes
from stroi.pipeline.params.profile import EnsembleParams
from stroi.stages.evaluation.ground_truth import GroundTruth
from stroi.stages.evaluation.methods import METHODS, Method
from stroi.trainer.metrics.ensemble import ALPHAS, AlphaChoice, choose_alpha, ensemble

StreamScores = Mapping[str, Scores]
"""Scores of one seed's networks, by the stage that trained them."""


def stream_logits(
    method: Method, streams: StreamScores, truth: GroundTruth
) -> list[NDArray[np.float32]]:
    """Logits (N, L) of each of the method's streams, joined by id.

    Raises:
        RefusedInput: ``ENSEMBLE_CLASSES``; ``ENSEMBLE_IDS`` if a stream lacks a clip or has one
            too many.
    """
    ids, logits = join(
        [match_classes(streams[name], truth.classes, name) for name in method.streams]
    )
    if tuple(ids) != truth.ids:
        odd = sorted(set(ids) ^ set(truth.ids))
        raise RefusedInput(
            "ENSEMBLE_IDS",
            f"row {method.number}: {len(odd)} clips differ from the split, first {odd[0]}",
            remedy="run the stages again, or `dvc repro`, so that all scores are of one index",
        )
    return logits


def method_scores(
    method: Method,
    streams: StreamScores,
    truth: GroundTruth,
    params: EnsembleParams,
    alpha: float | None = None,
) -> NDArray[np.float64]:
    """Scores (N, L) of one method.

    Args:
        method: The method.
        streams: Scores of one seed.
        truth: The clips.
        params: Whether logits or probabilities are summed, and the weight of the RGB branch.
        alpha: Weight of the RGB branch; None for that of `params`.

    Raises:
        RefusedInput: As `stream_logits`.
        ValueError: If the weight is to be chosen on validation clips and is not given.
    """
    logits = stream_logits(method, streams, truth)
    if not method.is_ensemble:
        return ensemble(logits, kind=params.scores)
    if not method.has_alpha:
        return ensemble(logits, kind=params.scores, weights=method.factors or None)
    weight = params.alpha if alpha is None else alpha
    if weight == "validation":
        raise ValueError("alpha must be chosen on validation clips first, by `choose_alphas`")
    return ensemble(logits, kind=params.scores, weights=(1.0, weight))


@dataclass(frozen=True)
class ChosenAlphas:
    """Weights of the RGB branch that were chosen on validation clips.

    Attributes:
        validation_clips: Number of these clips.
        methods: The choice of every seed, by the number of the ensemble.
        grid: Weights that were tried.
    """

    validation_clips: int
    methods: Mapping[int, tuple[AlphaChoice, ...]]
    grid: tuple[float, ...] = ALPHAS


def choose_alphas(
    by_seed: Mapping[int, StreamScores],
    truth: GroundTruth,
    params: EnsembleParams,
    methods: Sequence[Method] = METHODS,
) -> ChosenAlphas:
    """Choose the best weight of the RGB branch for each ensemble and seed.

    Args:
        by_seed: Scores of the validation clips.
        truth: The validation clips.
        params: Whether logits or probabilities are summed.
        methods: The rows.
    """

    def choose(method: Method, streams: StreamScores) -> AlphaChoice:
        skeleton, rgb = stream_logits(method, streams, truth)
        return choose_alpha(skeleton, rgb, truth.labels, kind=params.scores)

    choices = {
        method.number: tuple(choose(method, streams) for streams in by_seed.values())
        for method in methods
        if method.has_alpha
    }
    return ChosenAlphas(len(truth.ids), choices)


@dataclass(frozen=True)
class PredictedLabels:
    """Labels that each method predicts with the first seed.

    Attributes:
        ids: Test clips, sorted, N.
        actual: (N,) their labels.
        predicted: (N,) predicted labels, by the method's number.
        margins: (N,) score of the actual label less the highest other score, by the method's
            number: how clearly a clip is right, or wrong if it is negative.
    """

    ids: tuple[str, ...]
    actual: NDArray[np.int64]
    predicted: Mapping[int, NDArray[np.int64]]
    margins: Mapping[int, NDArray[np.float64]]


@dataclass(frozen=True)
class RunPredictions:
    """Scores of all methods for the same clips.

    Attributes:
        truth: The test clips.
        seeds: The S seeds.
        scores: (N, L) scores of each seed, by the method's number.
        methods: The methods, with the names of the networks that ran.
        alpha: Weight of the RGB branch, as given or as chosen; None for folds with choices of
            their own.
    """

    truth: GroundTruth
    seeds: tuple[int, ...]
    scores: Mapping[int, tuple[NDArray[np.float64], ...]]
    methods: tuple[Method, ...]
    alpha: float | ChosenAlphas | None

    def alphas(self, method: Method) -> tuple[float, ...]:
        """Weight of the RGB branch in a method, one per seed; () where there is none."""
        if not method.has_alpha or self.alpha is None:
            return ()
        if isinstance(self.alpha, ChosenAlphas):
            return tuple(choice.alpha for choice in self.alpha.methods[method.number])
        return (self.alpha,) * len(self.seeds)

    def hits(self, number: int) -> NDArray[np.bool_]:
        """(S, N) whether a method is right about each clip, with each seed."""
        return hit_mask(self.scores[number], self.truth)

    def labels(self) -> PredictedLabels:
        """What each method predicts with the first seed."""
        labels = {number: scores[0].argmax(axis=1) for number, scores in self.scores.items()}
        margins = {
            number: margin(scores[0], self.truth.labels) for number, scores in self.scores.items()
        }
        return PredictedLabels(self.truth.ids, self.truth.labels, labels, margins)


def margin(scores: NDArray[np.float64], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """(N,) score of each clip's label less the highest other one, of scores (N, L); 0 for L = 1."""
    if scores.shape[1] == 1:
        return np.zeros(len(labels))
    own = np.arange(len(labels)), labels
    others = scores.copy()
    others[own] = -np.inf
    return np.asarray(scores[own] - others.max(axis=1), np.float64)


def hit_mask(scores: Sequence[NDArray[np.float64]], truth: GroundTruth) -> NDArray[np.bool_]:
    """(S, N) whether the scores (N, L) of each seed are highest at each clip's label."""
    return np.stack([each.argmax(axis=1) == truth.labels for each in scores])


def predict_rows(
    by_seed: Mapping[int, StreamScores],
    truth: GroundTruth,
    params: EnsembleParams,
    *,
    chosen: ChosenAlphas | None = None,
    methods: tuple[Method, ...] = METHODS,
) -> RunPredictions:
    """The scores of all rows; each ensemble with the weight that was chosen or is given.

    Raises:
        RefusedInput: If score files do not belong together.
    """
    scores = {}
    for method in methods:
        own = None if chosen is None else chosen.methods.get(method.number)
        alphas = [None] * len(by_seed) if own is None else [choice.alpha for choice in own]
        scores[method.number] = tuple(
            method_scores(method, streams, truth, params, alpha)
            for streams, alpha in zip(by_seed.values(), alphas, strict=True)
        )
    given = None if params.alpha == "validation" else params.alpha
    alpha = given if chosen is None else chosen
    return RunPredictions(truth, tuple(by_seed), scores, methods, alpha)


def concatenate_folds(folds: Mapping[str, RunPredictions]) -> RunPredictions:
    """The test clips of several runs as one test, such as those of all folds.

    Seeds pair by number.

    Args:
        folds: By the name of the run, at least one.

    Raises:
        RefusedInput: ``POOL_SEEDS``, ``POOL_CLASSES``, ``POOL_NETWORKS`` or ``POOL_INPUT`` if the
            runs are not of one kind, ``POOL_TWICE`` if a clip is tested in two of them.
    """
    first, *_ = folds.values()
    tested: dict[str, str] = {}
    for name, fold in folds.items():
        if fold.seeds != first.seeds:
            raise _unlike("POOL_SEEDS", f"{name} has seeds {fold.seeds}, not {first.seeds}")
        if fold.truth.classes != first.truth.classes:
            raise _unlike("POOL_CLASSES", f"{name} has other classes than the first run")
        if fold.methods != first.methods:
            raise _unlike("POOL_NETWORKS", f"{name} has other networks than the first run")
        if list(fold.truth.left_out) != list(first.truth.left_out):
            raise _unlike("POOL_INPUT", f"{name} has other stages than the first run")
        for clip in fold.truth.ids:
            if tested.setdefault(clip, name) != name:
                raise _unlike("POOL_TWICE", f"{tested[clip]} and {name} both test {clip!a}")
    order = np.argsort(np.array(list(tested)))
    left_out = {
        stage: sum(fold.truth.left_out[stage] for fold in folds.values())
        for stage in first.truth.left_out
    }
    labels = np.concatenate([fold.truth.labels for fold in folds.values()])[order]
    truth = GroundTruth(tuple(sorted(tested)), labels, first.truth.classes, left_out)
    scores = {
        number: tuple(
            np.concatenate([fold.scores[number][at] for fold in folds.values()])[order]
            for at in range(len(first.seeds))
        )
        for number in first.scores
    }
    alpha = None if isinstance(first.alpha, ChosenAlphas) else first.alpha
    return RunPredictions(truth, first.seeds, scores, first.methods, alpha)


def _unlike(code: str, problem: str) -> RefusedInput:
    return RefusedInput(
        code,
        problem,
        remedy="pool runs that differ in their test clips alone, such as the folds of a data set",
    )
