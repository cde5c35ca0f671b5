"""Which clips are in which batch and which columns they show, out of seed and epoch alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from stroi.cache.errors import RefusedInput, StroiError

SHUFFLE_BLOCK = 32
"""Clips that lie one after the other on disk and enter a window together: a read of 5 MB at 225 px,
so long that seeking hardly counts."""


class RandomStream(IntEnum):
    """Independent random streams of one epoch; every draw of a training names its own."""

    ORDER = 0
    DROPOUT = 1
    SKELETON_AUGMENT = 2
    COLUMNS = 3
    BLOCK_ORDER = 4
    COLOUR_AND_ERASE = 5
    FLIP_AND_SHIFT = 6


def epoch_rng(seed: int, epoch: int, stream: RandomStream, rank: int = 0) -> np.random.Generator:
    """Generator of one stream of one epoch; processes that must differ pass their `rank`."""
    return np.random.default_rng((seed, epoch, stream, rank))


def split(order: NDArray[np.int64], size: int) -> list[NDArray[np.int64]]:
    """Cut an order into batches of `size`; the last may be shorter.

    A last batch of one clip joins the one before it: batch normalisation cannot train on one.

    Args:
        order: (N,) positions.
        size: Clips per batch.
    """
    batches = [order[start : start + size] for start in range(0, len(order), size)]
    if len(batches) > 1 and len(batches[-1]) == 1:
        batches[-2:] = [np.concatenate(batches[-2:])]
    return batches


def shuffled_batches(count: int, size: int, *, seed: int, epoch: int) -> list[NDArray[np.int64]]:
    """Batches of one epoch in random order.

    Args:
        count: N, clips in the training set.
        size: Clips per batch.
        seed: Seed of the run.
        epoch: Number of the epoch, from 0.

    Returns:
        Batches of positions that together name every clip once.

    Raises:
        StroiError: ``TRAIN_TOO_FEW`` for fewer than two clips.
    """
    require_two_clips(count)
    return split(epoch_rng(seed, epoch, RandomStream.ORDER).permutation(count), size)


def block_shuffled_order(
    storage_order: NDArray[np.int64], window: int, *, seed: int, epoch: int
) -> NDArray[np.int64]:
    """The clips of an epoch, window by window, for caches larger than memory.

    The clips in storage order are cut into blocks of `SHUFFLE_BLOCK`. The blocks are shuffled and
    joined, and each window of the result is shuffled clip by clip.

    Args:
        storage_order: (N,) positions of the clips in the order in which the files hold them.
        window: Clips of a window. A last window of one clip belongs to the one before it.
        seed: Seed of the run.
        epoch: Number of the epoch, from 0.

    Returns:
        (N,) the same positions in another order.
    """
    rng = epoch_rng(seed, epoch, RandomStream.BLOCK_ORDER)
    starts = range(0, len(storage_order), SHUFFLE_BLOCK)
    blocks = [storage_order[start : start + SHUFFLE_BLOCK] for start in starts]
    order = np.concatenate([blocks[number] for number in rng.permutation(len(blocks))])
    cuts = [start for start in range(window, len(order), window) if start < len(order) - 1]
    return np.concatenate([rng.permutation(part) for part in np.split(order, cuts)])


def epoch_columns(
    count: int, columns: int, candidates: int, *, seed: int, epoch: int
) -> NDArray[np.int64] | None:
    """Columns that training sees of every clip in one epoch: its random choice of frames.

    The paper chooses frames at random on N-UCLA (section IV.B) and does not say how: here every
    L of the C candidates are as likely as any other, and stay in the order of time.

    Args:
        count: N, clips in the training set.
        columns: L, columns of a mosaic that the network sees.
        candidates: C, columns of a mosaic in the cache.
        seed: Seed of the run.
        epoch: Number of the epoch, from 0.

    Returns:
        (N, L) positions, ascending in each row; None for all columns, if there are no more than L.
    """
    if candidates <= columns:
        return None
    draws = epoch_rng(seed, epoch, RandomStream.COLUMNS).random((count, candidates))
    return np.sort(np.argsort(draws, axis=1)[:, :columns], axis=1)


def require_two_clips(count: int) -> None:
    """Refuse a training set that batch normalisation cannot train on.

    Raises:
        StroiError: ``TRAIN_TOO_FEW``.
    """
    if count < 2:
        raise StroiError(
            "TRAIN_TOO_FEW",
            f"a training set of {count} clips cannot train batch normalisation",
            remedy="give it at least 2 clips",
        )


def label_array(
    labels: Mapping[str, int], ids: Sequence[str], classes: Sequence[str]
) -> NDArray[np.int64]:
    """Labels in the order of `ids`.

    Args:
        labels: Class number by sample id.
        ids: N sample ids.
        classes: C class names.

    Returns:
        (N,) numbers in [0, C).

    Raises:
        RefusedInput: ``LABEL_RANGE`` naming the first sample whose number is no class.
    """
    for sample in ids:
        if not 0 <= labels[sample] < len(classes):
            raise RefusedInput(
                "LABEL_RANGE",
                f"sample {sample!a} has label {labels[sample]}, there are {len(classes)} classes",
                remedy="number the classes from 0 without gaps",
            )
    return np.array([labels[sample] for sample in ids], np.int64)
