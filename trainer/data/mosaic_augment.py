"""Random changes of the look of training mosaics: colours, and a rectangle that is blacked out.

What chance says is drawn on the CPU for all clips of an epoch, as a function of seed and epoch
alone; it is applied on the device that the mosaics are on.

Legend of shapes: N clips, B batch, H x W px of a mosaic.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stroi.trainer.config import ResNetConfig
from stroi.trainer.models.cell_grid import CellGrid
from stroi.trainer.runtime import moved

LEAST_AREA = 0.02
"""Smallest share of a mosaic that is erased, as in the paper on random erasing (Zhong et al.)."""
ASPECT = 0.3
"""Smallest height over width of what is erased; its inverse is the largest."""
GREY = (0.299, 0.587, 0.114)
"""Parts of red, green and blue in grey."""


def looks_of_epoch(
    count: int, config: ResNetConfig, cells: CellGrid, *, seed: int, epoch: int
) -> Tensor | None:
    """What is changed of every clip in one epoch.

    Args:
        count: N, clips in the training set.
        config: How much is changed.
        cells: The mosaics' division.
        seed: Seed of the run.
        epoch: Number of the epoch, from 0.

    Returns:
        (N, 7) float32: factors of brightness, contrast and saturation; first row, first column,
        last row + 1 and last column + 1 of what is erased, in px, all 0 for nothing. None if
        nothing is ever changed.
    """
    reach = np.array([config.brightness, config.contrast, config.saturation])
    if not reach.any() and not config.erase:
        return None
    random = np.random.default_rng((seed, epoch, 5))
    factors = 1 + reach * random.uniform(-1, 1, (count, 3))
    size = np.array([cells.rows * cells.height, cells.columns * cells.width])
    boxes = _boxes(random.random((count, 5)), config, size)
    return torch.from_numpy(np.concatenate([factors, boxes], 1).astype(np.float32))


def _boxes(
    draws: NDArray[np.float64], config: ResNetConfig, size: NDArray[np.int64]
) -> NDArray[np.float64]:
    """(N, 4) rectangles out of (N, 5) numbers in [0, 1)."""
    area = LEAST_AREA + (max(config.erase_area, LEAST_AREA) - LEAST_AREA) * draws[:, 1]
    aspect = ASPECT ** (1 - 2 * draws[:, 2])
    sides = np.sqrt(area * size.prod())[:, None] * np.stack([aspect**0.5, aspect**-0.5], 1)
    sides = np.clip(np.rint(sides), 1, size)
    start = np.floor(draws[:, 3:] * (size - sides + 1))
    boxes = np.concatenate([start, start + sides], 1)
    return np.where(draws[:, :1] < config.erase, boxes, 0.0)


def changed(mosaics: Tensor, looks: Tensor) -> Tensor:
    """Mosaics with another look.

    Brightness, contrast (about the mean grey of what is shown), then saturation. A black pixel
    shows nothing - it is outside the frame, or of a missing joint - and stays black.

    Args:
        mosaics: (B, H, W, 3) uint8.
        looks: (B, 7), see `looks_of_epoch`, on the CPU.

    Returns:
        (B, H, W, 3) uint8.
    """
    there = moved(looks, mosaics.device)
    if bool((looks[:, :3] != 1).any()):
        mosaics = _coloured(mosaics, there[:, :3, None, None, None])
    return _erased(mosaics, there[:, 3:]) if bool(looks[:, 3:].any()) else mosaics


def _erased(mosaics: Tensor, boxes: Tensor) -> Tensor:
    top, left, bottom, right = boxes[:, :, None].unbind(1)
    down = torch.arange(mosaics.shape[1], device=mosaics.device)
    along = torch.arange(mosaics.shape[2], device=mosaics.device)
    rows, columns = (down >= top) & (down < bottom), (along >= left) & (along < right)
    return mosaics * ~(rows[:, :, None] & columns[:, None, :])[..., None]


def _coloured(mosaics: Tensor, factors: Tensor) -> Tensor:
    shows = mosaics.amax(3, keepdim=True) > 0
    x = (mosaics * factors[:, 0]).clamp(0, 255)
    grey = x.new_tensor(GREY)
    pixels = shows.sum((1, 2, 3), keepdim=True).clamp(min=1)
    mean = (x * grey).sum((1, 2, 3), keepdim=True) / pixels
    x = (mean + (x - mean) * factors[:, 1]).clamp(0, 255)
    own = (x * grey).sum(3, keepdim=True)
    x = (own + (x - own) * factors[:, 2]).clamp(0, 255)
    return (x * shows).round().to(torch.uint8)
