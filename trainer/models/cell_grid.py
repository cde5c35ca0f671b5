"""What is done to mosaics cell by cell: row weights, mirror, shift, size.

Legend: B batch, K rows, L columns, h and w cell height and width in px, H = K*h, W = L*w.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from stroi.cache.layouts import MIRRORED_ROWS


@dataclass(frozen=True)
class CellGrid:
    """How a mosaic is divided.

    Attributes:
        rows: K, one per ROI joint.
        columns: L, one per sampled frame.
        height: h, px.
        width: w, px.
    """

    rows: int
    columns: int
    height: int
    width: int


def weight_map(weights: Tensor, cells: CellGrid) -> Tensor:
    """Row weights laid out over the mosaic's pixels (eq. 5), exact at the cell borders.

    Args:
        weights: (B, 2, K) weights of the left and the right half of each cell; the left half is
            w // 2 px wide, as the mosaic is cut.
        cells: The mosaic's division.

    Returns:
        (B, 1, H, W).
    """
    left = weights[:, 0, :, None].expand(-1, -1, cells.width // 2)
    right = weights[:, 1, :, None].expand(-1, -1, cells.width - cells.width // 2)
    row = torch.cat([left, right], dim=2).repeat(1, 1, cells.columns)
    return row[:, :, None].expand(-1, -1, cells.height, -1).flatten(1, 2)[:, None]


def valid_map(shown: Tensor, cells: CellGrid) -> Tensor:
    """Which pixels of a mosaic belong to a cell, or a person's half of it, that shows a joint.

    Args:
        shown: (B, 2, C, K) bool of the left and the right half of each cell, C columns.
        cells: The mosaic's division; the halves are as in `weight_map`.

    Returns:
        (B, 1, H, W) bool.
    """
    halves = shown.transpose(2, 3)[..., None]
    left = halves[:, 0].expand(-1, -1, -1, cells.width // 2)
    right = halves[:, 1].expand(-1, -1, -1, cells.width - cells.width // 2)
    row = torch.cat([left, right], dim=3).flatten(2)
    return row[:, :, None].expand(-1, -1, cells.height, -1).flatten(1, 2)[:, None]


def resized(mosaics: Tensor, cells: CellGrid) -> Tensor:
    """Mosaics whose cells have another size; each is resized alone, so none bleeds into another.

    Args:
        mosaics: (B, K * h, L * w, 3) uint8, K and L as in `cells`.
        cells: The division that is wanted.

    Returns:
        (B, H, W, 3) uint8: bilinear, and with low-pass filter where cells shrink; the same
        tensor if it has that size.
    """
    count, height, width, colours = mosaics.shape
    if (height, width) == (cells.rows * cells.height, cells.columns * cells.width):
        return mosaics
    shape = (count, cells.rows, height // cells.rows, cells.columns, width // cells.columns, 3)
    each = mosaics.reshape(shape).permute(0, 1, 3, 5, 2, 4).flatten(0, 2).float()
    size = (cells.height, cells.width)
    small = functional.interpolate(each, size, mode="bilinear", antialias=True)
    small = small.round().clamp(0, 255).to(torch.uint8)
    small = small.view(count, cells.rows, cells.columns, colours, *size).permute(0, 1, 4, 2, 5, 3)
    return small.reshape(count, cells.rows * size[0], cells.columns * size[1], colours)


def mirror(pictures: Tensor, cells: CellGrid) -> Tensor:
    """Every mosaic as of the clip seen in a mirror: cells mirrored, left and right rows swapped.

    Applied after the weights have been multiplied in, it moves them along with their pixels.

    Args:
        pictures: (B, C, H, W).
        cells: The mosaic's division.

    Returns:
        (B, C, H, W).
    """
    shape = (*pictures.shape[:2], cells.rows, cells.height, cells.columns, cells.width)
    swapped = pictures.reshape(shape)[:, :, list(MIRRORED_ROWS)]
    return swapped.flip(5).reshape(pictures.shape)


def shift(mosaics: Tensor, cells: CellGrid, down: Tensor, right: Tensor) -> Tensor:
    """Move the picture inside every cell; what moves in from outside a cell is black.

    Args:
        mosaics: (B, H, W, 3).
        cells: The mosaic's division.
        down: (B,) int64 px, negative for up.
        right: (B,) int64 px, negative for left.

    Returns:
        (B, H, W, 3).
    """
    from_row, row_inside = _sources(cells.rows, cells.height, down)
    from_column, column_inside = _sources(cells.columns, cells.width, right)
    clip = torch.arange(len(mosaics), device=mosaics.device)[:, None, None]
    inside = row_inside[:, :, None] & column_inside[:, None, :]
    return mosaics[clip, from_row[:, :, None], from_column[:, None, :]] * inside[..., None]


def _sources(cells: int, side: int, moved: Tensor) -> tuple[Tensor, Tensor]:
    """For every clip and pixel along one axis: the pixel it comes from, whether in its cell."""
    wanted = torch.arange(side, device=moved.device) - moved[:, None]
    inside = (wanted >= 0) & (wanted < side)
    starts = torch.arange(cells, device=moved.device) * side
    sources = starts[None, :, None] + wanted.clamp(0, side - 1)[:, None]
    return sources.flatten(1), inside.repeat(1, cells)
