"""Joint weights from the graph network's feature, and row weights of the mosaic (eq. 4, 5)."""

from __future__ import annotations

import torch
from torch import Tensor

from stroi.cache.layouts import BODY_25, Layout, roi_joints
from stroi.trainer.config import Bodies


def joint_weights(feature: Tensor) -> Tensor:
    """Weight of every joint: mean over channels and time of sqrt(Y^2) = |Y| (eq. 4).

    Args:
        feature: (N, M, C, T, V) last block's feature, 0 for absent persons.

    Returns:
        (N, M, V) weights >= 0; differentiable.
    """
    return feature.abs().mean((2, 3))


def row_weights(
    joint: Tensor,
    present: Tensor,
    *,
    bodies: Bodies = "strongest",
    layout: Layout = BODY_25,
) -> Tensor:
    """Weights of the K mosaic rows for both halves of a cell, scaled to mean 1 over the rows.

    Each clip is scaled by itself, so nothing depends on the other clips of a batch. A clip with
    one person, or with no activation at all, has two equal halves.

    Args:
        joint: (N, M, V) joint weights, M = 2.
        present: (N, M) bool, which persons there are.
        bodies: ``strongest``: the present body with the larger mean activation weighs both
            halves; ``mean``: the mean of the present bodies does; ``per_half``: each body
            weighs its own half.
        layout: Names of the V joints.

    Returns:
        (N, 2, K) weights >= 0, rows in the order of `stroi.cache.layouts.ROI_ROWS`.
    """
    picked = joint[..., list(roi_joints(layout))]
    strength = joint.mean(2).masked_fill(~present, -1.0)
    first, second = picked[:, 0], picked[:, 1]
    if bodies == "mean":
        shown = present.to(picked.dtype)[..., None]
        chosen = (picked * shown).sum(1) / shown.sum(1).clamp_min(1)
        halves = torch.stack([chosen, chosen], dim=1)
    elif bodies == "per_half":
        left = torch.where(present[:, :1], first, second)
        halves = torch.stack([left, torch.where(present[:, 1:], second, left)], dim=1)
    else:
        chosen = torch.where((strength[:, 0] >= strength[:, 1])[:, None], first, second)
        halves = torch.stack([chosen, chosen], dim=1)
    mean = halves.mean(2, keepdim=True)
    tiny = torch.finfo(halves.dtype).tiny
    return torch.where(mean > tiny, halves / mean.clamp_min(tiny), torch.ones_like(halves))
