"""Weights, mirror and shift act on cells, exactly to their borders."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from stroi.cache.rois import PAPER, mirrored_rows
from stroi.trainer.models.cell_grid import (
    CellGrid,
    resize_cells,
    shift_cells,
    valid_map,
    weight_map,
)
from stroi.trainer.models.flip import flip_mosaic

MIRRORED = mirrored_rows(PAPER)
EVEN, ODD = CellGrid(5, 3, 4, 6), CellGrid(5, 2, 3, 5)


def _random(cells: CellGrid, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(seed)
    size = (cells.rows * cells.height, cells.columns * cells.width)
    return torch.rand(2, 3, *size, generator=random), torch.rand(2, 2, 5, generator=random)


def _person(x: int, width: int, count: int) -> int:
    """Whose part of a cell column `x` of a mosaic lies in, counted from the left."""
    return sum(x % width >= person * width // count for person in range(1, count))


@settings(max_examples=40, deadline=None)
@given(
    people=st.integers(1, 4), width=st.integers(1, 30), height=st.integers(1, 3),
    seed=st.integers(0, 2**16),
)  # fmt: skip
def test_eq5_weight_of_every_pixel(people: int, width: int, height: int, seed: int) -> None:
    """A cell is divided among the persons that its clip shows, whatever P is."""
    cells, random = CellGrid(3, 2, height, width, people), np.random.default_rng(seed)
    weights = random.random((people, people, 3)).astype(np.float32)  # a clip of each count
    shown = random.random((people, people, 2, 3)) < 0.5
    counts = np.arange(1, people + 1, dtype=np.int8)
    persons = torch.from_numpy(counts)
    got = weight_map(torch.from_numpy(weights), persons, cells).numpy()
    flags = valid_map(torch.from_numpy(shown), persons, cells).numpy()
    assert got.shape == flags.shape == (people, 1, 3 * height, 2 * width)
    for n, _, y, x in np.ndindex(got.shape):
        person = _person(x, width, n + 1)
        assert got[n, 0, y, x] == weights[n, person, y // height]
        assert flags[n, 0, y, x] == shown[n, person, x // width, y // height]


def test_weights_of_one_row_touch_only_that_row() -> None:
    weights = torch.ones(1, 2, 5)
    weights[0, :, 2] = 0
    got = weight_map(weights, torch.tensor([2]), EVEN)[0, 0]
    assert not got[8:12].any()
    assert got[:8].all()
    assert got[12:].all()


def test_gradient_of_a_row_weight_is_its_pixels() -> None:
    pictures, weights = _random(ODD)
    weights.requires_grad_()
    (pictures * weight_map(weights, torch.tensor([2, 1]), ODD)).sum().backward()
    assert weights.grad is not None
    row = pictures[:, :, 3:6].reshape(2, 3, 3, 2, 5)
    torch.testing.assert_close(weights.grad[0, 0, 1], row[0, ..., :2].sum())
    torch.testing.assert_close(weights.grad[0, 1, 1], row[0, ..., 2:].sum())
    torch.testing.assert_close(weights.grad[1, 0, 1], row[1].sum())
    assert not weights.grad[1, 1].any()


@pytest.mark.parametrize("cells", [EVEN, ODD])
def test_mirror_of_the_mirror_is_the_picture(cells: CellGrid) -> None:
    pictures, _ = _random(cells)
    assert torch.equal(
        flip_mosaic(flip_mosaic(pictures, cells, MIRRORED), cells, MIRRORED), pictures
    )
    assert not torch.equal(flip_mosaic(pictures, cells, MIRRORED), pictures)


def test_mirror_by_hand() -> None:
    pictures, _ = _random(EVEN)
    got = flip_mosaic(pictures, EVEN, MIRRORED)
    partner = {0: 0, 1: 2, 2: 1, 3: 4, 4: 3}
    for row, column in np.ndindex(5, 3):
        there = pictures[:, :, 4 * partner[row] : 4 * partner[row] + 4, 6 * column : 6 * column + 6]
        here = got[:, :, 4 * row : 4 * row + 4, 6 * column : 6 * column + 6]
        assert torch.equal(here, there.flip(3))


def test_mirror_moves_weights_along_with_their_pixels() -> None:
    pictures, weights = _random(EVEN)
    swapped = weights.flip(1)[:, :, [0, 2, 1, 4, 3]]
    both = torch.tensor([2, 2])
    after = flip_mosaic(pictures * weight_map(weights, both, EVEN), EVEN, MIRRORED)
    there = flip_mosaic(pictures, EVEN, MIRRORED) * weight_map(swapped, both, EVEN)
    assert torch.equal(after, there)


def test_shift_stays_inside_its_cell() -> None:
    pictures, _ = _random(EVEN)
    mosaics = pictures.permute(0, 2, 3, 1).mul(255).add(1).to(torch.uint8)
    down, right = torch.tensor([1, -2]), torch.tensor([-3, 2])
    got = shift_cells(mosaics, EVEN, down, right)
    for n, row, column in np.ndindex(2, 5, 3):
        y, x = 4 * row, 6 * column
        cell = mosaics[n, y : y + 4, x : x + 6].numpy()
        expected = np.zeros_like(cell)
        for i, j in np.ndindex(4, 6):
            k, m = i - int(down[n]), j - int(right[n])
            if 0 <= k < 4 and 0 <= m < 6:
                expected[i, j] = cell[k, m]
        np.testing.assert_array_equal(got[n, y : y + 4, x : x + 6].numpy(), expected)


def test_no_shift_is_no_change() -> None:
    mosaics = torch.randint(0, 256, (2, 20, 18, 3), dtype=torch.uint8)
    still = torch.zeros(2, dtype=torch.int64)
    assert torch.equal(shift_cells(mosaics, EVEN, still, still), mosaics)


@pytest.mark.parametrize("size", [2, 3, 5, 9])
def test_every_cell_is_resized_alone(size: int) -> None:
    """As cells cut out and resized one by one: none bleeds into its neighbours."""
    mosaics = torch.randint(0, 256, (2, 20, 18, 3), dtype=torch.uint8)
    got = resize_cells(mosaics, CellGrid(5, 3, size, size))
    assert got.shape == (2, 5 * size, 3 * size, 3)
    for n, row, column in np.ndindex(2, 5, 3):
        cell = mosaics[n : n + 1, 4 * row : 4 * row + 4, 6 * column : 6 * column + 6]
        alone = resize_cells(cell, CellGrid(1, 1, size, size))[0]
        y, x = size * row, size * column
        assert torch.equal(got[n, y : y + size, x : x + size], alone)


def test_one_colour_stays_and_its_size_is_no_work() -> None:
    rows = torch.arange(5, dtype=torch.uint8).mul(40).repeat_interleave(4)
    mosaics = rows[None, :, None, None].expand(1, 20, 18, 3).contiguous()
    wanted = torch.arange(5, dtype=torch.uint8).mul(40).repeat_interleave(7)
    got = resize_cells(mosaics, CellGrid(5, 3, 7, 7))
    assert torch.equal(got, wanted[None, :, None, None].expand(1, 35, 21, 3))
    assert resize_cells(mosaics, EVEN) is mosaics
