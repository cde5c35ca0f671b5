"""Which clips stand in which batch, and mosaics fetched ahead of the network."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stroi.cache.errors import StroiError
from stroi.cache.mosaics import MosaicCache

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
    """

    mosaics: Tensor
    columns: NDArray[np.int64] | None = None


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
) -> Generator[MosaicBatch, None, None]:
    """Batches with their mosaics, gathered by one thread into a ring of buffers made once.

    The thread copies out of the memory-mapped shards while the network computes; a buffer is
    filled again only after the consumer has come back for the next batch.

    Args:
        cache: The mosaics.
        ids: N sample ids.
        parts: Positions in `ids` of each batch.
        device: Where the mosaics go; pinned memory is used for a GPU.
        columns: (N, L) positions of the columns wanted of each mosaic; all if None.

    Yields:
        The batches, in order.

    Raises:
        RefusedInput: Whatever the cache refuses, in the consumer's thread.
    """
    height, width, colours = cache.shape
    if columns is not None:
        width = width // cache.columns * columns.shape[1]
    largest = max(map(len, parts))
    pinned = device.type == "cuda"
    buffers = [
        torch.empty((largest, height, width, colours), dtype=torch.uint8, pin_memory=pinned)
        for _ in range(min(RING, len(parts)))
    ]
    arrays = [buffer.numpy() for buffer in buffers]
    with closing(_gathered(cache, ids, parts, arrays, columns)) as gathered:
        for number, slot in enumerate(gathered):
            rows = parts[number]
            mosaics = buffers[slot][: len(rows)].to(device, non_blocking=True)
            copied = torch.cuda.Event() if pinned else None  # type: ignore[no-untyped-call]
            if copied is not None:
                copied.record()
            yield MosaicBatch(rows, mosaics, None if columns is None else columns[rows])
            if copied is not None:
                copied.synchronize()


def _gathered(
    cache: MosaicCache,
    ids: Sequence[str],
    parts: Sequence[NDArray[np.int64]],
    buffers: Sequence[NDArray[np.uint8]],
    columns: NDArray[np.int64] | None,
) -> Generator[int, None, None]:
    """Number of the buffer that holds each part; it is free again when the next is asked for."""
    free: queue.SimpleQueue[int] = queue.SimpleQueue()
    full: queue.SimpleQueue[int | BaseException] = queue.SimpleQueue()
    stop = threading.Event()

    def gather() -> None:
        try:
            for rows in parts:
                slot = free.get()
                if stop.is_set():
                    return
                wanted = None if columns is None else columns[rows]
                names, out = [ids[row] for row in rows], buffers[slot][: len(rows)]
                cache.batch(names, out, columns=wanted)
                full.put(slot)
        except BaseException as error:
            full.put(error)

    thread = threading.Thread(target=gather, name="gather-mosaics", daemon=True)
    thread.start()
    for slot in range(len(buffers)):
        free.put(slot)
    try:
        for _ in parts:
            found = full.get()
            if isinstance(found, BaseException):
                raise found
            yield found
            free.put(found)
    finally:
        stop.set()
        free.put(0)
        thread.join()
