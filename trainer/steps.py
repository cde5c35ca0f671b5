"""One batch through the RGB branch: for training with its loss, for scoring without."""

from __future__ import annotations

import torch
from torch import Tensor

from stroi.trainer.batches import MosaicBatch
from stroi.trainer.fused import FusedNet
from stroi.trainer.losses import branch_loss
from stroi.trainer.mosaic_ops import shift
from stroi.trainer.rows import Companions
from stroi.trainer.runtime import autocast


def forward(
    model: FusedNet, mosaics: Tensor, rows: Tensor, beside: Companions, *, mirrored: Tensor | None
) -> tuple[Tensor, Tensor | None]:
    """Logits of one batch in the model's mode.

    Args:
        model: The network.
        mosaics: (B, H, W, 3) uint8 on the network's device.
        rows: (B,) positions of the clips in `beside`, on the CPU.
        beside: Weights or skeletons of all clips.
        mirrored: (B,) bool or None.

    Returns:
        (B, C) logits of the RGB branch, and of the skeleton branch in joint mode, else None.
    """
    shown = None if beside.shown is None else beside.shown[rows].to(mosaics.device)
    if beside.x is not None and beside.present is not None:
        x, present = beside.x[rows].to(mosaics.device), beside.present[rows].to(mosaics.device)
        skeleton, weights = model.skeleton_branch(x, present)
        rgb = model(mosaics, weights, mirrored=mirrored, shown=shown)
        return rgb.float(), skeleton.float()
    halves = None if beside.halves is None else beside.halves[rows].to(mosaics.device)
    return model(mosaics, halves, mirrored=mirrored, shown=shown).float(), None


def training_step(
    model: FusedNet, batch: MosaicBatch, beside: Companions, labels: Tensor
) -> tuple[Tensor, Tensor]:
    """Loss and hits of a training batch: eq. 6, its second term alone outside joint mode.

    Args:
        model: The network, in training mode.
        batch: Mosaics on the network's device, and which clips they are.
        beside: Weights or skeletons of all N clips.
        labels: (N,) class numbers of all clips, on the CPU.

    Returns:
        Scalar loss, and how many clips the RGB branch classified correctly.
    """
    config, device = model.config, batch.mosaics.device
    rows = torch.from_numpy(batch.rows)
    wanted = labels[rows].to(device)
    mosaics, mirrored = _augmented(model, batch.mosaics)
    with autocast(device, config.precision):
        rgb, skeleton = forward(model, mosaics, rows, beside, mirrored=mirrored)
    loss = branch_loss(rgb, wanted, config.loss)
    if skeleton is not None:
        loss = loss + branch_loss(skeleton, wanted, config.loss)
    return loss, (rgb.argmax(1) == wanted).sum()


def _augmented(model: FusedNet, mosaics: Tensor) -> tuple[Tensor, Tensor | None]:
    """Shifted mosaics and which to mirror, drawn on the CPU so that every device sees the same."""
    config, count = model.config, len(mosaics)
    mirrored = None
    if config.flip > 0:
        mirrored = (torch.rand(count) < config.flip).to(mosaics.device)
    if config.shift > 0:
        moves = torch.randint(-config.shift, config.shift + 1, (2, count)).to(mosaics.device)
        mosaics = shift(mosaics, model.cells, moves[0], moves[1])
    return mosaics, mirrored
