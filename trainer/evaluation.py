"""Figures about scores; numpy only.

Legend of shapes: N samples, C classes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from stroi.cache.scores import Scores, join


def accuracy(logits: NDArray[np.float32], labels: NDArray[np.int64]) -> float:
    """Share of samples whose largest logit is their label's, 0 to 1.

    Args:
        logits: (N, C).
        labels: (N,).
    """
    return float((logits.argmax(1) == labels).mean())


def confusion(logits: NDArray[np.float32], labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """How often each class was taken for which.

    Args:
        logits: (N, C).
        labels: (N,).

    Returns:
        (C, C) counts; row = true class, column = predicted class.
    """
    classes = logits.shape[1]
    return np.bincount(labels * classes + logits.argmax(1), minlength=classes**2).reshape(
        classes, classes
    )


def per_class_accuracy(
    logits: NDArray[np.float32], labels: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Accuracy within each class (Fig. 6).

    Args:
        logits: (N, C).
        labels: (N,).

    Returns:
        (C,) in [0, 1]; NaN for a class without samples.
    """
    counts = confusion(logits, labels)
    totals = counts.sum(1)
    return np.where(totals > 0, counts.diagonal() / np.maximum(totals, 1), np.nan)


def wilson(hits: int, count: int, *, z: float = 1.959964) -> tuple[float, float]:
    """Wilson's confidence interval of a share.

    Args:
        hits: Successes.
        count: Trials.
        z: Normal quantile; the default gives 95 %.

    Returns:
        Lower and upper end in [0, 1]; (0, 1) without trials.
    """
    if count == 0:
        return 0.0, 1.0
    share = hits / count
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z * math.sqrt(share * (1 - share) / count + z * z / (4 * count**2))
    half /= 1 + z * z / count
    return max(0.0, middle - half), min(1.0, middle + half)


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Class probabilities of (N, C) logits."""
    powers = np.exp(logits - logits.max(1, keepdims=True))
    shares: NDArray[np.float32] = powers / powers.sum(1, keepdims=True)
    return shares


def ensemble(
    streams: Sequence[Scores],
    *,
    on: Literal["logits", "softmax"] = "logits",
    weights: Sequence[float] | None = None,
) -> Scores:
    """Weighted sum of several models' scores, joined by id (Algorithm 1, step 6).

    Args:
        streams: Scores of the same samples, each in any order.
        on: What is added up.
        weights: One factor per stream; 1 each if None.

    Returns:
        The sums as scores, sorted by id.

    Raises:
        RefusedInput: ``ENSEMBLE_IDS``, ``ENSEMBLE_CLASSES`` or ``ENSEMBLE_EMPTY``.
        ValueError: If there are not as many weights as streams.
    """
    ids, logits = join(streams)
    factors = [1.0] * len(streams) if weights is None else list(weights)
    parts = logits if on == "logits" else [softmax(part) for part in logits]
    total = sum(np.float32(factor) * part for factor, part in zip(factors, parts, strict=True))
    return Scores(ids, np.asarray(total, np.float32), streams[0].classes)
