"""Accuracy of scores, and confidence intervals of it.

Legend of shapes: N samples, C classes.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray


def accuracy(logits: NDArray[np.floating], labels: NDArray[np.int64]) -> float:
    """Share of samples whose largest logit is their label's, 0 to 1.

    Args:
        logits: (N, C).
        labels: (N,).
    """
    return float((logits.argmax(1) == labels).mean())


def confusion(logits: NDArray[np.floating], labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Confusion matrix.

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
    logits: NDArray[np.floating], labels: NDArray[np.int64]
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


def two_way_accuracy(
    scores: NDArray[np.floating], labels: NDArray[np.int64], first: int, second: int
) -> float:
    """Accuracy on the samples of two classes when only these two may be predicted.

    Args:
        scores: (N, C).
        labels: (N,).
        first: One class number.
        second: The other; a tie counts as `first`.

    Returns:
        Share in [0, 1]; NaN without samples of the two.
    """
    inside = (labels == first) | (labels == second)
    if not inside.any():
        return math.nan
    predicted = np.where(scores[inside, second] > scores[inside, first], second, first)
    return float((predicted == labels[inside]).mean())


def wilson_interval(hits: int, count: int, *, z: float = 1.959964) -> tuple[float, float]:
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
