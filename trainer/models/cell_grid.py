"""Operations on the cells of a mosaic: row weights, validity, size, mirror, shift.

Legend of shapes: B batch, P the most persons of a clip, S strips of a cell, K rows, L columns,
h and w cell height and width in px, H = K*h, W = L*w.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, pairwise

import torch
from torch import Tensor
from torch.nn import functional

from stroi.cache.rois import PAPER_PEOPLE, person_edges


@dataclass(frozen=True)
class CellGrid:
    """Grid of a mosaic's cells.

    Attributes:
        rows: K, one per ROI joint.
        columns: L, one per sampled frame.
        height: h, px.
        width: w, px.
        people: P, the most persons that a mosaic shows.
    """

    rows: int
    columns: int
    height: int
    width: int
    people: int = PAPER_PEOPLE


def weight_map(weights: Tensor, person_count: Tensor, cells: CellGrid) -> Tensor:
    """Row weights as a map over the mosaic's pixels (eq. 5), exact at the borders.

    Args:
        weights: (B, P, K) weights of each person's part of the cells.
        person_count: (B,) persons that each mosaic shows, side by side in every cell.
        cells: The mosaic's grid.

    Returns:
        (B, 1, H, W).
    """
    cell = _spread(weights, person_count, cells.width)  # (B, P, K) -> (B, K, w)
    return _repeat_rows(cell.repeat(1, 1, cells.columns), cells)


def valid_map(cell_valid: Tensor, person_count: Tensor, cells: CellGrid) -> Tensor:
    """Which pixels of a mosaic belong to a person's part of a cell that shows a joint.

    Args:
        cell_valid: (B, P, L, K) flags of each person's part, bool or 0 and 1.
        person_count: (B,) persons that each mosaic shows.
        cells: The mosaic's grid.

    Returns:
        (B, 1, H, W), of the type of the flags.
    """
    each = cell_valid.transpose(2, 3).flatten(2)  # (B, P, L, K) -> (B, P, K*L)
    row = _spread(each, person_count, cells.width)  # (B, K*L, w)
    return _repeat_rows(row.reshape(-1, cells.rows, cells.columns * cells.width), cells)


def cell_strips(width: int, people: int) -> tuple[tuple[int, ...], tuple[tuple[int, ...], ...]]:
    """Parts of a cell that no division among one to P persons cuts through.

    Args:
        width: Width of the cell, px.
        people: P.

    Returns:
        S widths in px from left to right, and for each number of persons from 1 to P the person
        that each of the S strips shows.
    """
    divisions = [person_edges(width, count) for count in range(1, people + 1)]
    edges = sorted(set(chain.from_iterable(divisions)))
    widths = tuple(right - left for left, right in pairwise(edges))
    owners = (tuple(bisect_right(own, left) - 1 for left in edges[:-1]) for own in divisions)
    return widths, tuple(owners)


def _spread(values: Tensor, person_count: Tensor, width: int) -> Tensor:
    """(B, P, X) values of persons to (B, X, w), those of the pixels along a cell of each clip."""
    widths, owners = cell_strips(width, values.shape[1])
    shown = person_count[:, None, None]  # (B, 1, 1)
    strips = _of_persons(values, owners[-1])  # (B, S, X)
    for count, owner in enumerate(owners[:-1], 1):
        # A table of owners on the device would make the processor wait for it at every step.
        strips = torch.where(shown == count, _of_persons(values, owner), strips)
    strips = strips.transpose(1, 2)[..., None]  # (B, S, X) -> (B, X, S, 1)
    parts = [strips[:, :, at].expand(-1, -1, length) for at, length in enumerate(widths)]
    return torch.cat(parts, dim=2)


def _of_persons(values: Tensor, persons: Sequence[int]) -> Tensor:
    """(B, P, X) values at S persons: (B, S, X)."""
    return torch.stack([values[:, person] for person in persons], dim=1)


def _repeat_rows(row: Tensor, cells: CellGrid) -> Tensor:
    """(B, K, W) of one line of pixels per row to (B, 1, H, W)."""
    lines = row[:, :, None].expand(-1, -1, cells.height, -1)  # (B, K, h, W)
    return lines.flatten(1, 2)[:, None]  # (B, 1, K*h, W)


def split_cells(x: Tensor, cells: CellGrid) -> Tensor:
    """Mosaics as a batch of their cells.

    Args:
        x: (B, C, H, W).
        cells: The mosaics' grid.

    Returns:
        (B * K * L, C, h, w), channels_last: clip by clip, row by row.
    """
    shape = (*x.shape[:2], cells.rows, cells.height, cells.columns, cells.width)
    each = x.reshape(shape).permute(0, 2, 4, 1, 3, 5)  # (B, K, L, C, h, w)
    return each.flatten(0, 2).contiguous(memory_format=torch.channels_last)


def resize_cells(mosaics: Tensor, cells: CellGrid) -> Tensor:
    """Mosaics with cells of another size. Each cell is resized alone: none bleeds into another.

    Args:
        mosaics: (B, K*h', L*w', 3) uint8 with cells of any size h' x w'.
        cells: The requested grid, with the same K and L.

    Returns:
        (B, H, W, 3) uint8: bilinear, and with a low-pass filter where cells shrink; the same
        tensor if it has that size.
    """
    count, height, width, colours = mosaics.shape
    rows, columns, size = cells.rows, cells.columns, (cells.height, cells.width)
    if (height, width) == (rows * cells.height, columns * cells.width):
        return mosaics
    # (B, K*h', L*w', 3) -> (B, K, h', L, w', 3) -> (B, K, L, 3, h', w')
    each = mosaics.reshape(count, rows, height // rows, columns, width // columns, colours)
    each = each.permute(0, 1, 3, 5, 2, 4).flatten(0, 2).float()  # (B*K*L, 3, h', w')
    each = functional.interpolate(each, size, mode="bilinear", antialias=True)
    each = each.round().clamp(0, 255).to(torch.uint8)  # (B*K*L, 3, h, w)
    each = each.view(count, rows, columns, colours, *size)  # (B, K, L, 3, h, w)
    each = each.permute(0, 1, 4, 2, 5, 3)  # (B, K, h, L, w, 3)
    return each.reshape(count, rows * size[0], columns * size[1], colours)  # (B, H, W, 3)


def shift_cells(mosaics: Tensor, cells: CellGrid, down: Tensor, right: Tensor) -> Tensor:
    """Move the picture inside every cell; what moves in from outside a cell is black.

    Args:
        mosaics: (B, H, W, 3).
        cells: The mosaic's grid.
        down: (B,) int64 px, negative for up.
        right: (B,) int64 px, negative for left.

    Returns:
        (B, H, W, 3).
    """
    row, row_inside = _source_pixels(cells.rows, cells.height, down)  # (B, H)
    column, column_inside = _source_pixels(cells.columns, cells.width, right)  # (B, W)
    clip = torch.arange(len(mosaics), device=mosaics.device)[:, None, None]  # (B, 1, 1)
    inside = row_inside[:, :, None] & column_inside[:, None, :]  # (B, H, W)
    return mosaics[clip, row[:, :, None], column[:, None, :]] * inside[..., None]


def _source_pixels(cells: int, side: int, shift: Tensor) -> tuple[Tensor, Tensor]:
    """Source of every pixel along one axis, and whether it lies inside the pixel's cell.

    Args:
        cells: Cells along the axis.
        side: Side of a cell, px.
        shift: (B,) px.

    Returns:
        (B, cells * side) positions and bool.
    """
    source = torch.arange(side, device=shift.device) - shift[:, None]  # (B, side)
    inside = (source >= 0) & (source < side)
    starts = torch.arange(cells, device=shift.device) * side  # (cells,)
    pixels = starts[None, :, None] + source.clamp(0, side - 1)[:, None]  # (B, cells, side)
    return pixels.flatten(1), inside.repeat(1, cells)
