"""Augmentation of training clips: colour jitter, random erasing, shift, flip, and the skeletons'.

All parameters of an epoch are drawn at once on the CPU, as a function of seed, epoch and the clip's
position alone. So they are the same on every device, in every process and after a resume. They are
applied where the mosaics are.

Legend of shapes: N clips, B batch, H x W px of a mosaic, T frames, V joints.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stroi.trainer.config import ResNetConfig, SkeletonAugment
from stroi.trainer.data.epoch_order import RandomStream, epoch_rng
from stroi.trainer.data.side_inputs import SideInputs
from stroi.trainer.data.skeleton_augment import augment_skeletons, epoch_draws
from stroi.trainer.models.cell_grid import resize_cells, shift_cells
from stroi.trainer.models.graph_net import GraphNet
from stroi.trainer.models.weighted_mosaic_net import WeightedMosaicNet
from stroi.trainer.runtime import to_device

MIN_ERASED_AREA = 0.02
"""Smallest share of a mosaic that is erased, as in the paper on random erasing (Zhong et al.)."""
MIN_ASPECT = 0.3
"""Smallest height over width of an erased rectangle; its inverse is the largest."""
GREY = (0.299, 0.587, 0.114)
"""Parts of red, green and blue in grey."""


@dataclass(frozen=True)
class AugmentParams:
    """Parameters drawn for N clips in one epoch, on the CPU; None for what the settings leave out.

    Attributes:
        colour: (N, 3) float32 factors of brightness, contrast and saturation.
        erase: (N, 4) int64 first row, first column, last row + 1 and last column + 1 of a
            rectangle in px, all 0 for none.
        flip: (N,) bool, which clips are mirrored.
        shift: (N, 2) int64 px down and to the right.
        skeleton: (N, 13 + 3 T + V) float32 draws of the skeletons' augmentation.
    """

    colour: Tensor | None = None
    erase: Tensor | None = None
    flip: Tensor | None = None
    shift: Tensor | None = None
    skeleton: Tensor | None = None

    def select(self, index: NDArray[np.int64]) -> AugmentParams:
        """The parameters of the clips at (B,) positions."""
        rows = torch.from_numpy(index)
        every = (self.colour, self.erase, self.flip, self.shift, self.skeleton)
        return AugmentParams(*(None if values is None else values[rows] for values in every))


def augment_params_of_epoch(
    model: WeightedMosaicNet, count: int, *, seed: int, epoch: int
) -> AugmentParams:
    """What augmentation does to every clip in one epoch.

    Args:
        model: The network; its settings say how much is changed.
        count: N, clips in the training set.
        seed: Seed of the run.
        epoch: Number of the epoch, from 0.
    """
    config, grid = model.config, model.cells
    rng = epoch_rng(seed, epoch, RandomStream.COLOUR_AND_ERASE)
    reach = np.array([config.brightness, config.contrast, config.saturation])
    colour = (1 + reach * rng.uniform(-1, 1, (count, 3))).astype(np.float32)
    size = np.array([grid.rows * grid.height, grid.columns * grid.width])
    boxes = erase_boxes(rng.random((count, 5)), config, size)
    rng = epoch_rng(seed, epoch, RandomStream.FLIP_AND_SHIFT)
    flip = rng.random(count) < config.flip
    pixels = rng.integers(-config.shift, config.shift, (count, 2), endpoint=True)
    skeleton = None
    if model.gcn is not None and end_to_end_augment(model.gcn) != SkeletonAugment():
        frames, joints = model.gcn.config.frames, len(model.gcn.layout.joints)
        skeleton = epoch_draws(count, frames=frames, joints=joints, seed=seed, epoch=epoch)
    return AugmentParams(
        torch.from_numpy(colour) if reach.any() else None,
        torch.from_numpy(boxes) if config.erase > 0 else None,
        torch.from_numpy(flip) if config.flip > 0 else None,
        torch.from_numpy(pixels) if config.shift > 0 else None,
        skeleton,
    )


def end_to_end_augment(gcn: GraphNet) -> SkeletonAugment:
    """Augmentation of the skeletons that end-to-end mode trains a graph network on.

    It is what the network was trained with before, without the exchange of left and right: this
    mode flips a skeleton together with its mosaic (`ResNetConfig.flip`).
    """
    return gcn.config.augment.replace(flip=0.0)


def erase_boxes(
    draws: NDArray[np.float64], config: ResNetConfig, size: NDArray[np.int64]
) -> NDArray[np.int64]:
    """(N, 4) rectangles out of (N, 5) numbers in [0, 1); `size` is H and W."""
    area = MIN_ERASED_AREA + (config.erase_area - MIN_ERASED_AREA) * draws[:, 1]
    aspect = MIN_ASPECT ** (1 - 2 * draws[:, 2])
    sides = np.sqrt(area * size.prod())[:, None] * np.stack([aspect**0.5, aspect**-0.5], 1)
    sides = np.clip(np.rint(sides), 1, size)
    start = np.floor(draws[:, 3:] * (size - sides + 1))
    boxes = np.concatenate([start, start + sides], 1)
    return np.where(draws[:, :1] < config.erase, boxes, 0.0).astype(np.int64)


def augment_batch(
    model: WeightedMosaicNet, mosaics: Tensor, side: SideInputs, params: AugmentParams
) -> tuple[Tensor, SideInputs, Tensor | None]:
    """A batch as training sees it.

    Args:
        model: The network.
        mosaics: (B, H, W, 3) uint8 on the device.
        side: What goes with them, on the CPU.
        params: Of these B clips.

    Returns:
        The mosaics with cells of the network's size, shifted, colour-jittered and erased; the side
        inputs with augmented skeletons; and (B,) bool on the device, which clips the network is to
        flip, or None.
    """
    device, grid = mosaics.device, model.cells
    if model.config.cell:
        mosaics = resize_cells(mosaics, grid)
    if params.shift is not None:
        down, right = to_device(params.shift, device).unbind(1)
        mosaics = shift_cells(mosaics, grid, down, right)
    if params.colour is not None:
        mosaics = colour_jitter(mosaics, to_device(params.colour, device))
    if params.erase is not None and bool(params.erase.any()):
        mosaics = random_erase(mosaics, to_device(params.erase, device))
    if params.skeleton is not None and model.gcn is not None and side.skeletons is not None:
        x = augment_skeletons(
            side.skeletons.x, params.skeleton, end_to_end_augment(model.gcn), model.gcn.layout
        )
        side = replace(side, skeletons=side.skeletons._replace(x=x))
    flip_mask = None if params.flip is None else to_device(params.flip, device)
    return mosaics, side, flip_mask


def colour_jitter(mosaics: Tensor, factors: Tensor) -> Tensor:
    """Change brightness, contrast (about the mean grey of what is shown), then saturation.

    A black pixel shows nothing (outside the frame, or of a missing joint) and stays black.

    Args:
        mosaics: (B, H, W, 3) uint8.
        factors: (B, 3) of brightness, contrast and saturation.

    Returns:
        (B, H, W, 3) uint8.
    """
    factors = factors[:, :, None, None, None]  # (B, 3) -> (B, 3, 1, 1, 1)
    shows = mosaics.amax(3, keepdim=True) > 0
    x = (mosaics * factors[:, 0]).clamp(0, 255)
    grey = x.new_tensor(GREY)
    pixels = shows.sum((1, 2, 3), keepdim=True).clamp(min=1)
    mean = (x * grey).sum((1, 2, 3), keepdim=True) / pixels
    x = (mean + (x - mean) * factors[:, 1]).clamp(0, 255)
    own_grey = (x * grey).sum(3, keepdim=True)
    x = (own_grey + (x - own_grey) * factors[:, 2]).clamp(0, 255)
    return (x * shows).round().to(torch.uint8)


def random_erase(mosaics: Tensor, boxes: Tensor) -> Tensor:
    """Black out a rectangle of every mosaic.

    Args:
        mosaics: (B, H, W, 3) uint8.
        boxes: (B, 4) first row, first column, last row + 1 and last column + 1, all 0 for none.

    Returns:
        (B, H, W, 3) uint8.
    """
    top, left, bottom, right = boxes[:, :, None].unbind(1)
    down = torch.arange(mosaics.shape[1], device=mosaics.device)
    along = torch.arange(mosaics.shape[2], device=mosaics.device)
    rows, columns = (down >= top) & (down < bottom), (along >= left) & (along < right)
    inside = rows[:, :, None] & columns[:, None, :]  # (B, H, 1) & (B, 1, W) -> (B, H, W)
    return mosaics * ~inside[..., None]
