"""Random changes of training clips that leave their class: turn, scale, shear, crop, hide.

Every draw of a training is a function of seed, epoch and the clip's row alone, so that a resumed
training sees what an uninterrupted one would have seen; a draw of scoring is one of the clip's id.

Legend of shapes: N training clips, B clips of a batch, M persons, T frames, V joints.
"""

from __future__ import annotations

import hashlib
from itertools import permutations

import numpy as np
import torch
from torch import Tensor

from stroi.cache.layouts import Layout
from stroi.trainer.config import SkeletonAugment
from stroi.trainer.data.epoch_order import RandomStream, epoch_rng
from stroi.trainer.models.input_streams import FLAT

_SINGLE = 13
"""Draws of a clip that are neither of a frame nor of a joint."""


def draws_of_epoch(count: int, *, frames: int, joints: int, seed: int, epoch: int) -> Tensor:
    """All that chance decides in one epoch.

    Args:
        count: N.
        frames: T.
        joints: V.
        seed: Seed of the run.
        epoch: Number of the epoch, from 0.

    Returns:
        (N, 13 + 3 T + V) float32 in [0, 1).
    """
    return _rows(epoch_rng(seed, epoch, RandomStream.SKELETON_AUGMENT), count, frames, joints)


def draws_of_clip(sample_id: str, count: int, *, frames: int, joints: int) -> Tensor:
    """All that chance decides when one clip is scored in several changed copies.

    Args:
        sample_id: The clip's id, all that the numbers depend on.
        count: N, copies.
        frames: T.
        joints: V.

    Returns:
        (N, 13 + 3 T + V) float32 in [0, 1), as of `draws_of_epoch`.
    """
    digest = hashlib.sha256(sample_id.encode()).digest()
    return _rows(np.random.default_rng([*digest]), count, frames, joints)


def _rows(random: np.random.Generator, count: int, frames: int, joints: int) -> Tensor:
    return torch.from_numpy(random.random((count, _SINGLE + 3 * frames + joints), np.float32))


def augmented(x: Tensor, draws: Tensor, how: SkeletonAugment, layout: Layout) -> Tensor:
    """Changed copies of prepared clips; absent joints stay absent.

    Both persons of a clip are changed alike.

    Args:
        x: (B, M, T, V, 3) prepared clips; an absent joint is (0, 0, 0).
        draws: (B, 13 + 3 T + V) rows of `draws_of_epoch`.
        how: What is done and how far it goes.
        layout: The V joints.

    Returns:
        (B, M, T, V, 3); `x` itself if nothing is to be done.
    """
    frames, joints = x.shape[2:4]
    single, jitter, hidden_frames, hidden_joints, steps = torch.split(
        draws, [_SINGLE, frames, frames, joints, frames], dim=1
    )
    if how.time_crop < 1 or how.time_jitter > 0 or how.time_warp > 0:
        x = _at(x, _places(single[:, 0], single[:, 1], jitter, steps, how))
    if how.flip > 0:
        x = torch.where((single[:, 2] < how.flip)[:, None, None, None, None], _mirror(x, layout), x)
    if how.rotate or how.tilt or how.scale or how.shear:
        matrix = _turn(single[:, 3:6], how, flat=layout.name in FLAT)
        matrix = matrix @ _stretch(single[:, 6:], how, flat=layout.name in FLAT)
        x = torch.einsum("bmtvi,boi->bmtvo", x, matrix)
    if how.drop_frames > 0:
        x = x * (hidden_frames >= how.drop_frames)[:, None, :, None, None]
    if how.drop_joints > 0:
        x = x * (hidden_joints >= how.drop_joints)[:, None, None, :, None]
    return x


def _places(
    length: Tensor, start: Tensor, jitter: Tensor, steps: Tensor, how: SkeletonAugment
) -> Tensor:
    """(B, T) frames, fractions between 0 and T - 1, that a changed clip is read at."""
    frames = jitter.shape[1]
    kept = how.time_crop + (1 - how.time_crop) * length[:, None]
    even = torch.arange(frames) + how.time_jitter * (jitter - 0.5)
    place = (
        even
        if how.time_warp == 0
        else even + how.time_warp * (_drawn(steps) - torch.arange(frames))
    )
    return (start[:, None] * (1 - kept) * (frames - 1) + kept * place).clamp(0, frames - 1)


def _drawn(steps: Tensor) -> Tensor:
    """(B, T) places from 0 to T - 1 in order, the steps between them exponential: a Poisson's."""
    gaps = -torch.log1p(-steps)
    gaps[:, 0] = 0
    path = gaps.cumsum(1)
    return path * ((gaps.shape[1] - 1) / path[:, -1:].clamp_min(1e-6))


def _at(x: Tensor, places: Tensor) -> Tensor:
    """Clips (B, M, T, V, 3) read at (B, T) places, linearly between present joints."""
    low = places.floor().long()
    high = (low + 1).clamp_max(x.shape[2] - 1)
    share = (places - low)[:, None, :, None, None]

    def frame(number: Tensor) -> Tensor:
        return x.gather(2, number[:, None, :, None, None].expand(x.shape))

    first, second = frame(low), frame(high)
    both = (first != 0).any(-1, keepdim=True) & (second != 0).any(-1, keepdim=True)
    nearer = torch.where(share < 0.5, first, second)
    return torch.where(both, first + (second - first) * share, nearer)


def _mirror(x: Tensor, layout: Layout) -> Tensor:
    """Left and right exchanged."""
    return x[..., list(layout.mirrored), :] * x.new_tensor([-1.0, 1.0, 1.0])


def _turn(draws: Tensor, how: SkeletonAugment, *, flat: bool) -> Tensor:
    """(B, 3, 3) rotations: about the vertical and about the two horizontal axes.

    What is flat turns in the picture only: the axis that points at the camera.
    """
    reach = torch.tensor([how.tilt, how.rotate, how.tilt]) * (torch.pi / 180)
    if flat:
        reach[:2] = 0
    angles = (2 * draws - 1) * reach
    cos, sin, one = angles.cos(), angles.sin(), torch.ones(len(draws))
    zero = torch.zeros_like(one)

    def about(axis: int) -> Tensor:
        c, s = cos[:, axis], sin[:, axis]
        rows = {
            0: (one, zero, zero, zero, c, -s, zero, s, c),
            1: (c, zero, s, zero, one, zero, -s, zero, c),
            2: (c, -s, zero, s, c, zero, zero, zero, one),
        }[axis]
        return torch.stack(rows, dim=1).view(-1, 3, 3)

    return about(1) @ about(0) @ about(2)


def _stretch(draws: Tensor, how: SkeletonAugment, *, flat: bool) -> Tensor:
    """(B, 3, 3): one factor for all axes, and a shear of every axis by the two others."""
    matrix = torch.diag_embed((1 + how.scale * (2 * draws[:, :1] - 1)).expand(-1, 3)).clone()
    off = how.shear * (2 * draws[:, 1:] - 1)
    for number, (row, column) in enumerate(permutations(range(3), 2)):
        matrix[:, row, column] = off[:, number]
    if flat:
        matrix[:, 2, :2] = matrix[:, :2, 2] = 0
        matrix[:, 2, 2] = 1
    return matrix
