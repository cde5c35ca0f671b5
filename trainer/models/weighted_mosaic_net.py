"""The RGB branch: weighted mosaics into an image network (eq. 5), and end-to-end mode's graph net.

Legend of shapes: B batch, H and W mosaic height and width in px, K rows, L columns, P the most
persons of a clip, T frames, V joints, C classes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import NamedTuple, Self

import torch
from torch import Tensor, nn

from stroi.cache.rois import PAPER, Rows, mirrored_rows
from stroi.trainer.config import Mode, ResNetConfig
from stroi.trainer.models.cell_grid import (
    CellGrid,
    resize_cells,
    valid_map,
    weight_map,
)
from stroi.trainer.models.flip import flip_mosaic, flip_row_weights, flip_skeletons
from stroi.trainer.models.graph_net import GraphNet
from stroi.trainer.models.joint_attention import joint_weights, row_weights
from stroi.trainer.models.rgb_net import RgbNet
from stroi.trainer.plugins import Network, find


class Skeletons(NamedTuple):
    """Prepared skeletons of B clips with mosaics.

    Attributes:
        x: (B, P, T, V, 3) float32 key points; an absent joint is (0, 0, 0).
        present: (B, P) bool, which persons have any joint.
    """

    x: Tensor
    present: Tensor


class WeightedMosaicNet(nn.Module):
    """An image network on mosaics whose rows are multiplied by joint weights.

    Args:
        classes: Class names, C of them.
        cells: How the mosaics are divided.
        config: Settings of the RGB branch.
        mode: ``plain`` (no weights), ``fixed`` (weights from a file) or ``end-to-end`` (weights
            from the graph network inside).
        gcn: The graph network of the end-to-end mode; no other mode has one.
        rows: What the K rows show.
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
        rows: Rows = PAPER,
    ) -> None:
        super().__init__()
        if len(rows) != cells.rows:
            raise ValueError(f"{len(rows)} rows for mosaics of {cells.rows}")
        if (gcn is not None) != (mode == "end-to-end"):
            raise ValueError(
                f"a graph network belongs to the end-to-end mode alone, this is {mode}"
            )
        self.mode = mode
        self.classes, self.cells, self.config = tuple(classes), cells, config
        self.rows = rows
        self.resnet = build_rgb_net(len(self.classes), config, cells)
        self.resnet.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        for name in ("mean", "std"):
            constant = torch.tensor(getattr(self.resnet, name)).view(1, 3, 1, 1)
            self.register_buffer(name, constant, persistent=False)
        for module in self.frozen_modules():
            module.requires_grad_(False)
        self.gcn = gcn

    def frozen_modules(self) -> Iterator[nn.Module]:
        """The layers that keep the parameters and statistics that they start with."""
        return chain.from_iterable(self.resnet.stages()[: self.config.frozen_stages])

    def train(self, mode: bool = True) -> Self:
        """Training mode, but for frozen layers and statistics; or evaluation mode."""
        super().train(mode)
        for module in self.frozen_modules():
            module.eval()
        if self.config.frozen_batch_norm:
            for module in self.resnet.modules():
                if isinstance(module, nn.modules.batchnorm._BatchNorm):
                    module.eval()
        return self

    def lr_factors(self) -> Mapping[str, float]:
        """Factors of the learning rate, by parameter; 1 for those that are not there."""
        head = f"resnet.{self.resnet.classifier_name}."
        return {
            name: self.config.backbone_lr
            for name, _ in self.named_parameters()
            if name.startswith("resnet.") and not name.startswith(head)
        }

    def forward(
        self,
        mosaics: Tensor,
        weights: Tensor | None = None,
        skeletons: Skeletons | None = None,
        *,
        person_count: Tensor | None = None,
        cell_valid: Tensor | None = None,
        flip_mask: Tensor | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        """Classify a batch of clips.

        Args:
            mosaics: (B, H, W, 3) uint8 RGB.
            weights: (B, P, K) row weights of each person of the clip as it is (eq. 5); None for
                no weights, and in end-to-end mode.
            skeletons: End-to-end mode only: the clips whose joints weigh the rows.
            person_count: (B,) persons that each mosaic shows, 1 to P, side by side in every cell;
                None if all show P.
            cell_valid: (B, P, columns, K) bool, which persons' parts of the cells show a joint;
                None weighs all alike.
            flip_mask: (B,) bool, which clips are mirrored, skeletons and weights with them.

        Returns:
            (B, C) logits of the RGB branch, and of the skeleton branch in end-to-end mode,
            else None.
        """
        if self.config.cell:
            mosaics = resize_cells(mosaics, self.cells)
        skeleton_logits = None
        if skeletons is not None:
            skeleton_logits, weights = self.skeleton_branch(
                skeletons.x, skeletons.present, flip_mask=flip_mask
            )
        if self.config.images == "cells":
            x = self.network_input(mosaics, None, flip_mask=flip_mask)
            each = self.cell_weights(weights, cell_valid, flip_mask, person_count=person_count)
            return self.resnet(x, self.cells, each), skeleton_logits
        x = self.network_input(
            mosaics, weights, person_count=person_count, cell_valid=cell_valid, flip_mask=flip_mask
        )
        return self.resnet(x), skeleton_logits

    def network_input(
        self,
        mosaics: Tensor,
        weights: Tensor | None,
        *,
        person_count: Tensor | None = None,
        cell_valid: Tensor | None = None,
        flip_mask: Tensor | None = None,
    ) -> Tensor:
        """Input of the image network: weighted (eq. 5) and normalised by its mean and deviation.

        Args:
            mosaics: (B, H, W, 3) uint8 RGB.
            weights: (B, P, K) row weights of each person, or None.
            person_count: (B,) persons that each mosaic shows; None if all show P.
            cell_valid: (B, P, L, K) bool or None; parts of cells that show no joint weigh 0.
            flip_mask: (B,) bool, which clips are mirrored with their weights; None for none.

        Returns:
            (B, 3, H, W), channels_last. With weights after normalisation (the default) a weight
            of 0 gives the mean colour; before it, black.
        """
        x = mosaics.permute(0, 3, 1, 2)  # (B, H, W, 3) -> (B, 3, H, W)
        x = x.to(self.mean.dtype).div_(255)
        counts = self._counts(mosaics, person_count)
        pixel_weights = None if weights is None else weight_map(weights, counts, self.cells)
        if cell_valid is not None:
            # As numbers, because onnxruntime does not choose between flags.
            valid = valid_map(cell_valid.to(x.dtype), counts, self.cells)  # (B, 1, H, W)
            pixel_weights = valid if pixel_weights is None else pixel_weights * valid
        if pixel_weights is not None and self.config.weight_position == "before":
            x = x * pixel_weights
        x = x.sub_(self.mean).div_(self.std)
        if pixel_weights is not None and self.config.weight_position == "after":
            x = x * pixel_weights
        if flip_mask is not None:
            mirrored = flip_mosaic(x, self.cells, mirrored_rows(self.rows))
            x = torch.where(flip_mask[:, None, None, None], mirrored, x)
        return x.contiguous(memory_format=torch.channels_last)

    def cell_weights(
        self,
        weights: Tensor | None,
        cell_valid: Tensor | None,
        flip_mask: Tensor | None,
        *,
        person_count: Tensor | None = None,
    ) -> Tensor | None:
        """Weights of the features of whole cells: the mean over the persons that they show.

        Args:
            weights: (B, P, K) row weights of each person, or None.
            cell_valid: (B, P, L, K) bool or None; parts of cells that show no joint weigh 0.
            flip_mask: (B,) bool, which clips the network sees mirrored; None for none.
            person_count: (B,) persons that each mosaic shows; None if all show P.

        Returns:
            (B, K, L) of the cells as the network sees them; None if nothing weighs them.
        """
        if cell_valid is not None:
            each = cell_valid.to(self.mean.dtype)  # (B, P, L, K)
            each = each if weights is None else each * weights[:, :, None]
        elif weights is not None:
            each = weights[:, :, None].expand(-1, -1, self.cells.columns, -1)
        else:
            return None
        counts = self._counts(each, person_count)
        shown = torch.arange(self.cells.people, device=each.device) < counts[:, None]  # (B, P)
        of_cells = (each * shown[..., None, None]).sum(1) / counts[:, None, None]  # (B, L, K)
        if flip_mask is not None:
            flipped = flip_row_weights(of_cells, mirrored_rows(self.rows))
            of_cells = torch.where(flip_mask[:, None, None], flipped, of_cells)
        return of_cells.transpose(1, 2)

    def _counts(self, batch: Tensor, person_count: Tensor | None) -> Tensor:
        """(B,) persons that each mosaic of a batch shows."""
        if person_count is not None:
            return person_count
        return torch.full(batch.shape[:1], self.cells.people, device=batch.device)

    def skeleton_branch(
        self, x: Tensor, present: Tensor, *, flip_mask: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """End-to-end mode: class logits and row weights out of the graph network (eq. 4).

        Args:
            x: (B, P, T, V, 3) prepared key points.
            present: (B, P) bool.
            flip_mask: (B,) bool, which clips the graph network sees in a mirror.

        Returns:
            (B, C) logits of the clips as the network sees them, and (B, P, K) row weights of the
            clips as they are; both with gradients into the graph network.

        Raises:
            ValueError: If this network has no graph network.
        """
        if self.gcn is None:
            raise ValueError("only a network in end-to-end mode has a skeleton branch")
        seen = present
        if flip_mask is not None:
            mirrored = flip_skeletons(x, self.gcn.layout)
            x = torch.where(flip_mask[:, None, None, None, None], mirrored, x)
            seen = torch.where(flip_mask[:, None], present.flip(1), present)
        logits, feature = self.gcn(x, seen)
        joint = joint_weights(feature, formula=self.config.formula)  # (B, P, V)
        if flip_mask is not None:
            joint = torch.where(flip_mask[:, None, None], joint.flip(1), joint)
        weights = row_weights(
            joint,
            present,
            person_pooling=self.config.person_pooling,
            layout=self.gcn.layout,
            rows=self.rows,
            weight_scale=self.config.weight_scale,
        )
        if flip_mask is not None:
            # The mosaic is weighted first and mirrored then, its weights with it.
            flipped = flip_row_weights(weights, mirrored_rows(self.rows))
            weights = torch.where(flip_mask[:, None, None], flipped, weights)
        return logits, weights


def build_rgb_net(classes: int, config: ResNetConfig, cells: CellGrid) -> RgbNet:
    """The image network of the settings, with a classifier for `classes` classes."""
    # Cell by cell it takes a mean and a deviation of every row.
    vectors = 2 * cells.rows if config.images == "cells" else 1
    network = find("rgb_nets", config.model, Network)
    net: RgbNet = network.build(classes, config, vectors, *network.own(config.options))
    return net
