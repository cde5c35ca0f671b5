"""Mean weights on the page: over all test clips, and per class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stroi.cache.weights import Weights


@dataclass(frozen=True)
class MeanWeights:
    """Mean weights over test clips.

    Attributes:
        name: Of the class, or of all test clips together.
        clips: How many.
        rows: Mean weight of each mosaic row, K.
        joints: Mean weight of each joint, V, relative to a mean of 1 per clip and person.
    """

    name: str
    clips: int
    rows: tuple[float, ...]
    joints: tuple[float, ...]


def mean_weights(
    ids: Sequence[str], labels: NDArray[np.int64], classes: Sequence[str], weights: Weights
) -> tuple[MeanWeights, ...]:
    """Mean weights over test clips, then over those of each class that has any.

    Persons of a clip are averaged first, so that every clip counts once; absent ones do not count.

    Args:
        ids: N test clips.
        labels: (N,) their labels.
        classes: Names of all classes.
        weights: Weights of these clips, and of others.
    """
    weights_at = {clip: at for at, clip in enumerate(weights.ids)}
    order = [weights_at[clip] for clip in ids]
    present = np.asarray(weights.joint_weights[order].any(axis=2), np.bool_)
    # Every clip has a person, even if all its joint weights are 0.
    present[~present.any(axis=1), 0] = True
    rows = _over_persons(weights.row_weights[order].astype(np.float64), present)
    joints = _over_persons(_relative(weights.joint_weights[order]), present)
    groups = [("all test clips", np.ones(len(order), np.bool_))]
    groups += [(name, labels == label) for label, name in enumerate(classes)]
    return tuple(
        MeanWeights(
            name,
            int(own.sum()),
            tuple(rows[own].mean(axis=0).tolist()),
            tuple(joints[own].mean(axis=0).tolist()),
        )
        for name, own in groups
        if own.any()
    )


def _over_persons(values: NDArray[np.float64], present: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Mean of `values` (N, P, X) over the persons `present` (N, P): (N, X)."""
    kept = np.where(present[..., None], values, 0.0)
    return np.asarray(kept.sum(axis=1) / present.sum(axis=1)[:, None], np.float64)


def _relative(joint: NDArray[np.float32]) -> NDArray[np.float64]:
    """Joint weights (N, P, V) by their mean over V; zeros stay zeros."""
    values = joint.astype(np.float64)
    mean = values.mean(axis=2, keepdims=True)
    return np.asarray(np.divide(values, mean, out=np.zeros_like(values), where=mean > 0))
