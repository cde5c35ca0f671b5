"""The batches of an epoch on the device, read ahead of the network.

One thread copies mosaics out of the memory-mapped shards, straight into a few slots of pinned
memory that are allocated once per epoch. A GPU that has room keeps the whole training set instead.

Legend of shapes: N clips, B clips of a batch in this process, K rows, C columns in the cache, L of
them shown, h and w cell height and width in px, H = K * h, W = L * w.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stroi.cache.mosaics import MosaicCache
from stroi.trainer.config import Resident
from stroi.trainer.data.mosaic_augment import AugmentParams
from stroi.trainer.data.prefetch import PREFETCH_SLOTS, prefetch
from stroi.trainer.data.window_reader import MosaicReader, MosaicSource, WindowReader
from stroi.trainer.runtime import to_device

MAX_SHARE = 0.5
"""Largest share of a GPU's free memory that resident mosaics take."""
COPY_CHUNK = 256
"""Resident mosaics that are copied to the device together."""


@dataclass(frozen=True)
class MosaicBatch:
    """Clips of one step, as far as this process sees them.

    Attributes:
        index: (B,) positions in the sorted ids.
        mosaics: (B, H, W, 3) uint8 on the device, valid until the next batch is taken.
        size: Clips of the step over all processes.
        columns: (B, L) columns shown, as positions among the C of the cache; None for all.
        augment: What training changes of these clips.
    """

    index: NDArray[np.int64]
    mosaics: Tensor
    size: int
    columns: NDArray[np.int64] | None = None
    augment: AugmentParams = field(default_factory=AugmentParams)


@dataclass(frozen=True)
class EpochPlan:
    """All that is decided of an epoch before a mosaic is read.

    Attributes:
        index: (B,) positions of each batch that this process reads.
        sizes: Clips of each batch over all processes.
        columns: (N, L) columns shown of every clip; None for all.
        augment: Parameters of N clips.
    """

    index: Sequence[NDArray[np.int64]]
    sizes: Sequence[int]
    columns: NDArray[np.int64] | None = None
    augment: AugmentParams = field(default_factory=AugmentParams)

    def columns_of(self, index: NDArray[np.int64]) -> NDArray[np.int64] | None:
        """(B, L) columns shown of the clips at (B,) positions; None for all."""
        return None if self.columns is None else self.columns[index]

    def batch(self, number: int, mosaics: Tensor) -> MosaicBatch:
        """A batch of the plan with its mosaics."""
        index = self.index[number]
        augment = self.augment.select(index)
        return MosaicBatch(index, mosaics, self.sizes[number], self.columns_of(index), augment)


def stream_batches(
    mosaics: MosaicReader,
    ids: Sequence[str],
    plan: EpochPlan,
    device: torch.device,
    window: int = 0,
) -> Generator[MosaicBatch, None, None]:
    """Batches out of the files, read ahead by one thread.

    Args:
        mosaics: Where they are read.
        ids: N sample ids.
        plan: What the batches hold.
        device: Where the mosaics go; through pinned memory to a GPU.
        window: Batches that are read into memory together, in storage order; 0 reads each alone.

    Yields:
        The batches, in order.

    Raises:
        RefusedInput: Whatever the cache refuses, in the caller's thread.
    """
    if not plan.index:
        return
    height, width, colours = mosaics.shape
    if plan.columns is not None:
        width = width // mosaics.columns * plan.columns.shape[1]
    shape = (max(map(len, plan.index)), height, width, colours)
    on_gpu = device.type == "cuda"
    slots = [
        torch.empty(shape, dtype=torch.uint8, pin_memory=on_gpu)
        for _ in range(min(PREFETCH_SLOTS, len(plan.index)))
    ]
    arrays = [slot.numpy() for slot in slots]
    copying = torch.cuda.Stream(device) if on_gpu else None  # type: ignore[no-untyped-call]
    with ExitStack() as stack:
        reader: MosaicSource = mosaics
        if window:
            windows = WindowReader(mosaics, ids, plan.index, plan.columns, window)
            reader = stack.enter_context(closing(windows))

        def fill(index: NDArray[np.int64], slot: int) -> None:
            names = [ids[row] for row in index]
            reader.batch(names, arrays[slot][: len(index)], columns=plan.columns_of(index))

        filled = stack.enter_context(closing(prefetch(plan.index, len(slots), fill)))
        for number, slot in enumerate(filled):
            batch = slots[slot][: len(plan.index[number])]
            yield plan.batch(number, to_device(batch, device, copying))
            if copying is not None:
                copying.synchronize()


def load_resident(
    mosaics: MosaicCache, ids: Sequence[str], device: torch.device, how: Resident
) -> Tensor | None:
    """All mosaics of `ids` on the device, with all their columns.

    Args:
        mosaics: The cache.
        ids: N sample ids.
        device: Where the network runs.
        how: ``device`` keeps them there, ``never`` does not, ``auto`` does on a GPU that they take
            at most `MAX_SHARE` of the free memory of.

    Returns:
        (N, H, C * w, 3) uint8, or None.

    Raises:
        RefusedInput: Whatever the cache refuses.
    """
    if how == "never" or (how == "auto" and device.type != "cuda"):
        return None
    shape = (len(ids), *mosaics.shape)
    if how == "auto" and np.prod(shape) > MAX_SHARE * torch.cuda.mem_get_info(device)[0]:
        return None
    resident = torch.empty(shape, dtype=torch.uint8, device=device)
    stored = mosaics.storage_order(ids)
    cuts = [*range(0, len(ids), COPY_CHUNK), len(ids)]
    chunks = [stored[start:end] for start, end in pairwise(cuts)]
    plan = EpochPlan(chunks, [len(chunk) for chunk in chunks])
    with closing(stream_batches(mosaics, ids, plan, device)) as batches:
        for batch in batches:
            resident[torch.from_numpy(batch.index).to(device)] = batch.mosaics
    return resident


def resident_batches(
    resident: Tensor, plan: EpochPlan, candidates: int
) -> Generator[MosaicBatch, None, None]:
    """The batches of `stream_batches`, out of (N, H, C * w, 3) mosaics on the device.

    Args:
        resident: The mosaics.
        plan: What the batches hold.
        candidates: C.

    Yields:
        The batches, in order.
    """
    for number, index in enumerate(plan.index):
        mosaics = resident[to_device(torch.from_numpy(index), resident.device)]
        columns = plan.columns_of(index)
        if columns is not None:
            mosaics = _take_columns(mosaics, torch.from_numpy(columns), candidates)
        yield plan.batch(number, mosaics)


def _take_columns(mosaics: Tensor, columns: Tensor, candidates: int) -> Tensor:
    """(B, H, L * w, 3): of (B, H, C * w, 3) the columns (B, L)."""
    count, height, width, colours = mosaics.shape
    # (B, H, C * w, 3) -> (B, H, C, w * 3)
    cells = mosaics.view(count, height, candidates, width // candidates * colours)
    index = to_device(columns, mosaics.device)[:, None, :, None]
    # -> (B, H, L, w * 3) -> (B, H, L * w, 3)
    return cells.gather(2, index.expand(-1, height, -1, cells.shape[3])).view(
        count, height, -1, colours
    )
