"""The seven rows of the paper's Tables I and II, from the scores of four trainings.

Legend of shapes: N clips, L classes, S seeds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from stroi.cache.errors import RefusedInput
from stroi.cache.scores import Scores, join
from stroi.pipeline.index.table import Index
from stroi.pipeline.params.profile import EnsembleParams
from stroi.stages.training.networks import GRAPH_NETWORK, RESNET
from stroi.trainer.metrics.accuracy import accuracy, per_class_accuracy, two_way_accuracy
from stroi.trainer.metrics.ensemble import AlphaChoice, choose_alpha, ensemble
from stroi.trainer.metrics.significance import accuracy_interval


@dataclass(frozen=True)
class Row:
    """One row of the paper's Tables I and II.

    Attributes:
        number: As the paper numbers it.
        method: As the paper names it, with the names of the networks that ran.
        skeleton: What happens to the graph network: ``train``, ``eval`` or ``-``.
        rgb: What happens to the ResNet, likewise.
        streams: Stages whose scores are summed; the first gets weight 1.
    """

    number: int
    method: str
    skeleton: str
    rgb: str
    streams: tuple[str, ...]


def named_rows(gcn: str, resnet: str) -> tuple[Row, ...]:
    """The seven rows of networks with these names."""
    return (
        Row(1, gcn, "train", "-", ("gcn",)),
        Row(2, resnet, "-", "train", ("resnet-plain",)),
        Row(3, f"{resnet} + weights", "train", "train", ("resnet-joint",)),
        Row(4, f"{resnet} + weights", "eval", "train", ("resnet-fixed",)),
        Row(5, "Ensemble 1+2", "eval", "eval", ("gcn", "resnet-plain")),
        Row(6, "Ensemble 1+3", "eval", "eval", ("gcn", "resnet-joint")),
        Row(7, "Ensemble 1+4", "eval", "eval", ("gcn", "resnet-fixed")),
    )


ROWS = named_rows(GRAPH_NETWORK, RESNET)
"""The seven rows of networks of which nothing more is known."""

STREAMS = ("gcn", "resnet-plain", "resnet-joint", "resnet-fixed")


@dataclass(frozen=True)
class Result:
    """Test accuracy of one row.

    Attributes:
        row: Which.
        accuracy: Mean over seeds, in percent.
        spread: Sample standard deviation over seeds, in percentage points; None with one seed.
        interval: 95 % interval of the accuracy, in percent: Wilson's over the clips with one
            seed, a bootstrap's over clips and seeds with several.
        seeds: Accuracy of each seed, in percent.
        pairs: Two-way accuracy inside each named pair of classes, mean over seeds, in percent;
            None if no test clip is of either class.
        per_class: Accuracy of each class, mean over seeds, in percent; None without test clips.
        alphas: Weight of the RGB branch, one per seed; () for a row of one branch.
    """

    row: Row
    accuracy: float
    spread: float | None
    interval: tuple[float, float]
    seeds: tuple[float, ...]
    pairs: Mapping[str, float | None]
    per_class: tuple[float | None, ...]
    alphas: tuple[float, ...] = ()


@dataclass(frozen=True)
class GroundTruth:
    """The clips to be right about.

    Attributes:
        ids: Of the clips, sorted, N.
        labels: (N,) their labels.
        classes: All class names.
        left_out: Further clips of the part, counted by the first stage that lost them; stages in
            the order that clips pass them, that of the graph network's clips first.
    """

    ids: tuple[str, ...]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    left_out: Mapping[str, int] = field(default_factory=dict)

    @property
    def listed(self) -> int:
        """Clips of the part, lost ones too."""
        return len(self.ids) + sum(self.left_out.values())

    @property
    def seen(self) -> int:
        """Clips of the part that the graph network saw, whether they have a mosaic or not."""
        return self.listed - next(iter(self.left_out.values()), 0)


def held_out(
    index: Index, part: Sequence[str], lost: Mapping[str, set[str]], what: str = "test"
) -> GroundTruth:
    """The clips of a part that no stage lost.

    Args:
        index: The data set's index.
        part: Ids of the part.
        lost: Ids that each stage quarantined, in the order that clips pass the stages.
        what: What the part is for.

    Raises:
        RefusedInput: ``PART_LOST`` if no clip is left.
    """
    rest, left_out = set(part), {}
    for stage, gone in lost.items():
        left_out[stage] = len(rest & gone)
        rest -= gone
    if not rest:
        counts = ", ".join(f"{count} by {stage}" for stage, count in left_out.items() if count)
        raise RefusedInput(
            "PART_LOST",
            f"none of the split's {len(set(part))} {what} clips is left, lost: {counts}",
            remedy="mend what the ledgers say of these clips, or divide the clips otherwise",
        )
    ids = tuple(sorted(rest))
    labels = index.labels(ids)
    return GroundTruth(
        ids, np.array([labels[name] for name in ids], np.int64), index.classes, left_out
    )


def joined(
    row: Row, streams: Mapping[str, Scores], truth: GroundTruth
) -> list[NDArray[np.float32]]:
    """Logits (N, L) of each of the row's streams for the clips of `truth`.

    Raises:
        RefusedInput: If a stream lacks a clip or has one too many.
    """
    chosen = [streams[name] for name in row.streams]
    for name, scores in zip(row.streams, chosen, strict=True):
        if scores.classes != truth.classes:
            raise RefusedInput(
                "ENSEMBLE_CLASSES",
                f"{name}: its classes are not the index's",
                remedy="rerun the stage that made it",
            )
    ids, logits = join(chosen)
    if tuple(ids) != truth.ids:
        odd = sorted(set(ids) ^ set(truth.ids))
        raise RefusedInput(
            "ENSEMBLE_IDS",
            f"row {row.number}: {len(odd)} clips differ from the test part, first {odd[0]}",
            remedy="rerun the stages so that all scores belong to one index",
        )
    return logits


def row_scores(
    row: Row,
    streams: Mapping[str, Scores],
    truth: GroundTruth,
    params: EnsembleParams,
    alpha: float | None = None,
) -> NDArray[np.float64]:
    """Scores (N, L) of one row for the clips of `truth`.

    Args:
        row: Which.
        streams: Scores by stage.
        truth: The clips.
        params: What is summed.
        alpha: Weight of the RGB branch; that of `params` if None.

    Raises:
        RefusedInput: If a stream lacks a clip or has one too many.
        ValueError: If the weight is to be chosen and was not.
    """
    logits = joined(row, streams, truth)
    weight = params.alpha if alpha is None else alpha
    if len(logits) == 1:
        return ensemble(logits, kind=params.scores)
    if weight == "validation":
        raise ValueError("alpha is to be chosen on validation clips first, see `chosen_alphas`")
    return ensemble(logits, kind=params.scores, weights=(1.0, weight))


def chosen_alphas(
    by_seed: Sequence[Mapping[str, Scores]], truth: GroundTruth, params: EnsembleParams
) -> dict[int, tuple[AlphaChoice, ...]]:
    """The weight of the RGB branch that suits each ensemble best, seed by seed.

    Args:
        by_seed: Scores of the validation clips by stage, one mapping per seed.
        truth: The validation clips.
        params: What is summed.

    Returns:
        One choice per seed by the number of the row.
    """

    def chosen(row: Row, streams: Mapping[str, Scores]) -> AlphaChoice:
        skeleton, rgb = joined(row, streams, truth)
        return choose_alpha(skeleton, rgb, truth.labels, kind=params.scores)

    return {
        row.number: tuple(chosen(row, streams) for streams in by_seed)
        for row in ROWS
        if len(row.streams) > 1
    }


def right(scores: Sequence[NDArray[np.float64]], truth: GroundTruth) -> NDArray[np.bool_]:
    """(S, N) whether the scores (N, L) of each seed name each clip's class."""
    return np.stack([each.argmax(axis=1) == truth.labels for each in scores])


