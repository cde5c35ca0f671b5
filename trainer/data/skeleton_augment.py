"""Random augmentation of skeletons that keeps their class.

Every random number of a training is a function of seed, epoch and the clip's row alone, so that a
resumed training gets what an uninterrupted one would have got. In scoring it is a function of the
clip's id.

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
from stroi.trainer.models.flip import flip_joints

_CLIP_DRAWS = 13
"""Draws of a clip that belong to no frame and to no joint."""


def epoch_draws(count: int, *, frames: int, joints: int, seed: int, epoch: int) -> Tensor:
    """The random numbers of one epoch.

    Args:
        count: N.
        frames: T.
        joints: V.
        seed: Seed of the run.
        epoch: Number of the epoch, from 0.

    Returns:
        (N, 13 + 3 T + V) float32 in [0, 1).
    """
    return _draws(epoch_rng(seed, epoch, RandomStream.SKELETON_AUGMENT), count, frames, joints)


def clip_draws(sample_id: str, count: int, *, frames: int, joints: int) -> Tensor:
    """The random numbers for test-time augmentation of one clip.

    Args:
        sample_id: The clip's id, all that the numbers depend on.
        count: N, augmented copies.
        frames: T.
        joints: V.

    Returns:
        (N, 13 + 3 T + V) float32 in [0, 1), as of `epoch_draws`.
    """
    digest = hashlib.sha256(sample_id.encode()).digest()
    return _draws(np.random.default_rng([*digest]), count, frames, joints)


def _draws(random: np.random.Generator, count: int, frames: int, joints: int) -> Tensor:
    return torch.from_numpy(random.random((count, _CLIP_DRAWS + 3 * frames + joints), np.float32))


def augment_skeletons(x: Tensor, draws: Tensor, augment: SkeletonAugment, layout: Layout) -> Tensor:
    """Augmented copies of prepared clips; absent joints stay absent.

    All persons of a clip are changed alike.

    Args:
        x: (B, M, T, V, 3) prepared clips; an absent joint is (0, 0, 0).
        draws: (B, 13 + 3 T + V) rows of `epoch_draws`.
        augment: Which augmentations, and their ranges.
        layout: The V joints.

    Returns:
        (B, M, T, V, 3); `x` itself if `augment` does nothing.
    """
    frames, joints = x.shape[2:4]
    clip, jitter, frame_dropout, joint_dropout, steps = torch.split(
        draws, [_CLIP_DRAWS, frames, frames, joints, frames], dim=1
    )
    if augment.time_crop < 1 or augment.time_jitter > 0 or augment.time_warp > 0:
        x = _resample_at(x, _sample_times(clip[:, 0], clip[:, 1], jitter, steps, augment))
    if augment.flip > 0:
        flip_mask = clip[:, 2] < augment.flip  # (B,)
        x = torch.where(flip_mask[:, None, None, None, None], flip_joints(x, layout), x)
    if augment.rotate or augment.tilt or augment.scale or augment.shear:
        in_plane = layout.axes == 2
        matrix = _rotations(clip[:, 3:6], augment, in_plane=in_plane)
        matrix = matrix @ _scale_and_shear(clip[:, 6:], augment, in_plane=in_plane)
        x = torch.einsum("bmtvi,boi->bmtvo", x, matrix)
    if augment.drop_frames > 0:
        x = x * (frame_dropout >= augment.drop_frames)[:, None, :, None, None]
    if augment.drop_joints > 0:
        x = x * (joint_dropout >= augment.drop_joints)[:, None, None, :, None]
    return x


def _sample_times(
    length: Tensor, start: Tensor, jitter: Tensor, steps: Tensor, augment: SkeletonAugment
) -> Tensor:
    """Times at which a clip is resampled.

    Args:
        length: (B,) draws of the crop's length.
        start: (B,) draws of its start.
        jitter: (B, T) draws.
        steps: (B, T) draws.
        augment: Crop, jitter and warp.

    Returns:
        (B, T) frame numbers with fractions, between 0 and T - 1.
    """
    frames = jitter.shape[1]
    even = torch.arange(frames)
    kept = augment.time_crop + (1 - augment.time_crop) * length[:, None]  # (B, 1)
    times = even + augment.time_jitter * (jitter - 0.5)  # (B, T)
    if augment.time_warp > 0:
        times = times + augment.time_warp * (_random_times(steps) - even)
    return (start[:, None] * (1 - kept) * (frames - 1) + kept * times).clamp(0, frames - 1)


def _random_times(steps: Tensor) -> Tensor:
    """(B, T) ascending times from 0 to T - 1 of a Poisson process: exponential steps."""
    gaps = -torch.log1p(-steps)
    gaps[:, 0] = 0
    times = gaps.cumsum(1)
    return times * ((gaps.shape[1] - 1) / times[:, -1:].clamp_min(1e-6))


def _resample_at(x: Tensor, times: Tensor) -> Tensor:
    """Clips (B, M, T, V, 3) at (B, T) times, linear between present joints."""
    low = times.floor().long()
    high = (low + 1).clamp_max(x.shape[2] - 1)
    share = (times - low)[:, None, :, None, None]  # (B, 1, T, 1, 1)

    def frame(number: Tensor) -> Tensor:
        return x.gather(2, number[:, None, :, None, None].expand(x.shape))  # (B, M, T, V, 3)

    first, second = frame(low), frame(high)
    both = (first != 0).any(-1, keepdim=True) & (second != 0).any(-1, keepdim=True)
    nearer = torch.where(share < 0.5, first, second)
    return torch.where(both, first + (second - first) * share, nearer)


def _rotations(draws: Tensor, augment: SkeletonAugment, *, in_plane: bool) -> Tensor:
    """(B, 3, 3) rotations about the vertical and about the two horizontal axes.

    Joints of a picture turn in its plane: about the axis that points at the camera alone.
    """
    reach = torch.tensor([augment.tilt, augment.rotate, augment.tilt]) * (torch.pi / 180)
    if in_plane:
        reach[:2] = 0
    angles = (2 * draws - 1) * reach  # (B, 3)
    cos, sin, one = angles.cos(), angles.sin(), torch.ones(len(draws))
    zero = torch.zeros_like(one)

    def about(axis: int) -> Tensor:
        c, s = cos[:, axis], sin[:, axis]
        rows = {
            0: (one, zero, zero, zero, c, -s, zero, s, c),
            1: (c, zero, s, zero, one, zero, -s, zero, c),
            2: (c, -s, zero, s, c, zero, zero, zero, one),
        }[axis]
        return torch.stack(rows, dim=1).view(-1, 3, 3)  # (B, 9) -> (B, 3, 3)

    return about(1) @ about(0) @ about(2)


def _scale_and_shear(draws: Tensor, augment: SkeletonAugment, *, in_plane: bool) -> Tensor:
    """(B, 3, 3): one factor for all axes, and a shear of every axis by the two others."""
    factor = 1 + augment.scale * (2 * draws[:, :1] - 1)  # (B, 1)
    matrix = torch.diag_embed(factor.expand(-1, 3)).clone()  # (B, 3, 3)
    shear = augment.shear * (2 * draws[:, 1:] - 1)  # (B, 6)
    for number, (row, column) in enumerate(permutations(range(3), 2)):
        matrix[:, row, column] = shear[:, number]
    if in_plane:
        matrix[:, 2, :2] = matrix[:, :2, 2] = 0
        matrix[:, 2, 2] = 1
    return matrix
