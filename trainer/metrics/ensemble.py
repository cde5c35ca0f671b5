"""Late fusion: one score per clip from networks of several input streams (Algorithm 1, step 6).

Legend of shapes: N samples, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from stroi.cache.scores import Scores, join
from stroi.trainer.metrics.accuracy import accuracy

ALPHAS = tuple(2.0 ** (step / 2) for step in range(-6, 7))
"""Weights of the RGB branch that are tried: 1/8 to 8, each sqrt(2) times the one before."""


@dataclass(frozen=True)
class AlphaChoice:
    """A weight of the RGB branch, and why.

    Attributes:
        alpha: The weight.
        accuracies: Accuracy of the sum on the validation clips with each of `ALPHAS`, 0 to 1.
    """

    alpha: float
    accuracies: tuple[float, ...]


def ensemble(
    streams: Sequence[NDArray[np.floating]],
    *,
    kind: Literal["logits", "softmax"] = "logits",
    weights: Sequence[float] | None = None,
) -> NDArray[np.float64]:
    """Weighted sum of several models' scores.

    Rows pair by position: join the streams by id first, with `stroi.cache.scores.join`.

    Args:
        streams: (N, C) logits of each model, the samples in one order.
        kind: Whether logits or class probabilities are added up.
        weights: One factor per stream; 1 each if None.

    Returns:
        (N, C) sums.

    Raises:
        ValueError: If there are not as many weights as streams.
    """
    factors = [1.0] * len(streams) if weights is None else list(weights)
    total = np.zeros(streams[0].shape, np.float64)
    for factor, logits in zip(factors, streams, strict=True):
        total += factor * (logits if kind == "logits" else softmax(logits))
    return total


def softmax(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """Class probabilities of (N, C) logits."""
    powers = np.exp(logits.astype(np.float64) - logits.max(1, keepdims=True))
    return np.asarray(powers / powers.sum(1, keepdims=True), np.float64)


def sum_streams(streams: Sequence[Scores], weights: Sequence[float] = ()) -> Scores:
    """Weighted sum of the logits of several streams, joined by id.

    Args:
        streams: Scores of one set of samples, one stream or more.
        weights: One factor per stream; 1 each if empty.

    Returns:
        Scores of the same samples, sorted by id; those of a single stream without a weight as
        they are.

    Raises:
        RefusedInput: The codes of `stroi.cache.scores.join`.
        ValueError: If there are not as many weights as streams.
    """
    if len(streams) == 1 and not weights:
        return streams[0]
    ids, logits = join(streams)
    total = ensemble(logits, weights=list(weights) or None)
    return Scores(ids, total.astype(np.float32), streams[0].classes)


def choose_alpha(
    skeleton: NDArray[np.floating],
    rgb: NDArray[np.floating],
    labels: NDArray[np.int64],
    *,
    kind: Literal["logits", "softmax"] = "logits",
) -> AlphaChoice:
    """The weight of the RGB branch with the highest accuracy on the validation clips.

    Of equally good ones the nearest to 1, by ratio, then the smaller.

    Args:
        skeleton: (N, C) logits of the skeleton branch for the validation clips.
        rgb: (N, C) logits of the RGB branch for the same clips in the same order.
        labels: (N,) their labels.
        kind: Whether logits or class probabilities are added up.
    """
    accuracies = tuple(
        accuracy(ensemble([skeleton, rgb], kind=kind, weights=(1.0, alpha)), labels)
        for alpha in ALPHAS
    )
    best = min(
        range(len(ALPHAS)),
        key=lambda number: (-accuracies[number], abs(number - len(ALPHAS) // 2), ALPHAS[number]),
    )
    return AlphaChoice(ALPHAS[best], accuracies)
