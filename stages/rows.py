"""The seven rows of the paper's Tables I and II, from the scores of four trainings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stroi.cache.errors import RefusedInput
from stroi.cache.scores import Scores, join
from stroi.pipeline.profile import EnsembleParams
from stroi.trainer.evaluation import (
    accuracy,
    ensemble,
    per_class_accuracy,
    two_way_accuracy,
    wilson_interval,
)


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
        interval: Wilson 95 % interval of the first seed's accuracy, in percent.
        seeds: Accuracy of each seed, in percent.
        pairs: Two-way accuracy inside each named pair of classes, mean over seeds, in percent.
        per_class: Accuracy of each class, mean over seeds, in percent; None without test clips.
    """

    row: Row
    accuracy: float
    spread: float | None
    interval: tuple[float, float]
    seeds: tuple[float, ...]
    pairs: Mapping[str, float]
    per_class: tuple[float | None, ...]


@dataclass(frozen=True)
class Truth:
    """The test clips: ids, sorted, their labels (N,), and all class names."""

    ids: tuple[str, ...]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]


def row_scores(
    row: Row, streams: Mapping[str, Scores], truth: Truth, params: EnsembleParams
) -> NDArray[np.float64]:
    """Scores (N, classes) of one row for the clips of `truth`.

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
    return ensemble(logits, kind=params.scores, weights=(1.0, params.alpha)[: len(logits)])


def evaluate(
    row: Row, by_seed: Sequence[Mapping[str, Scores]], truth: Truth, params: EnsembleParams
) -> Result:
    """Accuracy of one row over all seeds."""
    scores = [row_scores(row, streams, truth, params) for streams in by_seed]
    values = [100 * accuracy(each, truth.labels) for each in scores]
    number = {name: at for at, name in enumerate(truth.classes)}
    pairs = {
        name: 100 * float(np.mean([
            two_way_accuracy(each, truth.labels, number[first], number[second]) for each in scores
        ]))
        for name, (first, second) in params.pairs.items()
    }  # fmt: skip
    shares = np.mean([per_class_accuracy(each, truth.labels) for each in scores], axis=0)
    per_class = tuple(None if np.isnan(share) else 100 * float(share) for share in shares)
    low, high = wilson_interval(round(values[0] / 100 * len(truth.ids)), len(truth.ids))
    return Result(
        row=row,
        accuracy=float(np.mean(values)),
        spread=float(np.std(values, ddof=1)) if len(values) > 1 else None,
        interval=(100 * low, 100 * high),
        seeds=tuple(values),
        pairs=pairs,
        per_class=per_class,
    )


def format_table(results: Sequence[Result], truth: Truth) -> str:
    """The seven rows as text."""
    lines = [f"{'#':>2}  {'Method':<20} {'Skeleton':<9} {'RGB':<6} Accuracy (%)"]
    for result in results:
        row = result.row
        spread = "" if result.spread is None else f" +- {result.spread:.1f}"
        lines.append(
            f"{row.number:>2}  {row.method:<20} {row.skeleton:<9} {row.rgb:<6} "
            f"{result.accuracy:5.1f}{spread}"
        )
    seeds = len(results[0].seeds)
    lines.append(
        f"{len(truth.ids)} test clips, {len(truth.classes)} classes, chance "
        f"{100 / len(truth.classes):.1f} %, {seeds} {'seed' if seeds == 1 else 'seeds'}"
    )
    return "\n".join(lines)
