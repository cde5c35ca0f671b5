"""The seven rows of the paper's Tables I and II, from the scores of four trainings.

Legend of shapes: N clips, L classes, S seeds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stroi.cache.errors import RefusedInput
from stroi.cache.scores import Scores, join
from stroi.pipeline.index import Index
from stroi.pipeline.profile import EnsembleParams
from stroi.trainer.evaluation import accuracy, ensemble, per_class_accuracy, two_way_accuracy
from stroi.trainer.fusion import AlphaChoice, choose_alpha
from stroi.trainer.significance import accuracy_interval


@dataclass(frozen=True)
class Row:
    """One row of the paper's Tables I and II.

    Attributes:
        number: As the paper numbers it.
        method: As the paper names it.
        skeleton: What happens to the GCN: ``train``, ``eval`` or ``-``.
        rgb: What happens to the ResNet, likewise.
        streams: Stages whose scores are summed; the first gets weight 1.
    """

    number: int
    method: str
    skeleton: str
    rgb: str
    streams: tuple[str, ...]


ROWS = (
    Row(1, "GCN", "train", "-", ("gcn",)),
    Row(2, "ResNet18", "-", "train", ("resnet-plain",)),
    Row(3, "ResNet18 + weights", "train", "train", ("resnet-joint",)),
    Row(4, "ResNet18 + weights", "eval", "train", ("resnet-fixed",)),
    Row(5, "Ensemble 1+2", "eval", "eval", ("gcn", "resnet-plain")),
    Row(6, "Ensemble 1+3", "eval", "eval", ("gcn", "resnet-joint")),
    Row(7, "Ensemble 1+4", "eval", "eval", ("gcn", "resnet-fixed")),
)
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
        pairs: Two-way accuracy inside each named pair of classes, mean over seeds, in percent.
        per_class: Accuracy of each class, mean over seeds, in percent; None without test clips.
        alphas: Weight of the RGB branch, one per seed; () for a row of one branch.
    """

    row: Row
    accuracy: float
    spread: float | None
    interval: tuple[float, float]
    seeds: tuple[float, ...]
    pairs: Mapping[str, float]
    per_class: tuple[float | None, ...]
    alphas: tuple[float, ...] = ()


@dataclass(frozen=True)
class Truth:
    """The clips to be right about: ids, sorted, their labels (N,), and all class names."""

    ids: tuple[str, ...]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]


def held_out(index: Index, part: Sequence[str], excused: set[str]) -> Truth:
    """The clips of a part that no ledger quarantined."""
    ids = tuple(sorted(set(part) - excused))
    labels = index.labels(ids)
    return Truth(ids, np.array([labels[name] for name in ids], np.int64), index.classes)


def joined(row: Row, streams: Mapping[str, Scores], truth: Truth) -> list[NDArray[np.float32]]:
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
    truth: Truth,
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
    by_seed: Sequence[Mapping[str, Scores]], truth: Truth, params: EnsembleParams
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


def right(scores: Sequence[NDArray[np.float64]], truth: Truth) -> NDArray[np.bool_]:
    """(S, N) whether the scores (N, L) of each seed name each clip's class."""
    return np.stack([each.argmax(axis=1) == truth.labels for each in scores])


def evaluate(
    row: Row,
    by_seed: Sequence[Mapping[str, Scores]],
    truth: Truth,
    params: EnsembleParams,
) -> Result:
    """Accuracy of one row over all seeds, with the weight of the RGB branch that `params` gives."""
    scores = [row_scores(row, streams, truth, params) for streams in by_seed]
    return judge(row, scores, truth, params)


def judge(
    row: Row,
    scores: Sequence[NDArray[np.float64]],
    truth: Truth,
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
        name: 100 * float(np.mean([
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
        per_class=tuple(None if np.isnan(share) else 100 * float(share) for share in shares),
        alphas=tuple(alphas),
    )
