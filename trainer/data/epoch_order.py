"""Which clips stand in which batch, and mosaics fetched ahead of the network."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stroi.cache.errors import RefusedInput, StroiError
from stroi.cache.mosaics import MosaicCache
from stroi.trainer.data.prefetch import filled
from stroi.trainer.data.window_reader import Source, WindowSource

RING = 3


@dataclass(frozen=True)
class Batch:
    """Clips that one step sees.

    Attributes:
        rows: (B,) positions in the sorted ids.
    """

    rows: NDArray[np.int64]


@dataclass(frozen=True)
class MosaicBatch(Batch):
    """Clips that one step sees, with their mosaics.

    Attributes:
        mosaics: (B, H, W, 3) uint8 on the device, valid until the next batch is asked for.
        columns: (B, L) positions of their columns among the candidates; None for all.
        looks: (B, 7) changes of their look in training, see `stroi.trainer.data.mosaic_augment`;
            None for none.
        draws: Joint mode's training only: what chance changes of their skeletons, see
            `stroi.trainer.data.skeleton_augment.epoch_draws`.
    """

    mosaics: Tensor
    columns: NDArray[np.int64] | None = None
    looks: Tensor | None = None
    draws: Tensor | None = None


def split(order: NDArray[np.int64], size: int) -> list[NDArray[np.int64]]:
    """Cut an order into batches of `size`; the last may be shorter.

    A last batch of one clip joins the one before it: batch normalisation cannot train on one.

    Args:
        order: (N,) positions.
        size: Clips per batch.

    Returns:
        The batches.
    """
    parts = [order[start : start + size] for start in range(0, len(order), size)]
    if len(parts) > 1 and len(parts[-1]) == 1:
        parts[-2:] = [np.concatenate(parts[-2:])]
    return parts


def epoch_batches(count: int, size: int, *, seed: int, epoch: int) -> list[NDArray[np.int64]]:
    """Batches of one epoch; a function of seed and epoch alone.

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
    if count < 2:
        raise StroiError(
            "TRAIN_TOO_FEW",
            f"a training set of {count} clips cannot train batch normalisation",
            remedy="give it at least 2 clips",
        )
    return split(np.random.default_rng((seed, epoch)).permutation(count), size)


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
        (N, L) positions, ascending in each row, a function of the arguments alone; None for all
        columns, if there are no more than L.
    """
    if candidates <= columns:
        return None
    draws = np.random.default_rng((seed, epoch, 3)).random((count, candidates))
    return np.sort(np.argsort(draws, axis=1)[:, :columns], axis=1)


def mosaic_batches(
    cache: MosaicCache,
    ids: Sequence[str],
    parts: Sequence[NDArray[np.int64]],
    *,
    device: torch.device,
    columns: NDArray[np.int64] | None = None,
    window: int = 0,
    looks: Tensor | None = None,
) -> Generator[MosaicBatch, None, None]:
    """Batches with their mosaics, gathered by one thread into a ring of buffers made once.

    The thread copies out of the memory-mapped shards while the network computes; a buffer is
    filled again only after the consumer has come back for the next batch. What is in a batch
    does not depend on `window`, which only changes how files are read.

    Args:
        cache: The mosaics.
        ids: N sample ids.
        parts: Positions in `ids` of each batch.
        device: Where the mosaics go; pinned memory is used for a GPU.
        columns: (N, L) positions of the columns wanted of each mosaic; all if None.
        window: Batches whose clips are read into memory together, in the order in which the
            files hold them; 0 reads every batch on its own.
        looks: (N, 7) changes of each clip's look, passed on.

    Yields:
        The batches, in order.

    Raises:
        RefusedInput: Whatever the cache refuses, in the consumer's thread.
    """
    width = cache.shape[1] // cache.columns * columns.shape[1] if columns is not None else 0
    shape = (max(map(len, parts)), cache.shape[0], width or cache.shape[1], 3)
    buffers = [
        torch.empty(shape, dtype=torch.uint8, pin_memory=device.type == "cuda")
        for _ in range(min(RING, len(parts)))
    ]
    arrays = [buffer.numpy() for buffer in buffers]
    source: Source = WindowSource(cache, ids, parts, columns, window) if window else cache

    def fill(rows: NDArray[np.int64], slot: int) -> None:
        wanted = None if columns is None else columns[rows]
        source.batch([ids[row] for row in rows], arrays[slot][: len(rows)], columns=wanted)

    with ExitStack() as stack:
        if isinstance(source, WindowSource):
            stack.callback(source.close)
        gathered = stack.enter_context(closing(filled(parts, len(buffers), fill)))
        moved = _moved(gathered, [len(rows) for rows in parts], buffers, device)
        for rows, mosaics in zip(parts, moved, strict=True):
            taken = None if columns is None else columns[rows]
            changes = None if looks is None else looks[torch.from_numpy(rows)]
            yield MosaicBatch(rows, mosaics, taken, changes)


def _moved(
    gathered: Generator[int, None, None],
    sizes: Sequence[int],
    buffers: Sequence[Tensor],
    device: torch.device,
) -> Generator[Tensor, None, None]:
    """Full buffers on the device, each copied beside what the GPU computes meanwhile."""
    if device.type != "cuda":
        for size, slot in zip(sizes, gathered, strict=True):
            yield buffers[slot][:size]
        return
    copying = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    for size, slot in zip(sizes, gathered, strict=True):
        with torch.cuda.stream(copying):
            mosaics = buffers[slot][:size].to(device, non_blocking=True)
        computing = torch.cuda.current_stream(device)
        computing.wait_stream(copying)
        # Its memory must not be given away on the copying stream while the network reads it.
        mosaics.record_stream(computing)
        yield mosaics
        copying.synchronize()


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
