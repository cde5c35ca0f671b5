"""Joint weights from the graph network's feature, and row weights of the mosaic (eq. 4, 5)."""

from __future__ import annotations

import torch
from torch import Tensor

from stroi.cache.layouts import BODY_25, Layout, roi_joints
from stroi.trainer.config import PersonPooling, WeightFormula

TOP = 15
"""Frames that ``l2_top15`` looks at."""


def joint_weights(feature: Tensor, *, kind: WeightFormula = "mean") -> Tensor:
    """Weight of every joint of every body.

    Args:
        feature: (N, M, C, T, V) last block's feature, 0 for absent persons.
        kind: ``mean``: the mean over channels and time of sqrt(Y^2) = |Y| (eq. 4, to the
            letter); ``l2_top15``: the root of the sum of squares over the channels, and of that
            the mean of the 15 frames where it is largest, of all where there are fewer.

    Returns:
        (N, M, V) weights >= 0; differentiable.
    """
    if kind == "mean":
        return feature.abs().mean((2, 3))
    length: Tensor = torch.linalg.vector_norm(feature, dim=2)
    return length.topk(min(TOP, length.shape[2]), dim=2).values.mean(2)


def row_weights(
    joint: Tensor,
    present: Tensor,
    *,
    bodies: PersonPooling = "strongest",
    layout: Layout = BODY_25,
    constant: float | None = None,
) -> Tensor:
    """Weights of the K mosaic rows for both halves of a cell.

    Each clip is scaled by itself to mean 1 over the rows, or divided by a constant, so nothing
    depends on the other clips of a batch. An absent person has the weights of the other one; a
    clip with no activation at all weighs all rows alike.

    Args:
        joint: (N, M, V) joint weights, M = 2.
        present: (N, M) bool, which persons there are.
        bodies: ``strongest``: the present body with the larger mean activation weighs both
            halves; ``mean``: the mean of the present bodies does; ``per_half``: each body
            weighs its own half.
        layout: Names of the V joints.
        constant: Divides the weights instead of each clip's own mean, > 0, see
            `training_constant`.

    Returns:
        (N, 2, K) weights >= 0, rows in the order of `stroi.cache.layouts.ROI_ROWS`.
    """
    halves = _halves(joint, present, bodies, layout)
    mean = halves.mean(2, keepdim=True)
    tiny = torch.finfo(halves.dtype).tiny
    scale = mean.clamp_min(tiny) if constant is None else constant
    return torch.where(mean > tiny, halves / scale, torch.ones_like(halves))


def shown_weights(weights: Tensor, persons: Tensor) -> Tensor:
    """Row weights of a clip as its mosaic shows them, in every mode.

    A mosaic of one person shows that person over the whole cell, so a row has one weight: the
    first person's.

    Args:
        weights: (N, 2, K) of `row_weights`, of both persons.
        persons: (N,) persons that each mosaic shows, 1 or 2.

    Returns:
        (N, 2, K) weights of the left and the right half of every cell.
    """
    return torch.where((persons == 1)[:, None, None], weights[:, :1], weights)


def training_constant(
    joint: Tensor, present: Tensor, *, bodies: PersonPooling = "strongest", layout: Layout = BODY_25
) -> float:
    """What the rows' weights of the training clips are in the mean, before any scaling.

    Args:
        joint: (N, M, V) joint weights of the training clips alone.
        present: (N, M) bool.
        bodies: As in `row_weights`.
        layout: Names of the V joints.

    Returns:
        The mean over clips, halves and rows; 1 if there is no activation at all.
    """
    mean = float(_halves(joint.double(), present, bodies, layout).mean())
    return mean if mean > torch.finfo(joint.dtype).tiny else 1.0


def _halves(joint: Tensor, present: Tensor, bodies: PersonPooling, layout: Layout) -> Tensor:
    """(N, 2, K) weights of the rows as they are."""
    picked = joint[..., list(roi_joints(layout))]
    first, second = picked[:, 0], picked[:, 1]
    if bodies == "per_half":
        left = torch.where(present[:, :1], first, second)
        return torch.stack([left, torch.where(present[:, 1:], second, left)], dim=1)
    if bodies == "mean":
        shown = present.to(picked.dtype)[..., None]
        chosen = (picked * shown).sum(1) / shown.sum(1).clamp_min(1)
    else:
        strength = joint.mean(2).masked_fill(~present, -1.0)
        chosen = torch.where((strength[:, 0] >= strength[:, 1])[:, None], first, second)
    return torch.stack([chosen, chosen], dim=1)
