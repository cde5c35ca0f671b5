"""Horizontal flip of a clip: its mosaic, its row weights and its skeletons.

Legend of shapes: B batch, K rows, L columns, h and w cell height and width in px, H = K * h,
W = L * w, N clips, M persons, T frames, V joints.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from stroi.cache.layouts import Layout
from stroi.trainer.models.cell_grid import CellGrid


def flip_mosaic(images: Tensor, cells: CellGrid, mirrored: Sequence[int]) -> Tensor:
    """Mosaics of the mirrored clips: each cell mirrored, the rows of left and right swapped.

    Weights that have been multiplied in before move along with their pixels.

    Args:
        images: (B, 3, H, W).
        cells: The mosaic's grid.
        mirrored: Row that each of the K rows becomes, as `stroi.cache.rois.mirrored_rows` gives it.

    Returns:
        (B, 3, H, W).
    """
    shape = (*images.shape[:2], cells.rows, cells.height, cells.columns, cells.width)
    swapped = images.reshape(shape)[:, :, list(mirrored)]  # (B, 3, K, h, L, w)
    return swapped.flip(5).reshape(images.shape)


def flip_row_weights(weights: Tensor, mirrored: Sequence[int]) -> Tensor:
    """Row weights of a clip from those of the mirrored clip, and the other way round.

    Args:
        weights: (..., K) weights, of whichever person.
        mirrored: As for `flip_mosaic`.

    Returns:
        The same shape.
    """
    return weights[..., list(mirrored)]


def flip_skeletons(x: Tensor, layout: Layout) -> Tensor:
    """Prepared clips in a mirror: left and right exchanged, x reversed.

    The persons come in the opposite order as well, since they stand from left to right.

    Args:
        x: (N, M, T, V, 3) prepared clips, x to the right about a centre.
        layout: Names of the V joints.

    Returns:
        (N, M, T, V, 3); whoever was person m is person M - 1 - m.
    """
    return flip_joints(x, layout).flip(1)


def flip_joints(x: Tensor, layout: Layout) -> Tensor:
    """(N, M, T, V, 3) clips with left and right joints exchanged and x reversed."""
    return x[..., list(layout.mirrored), :] * x.new_tensor([-1.0, 1.0, 1.0])
