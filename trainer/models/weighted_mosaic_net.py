"""The RGB branch: weighted mosaics into a ResNet (eq. 5), with the graph network in joint mode."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from stroi.trainer.config import Mode, ResNetConfig
from stroi.trainer.models.cell_grid import CellGrid, mirror, resized, valid_map, weight_map
from stroi.trainer.models.graph_net import GraphNet
from stroi.trainer.models.joint_attention import joint_weights, row_weights, shown_weights
from stroi.trainer.models.mirroring import mirror_bodies, mirror_halves
from stroi.trainer.models.resnet import ResNet

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)


class Skeletons(NamedTuple):
    """Prepared skeletons of B clips with mosaics.

    Attributes:
        x: (B, M, T, V, 3) float32 key points; an absent joint is (0, 0, 0).
        present: (B, M) bool, which persons have any joint.
        person_count: (B,) persons that each mosaic shows, 1 or 2.
    """

    x: Tensor
    present: Tensor
    person_count: Tensor


class WeightedMosaicNet(nn.Module):
    """A ResNet on mosaics whose rows are multiplied by joint weights.

    Args:
        classes: Class names, C of them.
        cells: How the mosaics are divided.
        config: Settings of the RGB branch.
        mode: ``plain`` (no weights), ``fixed`` (weights from a file) or ``joint`` (weights from
            the graph network inside).
        gcn: The graph network of the joint mode; no other mode has one.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        classes: Sequence[str],
        cells: CellGrid,
        config: ResNetConfig,
        *,
        mode: Mode,
        gcn: GraphNet | None = None,
    ) -> None:
        super().__init__()
        if (gcn is not None) != (mode == "joint"):
            raise ValueError(f"a graph network belongs to the joint mode alone, this is {mode}")
        self.mode = mode
        self.classes, self.cells, self.config = tuple(classes), cells, config
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(STD).view(1, 3, 1, 1), persistent=False)
        self.resnet = ResNet(len(self.classes), config.model, config.dropout)
        self.resnet.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.gcn = gcn

    def forward(
        self,
        mosaics: Tensor,
        weights: Tensor | None = None,
        skeletons: Skeletons | None = None,
        *,
        cell_valid: Tensor | None = None,
        flip_mask: Tensor | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        """Classify a batch of clips.

        Args:
            mosaics: (B, H, W, 3) uint8 RGB.
            weights: (B, 2, K) weights of the left and right half cells of the clip as it is (eq.
                5); None for no weights, and in joint mode.
            skeletons: Joint mode only: the clips whose joints weigh the rows.
            cell_valid: (B, 2, columns, K) bool, which half cells show a joint; None weighs all
                alike.
            flip_mask: (B,) bool, which clips are mirrored, skeletons and weights with them.

        Returns:
            (B, C) logits of the RGB branch, and of the skeleton branch in joint mode, else None.
        """
        if self.config.cell:
            mosaics = resized(mosaics, self.cells)
        skeleton_logits = None
        if skeletons is not None:
            skeleton_logits, weights = self.skeleton_branch(
                skeletons.x, skeletons.present, flip_mask=flip_mask
            )
            weights = shown_weights(weights, skeletons.person_count)
        x = self.pictures(mosaics, weights, mirrored=flip_mask, shown=cell_valid)
        return self.resnet(x), skeleton_logits

    def pictures(
        self,
        mosaics: Tensor,
        weights: Tensor | None,
        *,
        mirrored: Tensor | None = None,
        shown: Tensor | None = None,
    ) -> Tensor:
        """What the ResNet sees: normalised by ImageNet's mean and deviation, and weighted.

        Args:
            mosaics: (B, H, W, 3) uint8 RGB.
            weights: (B, 2, K) or None.
            mirrored: (B,) bool or None.
            shown: (B, 2, columns, K) bool or None; half cells that show no joint weigh 0.

        Returns:
            (B, 3, H, W), channels_last. With weights after normalisation (the default) a weight
            of 0 gives the mean colour; before it, black.
        """
        x = mosaics.permute(0, 3, 1, 2).to(self.mean.dtype).div_(255)
        pixels = None if weights is None else weight_map(weights, self.cells)
        if shown is not None:
            whole = valid_map(shown, self.cells).to(x.dtype)
            pixels = whole if pixels is None else pixels * whole
        if pixels is not None and self.config.weight_position == "before":
            x = x * pixels
        x = x.sub_(self.mean).div_(self.std)
        if pixels is not None and self.config.weight_position == "after":
            x = x * pixels
        if mirrored is not None:
            x = torch.where(mirrored[:, None, None, None], mirror(x, self.cells), x)
        return x.contiguous(memory_format=torch.channels_last)

    def skeleton_branch(
        self, x: Tensor, present: Tensor, *, flip_mask: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Joint mode: class logits and row weights out of the graph network (eq. 4).

        Args:
            x: (B, M, T, V, 3) prepared key points.
            present: (B, M) bool.
            flip_mask: (B,) bool, which clips the graph network sees in a mirror.

        Returns:
            (B, C) logits of the clips as the network sees them, and (B, 2, K) row weights of the
            clips as they are; both with gradients into the graph network.

        Raises:
            ValueError: If this network has no graph network.
        """
        if self.gcn is None:
            raise ValueError("only a network in joint mode has a skeleton branch")
        if flip_mask is not None:
            mirrored = mirror_bodies(x, present, self.gcn.layout)
            x = torch.where(flip_mask[:, None, None, None, None], mirrored, x)
        logits, feature = self.gcn(x, present)
        joint = joint_weights(feature, kind=self.config.formula)
        weights = row_weights(
            joint,
            present,
            bodies=self.config.person_pooling,
            layout=self.gcn.layout,
            constant=self.config.weight_scale,
        )
        if flip_mask is not None:
            # The mosaic is weighted first and mirrored then, its weights with it.
            weights = torch.where(flip_mask[:, None, None], mirror_halves(weights), weights)
        return logits, weights
