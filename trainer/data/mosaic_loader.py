"""The training set of the RGB branch, epoch by epoch.

Legend of shapes: N clips, B clips of a batch in this process, K rows, L columns shown.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stroi.cache.errors import RefusedInput
from stroi.cache.mosaics import MosaicCache
from stroi.trainer.config import LoaderConfig
from stroi.trainer.data.epoch_order import (
    block_shuffled_order,
    epoch_columns,
    require_two_clips,
    shuffled_batches,
    split,
)
from stroi.trainer.data.mosaic_augment import AugmentParams
from stroi.trainer.data.mosaic_batches import (
    EpochPlan,
    MosaicBatch,
    load_resident,
    resident_batches,
    stream_batches,
)
from stroi.trainer.models.cell_grid import CellGrid


@dataclass
class MosaicLoader:
    """Batches of a training set, epoch by epoch; a function of seed and epoch alone.

    Attributes:
        mosaics: The cache.
        ids: N sample ids, sorted.
        batch_size: Clips per step over all processes.
        seed: Seed of the run.
        device: Where the network runs.
        config: How mosaics are read; it changes no batch but by its order.
        augment_params: Augmentation of an epoch, counted from 0; None for none.
        shard_slice: This process's slice of so many clips; all of them by default.
    """

    mosaics: MosaicCache
    ids: Sequence[str]
    batch_size: int
    seed: int
    device: torch.device
    config: LoaderConfig = field(default_factory=LoaderConfig)
    augment_params: Callable[[int], AugmentParams] | None = None
    shard_slice: Callable[[int], slice] = slice

    @cached_property
    def _resident(self) -> Tensor | None:
        # Only when the first batch is requested: a training that is finished needs none.
        return load_resident(self.mosaics, self.ids, self.device, self.config.resident)

    def epoch(self, number: int, skip: int = 0) -> Generator[MosaicBatch, None, None]:
        """Batches of an epoch, counted from 0, without the first `skip` of them.

        Raises:
            StroiError: ``TRAIN_TOO_FEW``.
            RefusedInput: Whatever the cache refuses, when its clip's turn comes.
        """
        plan = self.plan(number, skip)
        if self._resident is not None:
            return resident_batches(self._resident, plan, self.mosaics.columns)
        return stream_batches(self.mosaics, self.ids, plan, self.device, self._window)

    def plan(self, epoch: int, skip: int = 0) -> EpochPlan:
        """Order, this process's slices, columns and augmentation of an epoch."""
        count, shown = len(self.ids), len(self.mosaics.scored)
        batches = self.batch_indices(epoch)[skip:]
        return EpochPlan(
            [index[self.shard_slice(len(index))] for index in batches],
            [len(index) for index in batches],
            epoch_columns(count, shown, self.mosaics.columns, seed=self.seed, epoch=epoch),
            AugmentParams() if self.augment_params is None else self.augment_params(epoch),
        )

    def batch_indices(self, epoch: int) -> list[NDArray[np.int64]]:
        """Positions of the clips of each batch of an epoch, over all processes."""
        count = len(self.ids)
        if not self._window:
            return shuffled_batches(count, self.batch_size, seed=self.seed, epoch=epoch)
        require_two_clips(count)
        stored, window = self.mosaics.storage_order(self.ids), self._window * self.batch_size
        order = block_shuffled_order(stored, window, seed=self.seed, epoch=epoch)
        return split(order, self.batch_size)

    @property
    def _window(self) -> int:
        """Batches of a window, whole ones so that none has clips of two windows; 0 for none."""
        if self.config.order == "shuffled":
            return 0
        return max(1, self.config.window // self.batch_size)


def cell_grid(mosaics: MosaicCache, cell: int = 0) -> CellGrid:
    """How the mosaics that the network sees are divided: rows, columns that are shown, people.

    Args:
        mosaics: The cache.
        cell: Side in px that cells are resized to; 0 for the cache's own.

    Raises:
        RefusedInput: ``SCHEMA`` if their cells are not of one size, or their manifest names other
            columns.
    """
    height, width, _ = mosaics.shape
    people, columns, rows = mosaics.valid(mosaics.ids[:1]).shape[1:]
    if height % rows or width % columns:
        raise RefusedInput(
            "SCHEMA",
            f"{mosaics.folder}: {height} x {width} px are not {rows} x {columns} equal cells",
            remedy="rebuild the mosaics",
        )
    shown = len(mosaics.scored)
    return CellGrid(rows, shown, cell or height // rows, cell or width // columns, people)
