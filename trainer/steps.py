"""One batch through the RGB branch: for training with its loss, for scoring without."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor, nn

from stroi.trainer.config import SkeletonAugment
from stroi.trainer.data.epoch_order import MosaicBatch
from stroi.trainer.data.mosaic_augment import changed
from stroi.trainer.data.side_inputs import SideInputs
from stroi.trainer.data.skeleton_augment import augment_skeletons
from stroi.trainer.models.cell_grid import mirror_row_weights, resize_cells, shift_cells
from stroi.trainer.models.graph_net import GraphNet
from stroi.trainer.models.input_streams import mirror_bodies
from stroi.trainer.models.joint_attention import weights_in_mosaic
from stroi.trainer.models.weighted_mosaic_net import WeightedMosaicNet
from stroi.trainer.run.distributed import SINGLE_PROCESS, World
from stroi.trainer.run.losses import branch_loss
from stroi.trainer.runtime import autocast, moved

Through = Callable[[MosaicBatch, SideInputs, Tensor | None], tuple[Tensor, Tensor | None]]
"""Takes a batch, weights or skeletons, and what to mirror; gives what `forward` gives."""


def forward(
    model: WeightedMosaicNet,
    batch: MosaicBatch,
    beside: SideInputs,
    *,
    mirrored: Tensor | None = None,
) -> tuple[Tensor, Tensor | None]:
    """Logits of one batch in the model's mode.

    Mosaics and skeletons of mirrored clips are mirrored here, and nowhere else. Weights from a
    file are those of the clip as it is; they go with their rows.

    Args:
        model: The network.
        batch: Mosaics on the network's device, and which clips and columns they are.
        beside: Weights or skeletons of all clips.
        mirrored: (B,) bool, which clips to show in the mirror; None for none.

    Returns:
        (B, C) logits of the RGB branch, and of the skeleton branch in joint mode, else None.
    """
    rows, device = torch.from_numpy(batch.rows), batch.mosaics.device
    mosaics = _sized(model, batch.mosaics)
    shown = _shown(batch, beside)
    if beside.x is not None and beside.present is not None and beside.persons is not None:
        x = moved(_clips(model, batch, beside.x[rows]), device)
        present = moved(beside.present[rows], device)
        skeleton, weights = _skeleton_branch(model, x, present, mirrored)
        weights = weights_in_mosaic(weights, moved(beside.persons[rows], device))
        rgb = model(mosaics, weights, mirrored=mirrored, shown=shown)
        return rgb.float(), skeleton.float()
    halves = None if beside.halves is None else moved(beside.halves[rows], device)
    return model(mosaics, halves, mirrored=mirrored, shown=shown).float(), None


def _clips(model: WeightedMosaicNet, batch: MosaicBatch, x: Tensor) -> Tensor:
    """(B, M, T, V, 3) clips as the skeleton branch is to see them."""
    if batch.draws is None or model.gcn is None:
        return x
    return augment_skeletons(x, batch.draws, joint_augment(model.gcn), model.gcn.layout)


def joint_augment(gcn: GraphNet) -> SkeletonAugment:
    """What is changed of the clips that joint mode trains a graph network on.

    All that the network was trained with before but the exchange of left and right: that one
    goes together with the mosaic's, see `ResNetConfig.flip`.
    """
    return gcn.config.augment.replace(flip=0.0)


def _shown(batch: MosaicBatch, beside: SideInputs) -> Tensor | None:
    """(B, 2, L, K) flags of the columns that the batch shows."""
    if beside.shown is None:
        return None
    shown = beside.shown[torch.from_numpy(batch.rows)]
    if batch.columns is not None:
        clip = torch.arange(len(shown))[:, None]
        shown = shown[clip, :, torch.from_numpy(batch.columns)].transpose(1, 2)
    return moved(shown, batch.mosaics.device)


def _sized(model: WeightedMosaicNet, mosaics: Tensor) -> Tensor:
    """(B, H, W, 3) mosaics whose cells have the size that the network is told."""
    return resize_cells(mosaics, model.cells) if model.config.cell else mosaics


def _skeleton_branch(
    model: WeightedMosaicNet, x: Tensor, present: Tensor, mirrored: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Logits (B, C) of the clips as they are shown, row weights (B, 2, K) of them as they are."""
    if mirrored is None or model.gcn is None:
        return model.skeleton_branch(x, present)
    turned = mirror_bodies(x, present, model.gcn.layout)
    x = torch.where(mirrored[:, None, None, None, None], turned, x)
    skeleton, weights = model.skeleton_branch(x, present)
    # The pictures are weighted first and mirrored then, weights and all.
    return skeleton, torch.where(mirrored[:, None, None], mirror_row_weights(weights), weights)


class Forward(nn.Module):
    """`forward` as a network, so that its gradients can be averaged over processes.

    Args:
        model: The network.
    """

    def __init__(self, model: WeightedMosaicNet) -> None:
        super().__init__()
        self.model = model

    def forward(
        self, batch: MosaicBatch, beside: SideInputs, mirrored: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        """See `forward`."""
        return forward(self.model, batch, beside, mirrored=mirrored)


def training_step(
    model: WeightedMosaicNet,
    batch: MosaicBatch,
    beside: SideInputs,
    labels: Tensor,
    *,
    through: Through | None = None,
    world: World = SINGLE_PROCESS,
    clips: int = 0,
) -> tuple[Tensor, Tensor]:
    """Loss and hits of a training batch: eq. 6, its second term alone outside joint mode.

    Args:
        model: The network, in training mode.
        batch: Mosaics on the network's device, and which clips they are.
        beside: Weights or skeletons of all N clips.
        labels: (N,) class numbers of all clips, on the CPU.
        through: The forward pass, if it is not `forward` of the network.
        world: The processes, of which each has its part of the batch.
        clips: Clips of the whole batch over all processes.

    Returns:
        Scalar loss, and how many clips the RGB branch classified correctly.
    """
    config, device = model.config, batch.mosaics.device
    wanted = moved(labels[torch.from_numpy(batch.rows)], device)
    mosaics, mirrored = _augmented(model, batch, world, clips or len(batch.mosaics))
    with autocast(device, config.precision):
        shown = replace(batch, mosaics=mosaics)
        rgb, skeleton = (through or Forward(model))(shown, beside, mirrored)
    loss = branch_loss(rgb, wanted, config.loss)
    if skeleton is not None:
        loss = loss + branch_loss(skeleton, wanted, config.loss)
    return loss, (rgb.argmax(1) == wanted).sum()


def _augmented(
    model: WeightedMosaicNet, batch: MosaicBatch, world: World, clips: int
) -> tuple[Tensor, Tensor | None]:
    """Shifted mosaics and which to mirror, drawn on the CPU so that every device sees the same.

    The first process draws for the whole batch, as it would alone.
    """
    config, mosaics = model.config, batch.mosaics
    part, device = world.shard_slice(clips), mosaics.device
    mirrored = None
    if config.flip > 0:
        mirrored = moved(world.broadcast(torch.rand(clips))[part] < config.flip, device)
    if config.shift > 0:
        drawn = world.broadcast(torch.randint(-config.shift, config.shift + 1, (2, clips)))
        moves = moved(drawn[:, part], device)
        mosaics = shift_cells(_sized(model, mosaics), model.cells, moves[0], moves[1])
    if batch.looks is not None:
        mosaics = changed(_sized(model, mosaics), batch.looks)
    return mosaics, mirrored
