"""Significance of a difference, interval of an accuracy: exact McNemar tests and the bootstrap.

Legend of shapes: S seeds, N clips, P distinct columns, D draws.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr

from stroi.trainer.metrics.accuracy import wilson_interval

DRAWS = 10_000
"""Resamples of a bootstrap; with so many its ends move by about a hundredth of their distance."""

Interval = tuple[float, float]


@dataclass(frozen=True)
class McNemar:
    """Two networks on the same clips.

    Attributes:
        gained: Clips that only the second has right.
        lost: Clips that only the first has right.
        p: Exact two-sided p value of "whoever errs alone is a fair coin"; 1 without such clips.
    """

    gained: int
    lost: int
    p: float


def mcnemar(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> McNemar:
    """McNemar's exact test; clips that both have right, or both wrong, do not count.

    Args:
        first: (N,) whether the first network has each clip right.
        second: (N,) the same of the second, the clips in the same order.

    Raises:
        ValueError: If the two are not of one length.
    """
    if first.shape != second.shape:
        raise ValueError(f"{len(first)} and {len(second)} clips cannot be compared one by one")
    gained, lost = int((second & ~first).sum()), int((first & ~second).sum())
    tail = float(bdtr(min(gained, lost), gained + lost, 0.5))
    # With as many gained as lost the two tails share the middle and would sum to more than 1.
    return McNemar(gained, lost, min(1.0, 2 * tail))


def bootstrap_interval(
    values: NDArray[np.floating] | NDArray[np.bool_], *, draws: int = DRAWS, seed: int = 0
) -> Interval | None:
    """95 % percentile interval of the mean over seeds and clips.

    A draw takes N clips and S seeds, both with replacement, and averages the figures of the drawn
    networks for the drawn clips. All networks get the same drawn clips: equal errors on the same
    hard clips are no agreement between independent trials.

    Args:
        values: (S, N) one figure per network and clip, such as right (1) or wrong (0).
        draws: Resamples.
        seed: Of the draws; the same one gives the same interval.

    Returns:
        Lower and upper end, the mean between them; None if all clips and seeds are alike, for
        resampling them shows no spread then.
    """
    kinds, counts = np.unique(values.astype(np.float64), axis=1, return_counts=True)  # (S, P)
    if kinds.shape[1] == 0 or np.all(kinds == kinds[0, 0]):
        return None
    seeds, clips = values.shape
    rng = np.random.default_rng(seed)
    # Clips with the same column count alike: a draw is how often each kind comes.
    clip_counts = rng.multinomial(clips, counts / clips, draws)  # (D, P)
    seed_counts = rng.multinomial(seeds, np.full(seeds, 1 / seeds), draws)  # (D, S)
    means = ((seed_counts @ kinds) * clip_counts).sum(axis=1) / (seeds * clips)  # (D,)
    low, high = np.quantile(means, [0.025, 0.975])
    mean = float(values.mean())
    return min(float(low), mean), max(float(high), mean)


def accuracy_interval(hits: NDArray[np.bool_]) -> Interval:
    """95 % interval of the mean accuracy of S networks on N clips, from 0 to 1.

    Args:
        hits: (S, N) whether each network has each clip right.

    Returns:
        Wilson's interval over the clips for one network, and where networks and clips are all
        right or all wrong; otherwise the bootstrap's over clips and seeds.
    """
    interval = bootstrap_interval(hits) if len(hits) > 1 else None
    if interval is None:
        low, high = wilson_interval(int(hits[0].sum()), hits.shape[1])
        share = float(hits[0].mean()) if hits.size else low
        interval = min(low, share), max(high, share)  # rounding must not put the share outside
    return interval
