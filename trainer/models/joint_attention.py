"""Joint weights from the graph network's feature, and row weights of the mosaic (eq. 4, 5).

Legend of shapes: N clips, M persons, D channels of the feature, T frames, V joints, K rows of the
mosaic.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from stroi.cache.layouts import BODY_25, Layout
from stroi.cache.rois import PAPER, Rows, row_joints
from stroi.trainer.config import PersonPooling, WeightFormula

TOP_FRAMES = 15
"""Frames whose mean ``l2_top15`` takes."""


def joint_weights(feature: Tensor, *, formula: WeightFormula = "mean") -> Tensor:
    """Weight of every joint of every body (eq. 4).

    Args:
        feature: (N, M, D, T, V) last block's feature Y, 0 for absent persons.
        formula: ``mean``: the mean over channels and time of sqrt(Y^2) = |Y| (eq. 4, to the
            letter); ``l2_top15``: the root of the sum of squares over the channels, and of that
            the mean of the 15 frames where it is largest, of all where there are fewer.

    Returns:
        (N, M, V) weights >= 0; differentiable.
    """
    if formula == "mean":
        return feature.abs().mean((2, 3))
    length: Tensor = torch.linalg.vector_norm(feature, dim=2)  # (N, M, T, V)
    top = length.topk(min(TOP_FRAMES, length.shape[2]), dim=2)
    return top.values.mean(2)  # (N, M, 15, V) -> (N, M, V)


def row_weights(
    joint: Tensor,
    present: Tensor,
    *,
    person_pooling: PersonPooling = "strongest",
    layout: Layout = BODY_25,
    rows: Rows = PAPER,
    weight_scale: float | None = None,
) -> Tensor:
    """Weights of the K mosaic rows for each person's part of a cell (eq. 5).

    A row that shows several joints has the mean of their weights. Then each clip is scaled to mean
    1 over the rows, or divided by `weight_scale`, so nothing depends on the other clips of a batch.
    An absent person has the weights of the first one that is there; a clip with no activation at
    all has weight 1 in every row.

    Args:
        joint: (N, M, V) joint weights.
        present: (N, M) bool, which persons there are.
        person_pooling: ``strongest``: the present body with the largest mean activation weighs
            all parts; ``mean``: the mean of the present bodies does; ``per_person``: each body
            weighs its own part.
        layout: Names of the V joints.
        rows: What the K rows show.
        weight_scale: Divides the weights instead of each clip's own mean, > 0; `training_mean`
            computes one.

    Returns:
        (N, M, K) weights >= 0.
    """
    weights = _pool_persons(joint, present, person_pooling, row_joints(rows, layout))
    mean = weights.mean(2, keepdim=True)  # (N, M, 1)
    tiny = torch.finfo(weights.dtype).tiny
    scale = mean.clamp_min(tiny) if weight_scale is None else weight_scale
    return torch.where(mean > tiny, weights / scale, torch.ones_like(weights))


def training_mean(
    joint: Tensor,
    present: Tensor,
    *,
    person_pooling: PersonPooling = "strongest",
    layout: Layout = BODY_25,
    rows: Rows = PAPER,
) -> float:
    """Mean row weight of the training clips, before any scaling.

    Args:
        joint: (N, M, V) joint weights of the training clips alone.
        present: (N, M) bool.
        person_pooling: As in `row_weights`.
        layout: Names of the V joints.
        rows: What the K rows show.

    Returns:
        The mean over clips, persons and rows; 1 if there is no activation at all.
    """
    index = row_joints(rows, layout)
    mean = float(_pool_persons(joint.double(), present, person_pooling, index).mean())
    return mean if mean > torch.finfo(joint.dtype).tiny else 1.0


def _pool_persons(
    joint: Tensor, present: Tensor, person_pooling: PersonPooling, index: Sequence[Sequence[int]]
) -> Tensor:
    """(N, M, V) joint weights to (N, M, K) row weights of each person's part, not scaled."""
    # (N, M, V) -> (N, M, K)
    rows = torch.stack([joint[..., list(own)].mean(-1) for own in index], dim=-1)
    if person_pooling == "per_person":
        first = _of_person(rows, present.int().argmax(1))
        return torch.where(present[..., None], rows, first)
    if person_pooling == "mean":
        there = present.to(rows.dtype)[..., None]
        pooled = (rows * there).sum(1, keepdim=True) / there.sum(1, keepdim=True).clamp_min(1)
    else:
        strength = joint.mean(2).masked_fill(~present, -1.0)  # (N, M)
        pooled = _of_person(rows, strength.argmax(1))
    return pooled.expand_as(rows)


def _of_person(rows: Tensor, person: Tensor) -> Tensor:
    """(N, M, K) values at (N,) persons: (N, 1, K)."""
    return rows.gather(1, person[:, None, None].expand(-1, 1, rows.shape[2]))
