"""What the RGB branch needs of an image network, and its two ways to see a mosaic.

Legend of shapes: B clips, K rows, L columns, h and w height and width of a cell in px, H = K * h,
W = L * w, D channels of the features, C classes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from stroi.trainer.models.cell_grid import CellGrid, split_cells

VARIANCE_FLOOR = 1e-6
"""Added to a variance: the deviation of equal columns has a gradient too."""


class RgbNet(nn.Module):
    """An image network: stages of convolutions, the mean over the picture, a linear classifier.

    A network adds its stages, `features`, and the classifier under the name `classifier_name`.

    Attributes:
        mean: Mean of each colour, in [0, 1], that its published weights expect; ImageNet's here.
        std: Deviation of each colour that they expect.
        classifier_name: The classifier's name among the parameters.
        width: D.
    """

    mean: ClassVar[tuple[float, float, float]] = (0.485, 0.456, 0.406)
    std: ClassVar[tuple[float, float, float]] = (0.229, 0.224, 0.225)
    classifier_name: ClassVar[str] = "fc"
    width: int

    def stages(self) -> Sequence[Sequence[nn.Module]]:
        """The layers with parameters in the order of the forward pass, the stem first."""
        raise NotImplementedError

    def features(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) normalised pictures to (B, D, H', W')."""
        raise NotImplementedError

    def forward(
        self, x: Tensor, cells: CellGrid | None = None, weights: Tensor | None = None
    ) -> Tensor:
        """Logits (B, C) of whole pictures, or of mosaics cell by cell.

        Args:
            x: (B, 3, H, W) normalised pictures.
            cells: The grid whose cells the network sees one by one; None for the whole picture.
            weights: (B, K, L) weights of the cells' features; None for none.
        """
        classifier = self.get_submodule(self.classifier_name)
        if cells is None:
            return classifier(self.features(x).mean((2, 3)))  # type: ignore[no-any-return]
        each = self.features(split_cells(x, cells)).mean((2, 3))  # (B*K*L, D)
        each = each.view(-1, cells.rows, cells.columns, self.width)  # (B, K, L, D)
        # As long as one vector, so that the classifier learns at the rate that suits one.
        pooled = pool_columns(each, weights) / math.sqrt(2 * cells.rows)
        return classifier(pooled)  # type: ignore[no-any-return]


def pool_columns(features: Tensor, weights: Tensor | None) -> Tensor:
    """Weighted features of cells, pooled over the columns by mean and standard deviation.

    Not part of the paper. The deviation is that of the L columns themselves, not an estimate.

    Args:
        features: (B, K, L, D).
        weights: (B, K, L) factors of the features; None for none.

    Returns:
        (B, K * 2 * D): of each row the D means, then the D deviations.
    """
    # Sums of squares are too coarse in bfloat16.
    x = features.to(torch.promote_types(features.dtype, torch.float32))
    if weights is not None:
        x = x * weights[..., None]
    mean = x.mean(2, keepdim=True)  # (B, K, 1, D)
    deviation = ((x - mean).square().mean(2) + VARIANCE_FLOOR).sqrt()  # (B, K, D)
    return torch.stack([mean.squeeze(2), deviation], dim=2).flatten(1)  # (B, K, 2, D)
