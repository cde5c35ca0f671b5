"""The scores of one clip by networks that saw different streams of it, as one score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from stroi.cache.scores import Scores, join
from stroi.trainer.metrics.accuracy import accuracy, ensemble

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


def summed(streams: Sequence[Scores], weights: Sequence[float] = ()) -> Scores:
    """Weighted sum of the logits of several streams, joined by id.

    Args:
        streams: Scores of one set of samples, one stream or more.
        weights: One factor per stream; 1 each if empty.

    Returns:
        Scores of the same samples, sorted by id; those of a single stream without a weight as
        they are.

    Raises:
        RefusedInput: See `stroi.cache.scores.join`.
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
    """The weight of the RGB branch with which most validation clips are right.

    Of equally good ones the nearest to 1, by ratio, then the smaller.

    Args:
        skeleton: (N, C) logits of the skeleton branch for the validation clips.
        rgb: (N, C) logits of the RGB branch for the same clips in the same order.
        labels: (N,) their labels.
        kind: What is summed.
    """
    found = tuple(
        accuracy(ensemble([skeleton, rgb], kind=kind, weights=(1.0, alpha)), labels)
        for alpha in ALPHAS
    )
    best = min(
        range(len(ALPHAS)), key=lambda at: (-found[at], abs(at - len(ALPHAS) // 2), ALPHAS[at])
    )
    return AlphaChoice(ALPHAS[best], found)