def evaluate(
    row: Row,
    by_seed: Sequence[Mapping[str, Scores]],
    truth: GroundTruth,
    params: EnsembleParams,
) -> Result:
    """Accuracy of one row over all seeds, with the weight of the RGB branch that `params` gives."""
    scores = [row_scores(row, streams, truth, params) for streams in by_seed]
    return judge(row, scores, truth, params)


def judge(
    row: Row,
    scores: Sequence[NDArray[np.float64]],
    truth: GroundTruth,
    params: EnsembleParams,
    alphas: Sequence[float] = (),
) -> Result:
    """Accuracy of one row, given its scores (N, L) of each seed.

    Args:
        row: Which.
        scores: Of the clips of `truth`, per seed.
        truth: The clips.
        params: Which pairs of classes to tell apart.
        alphas: Weight of the RGB branch in each seed's scores.
    """
    hits = right(scores, truth)
    values = tuple(100 * accuracy(each, truth.labels) for each in scores)
    number = {name: at for at, name in enumerate(truth.classes)}
    pairs = {
        name: _percent(np.mean([
            two_way_accuracy(each, truth.labels, number[first], number[second]) for each in scores
        ]))
        for name, (first, second) in params.pairs.items()
    }  # fmt: skip
    shares = np.mean([per_class_accuracy(each, truth.labels) for each in scores], axis=0)
    low, high = accuracy_interval(hits)
    return Result(
        row=row,
        accuracy=float(np.mean(values)),
        spread=float(np.std(values, ddof=1)) if len(values) > 1 else None,
        interval=(100 * low, 100 * high),
        seeds=values,
        pairs=pairs,
        per_class=tuple(map(_percent, shares)),
        alphas=tuple(alphas),
    )


def _percent(share: np.floating) -> float | None:
    """A share of some clips in percent; None without clips, whose share is NaN."""
    return None if np.isnan(share) else 100 * float(share)
