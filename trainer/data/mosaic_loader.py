"""The batches of a training of the RGB branch, epoch by epoch."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from stroi.cache.mosaics import MosaicCache
from stroi.trainer.config import LoaderConfig, ResNetConfig
from stroi.trainer.data.epoch_order import (
    MosaicBatch,
    epoch_batches,
    epoch_columns,
    mosaic_batches,
    split,
)
from stroi.trainer.data.held import held_batches, hold
from stroi.trainer.data.mosaic_augment import looks_of_epoch
from stroi.trainer.data.side_inputs import cell_grid
from stroi.trainer.data.window_reader import windowed_order
from stroi.trainer.models.cell_grid import CellGrid
from stroi.trainer.models.weighted_mosaic_net import WeightedMosaicNet


def network_cells(mosaics: MosaicCache, config: ResNetConfig) -> CellGrid:
    """How the pictures that the network sees are divided.

    Raises:
        RefusedInput: As `stroi.trainer.data.side_inputs.cell_grid`.
    """
    cells = cell_grid(mosaics)
    return replace(cells, height=config.cell, width=config.cell) if config.cell else cells


class Feed:
    """Where an epoch's batches come from: files, or the device's memory.

    Args:
        model: The network, on its device.
        mosaics: The mosaics.
        ids: N sample ids of the training set, sorted.
        feeding: How they reach the network.
        size: Clips per batch.
        seed: Seed of the run.
        device: Where the network runs.

    Raises:
        RefusedInput: Whatever the cache refuses, if the device is to hold the mosaics.
    """

    def __init__(
        self,
        model: WeightedMosaicNet,
        mosaics: MosaicCache,
        ids: Sequence[str],
        feeding: LoaderConfig,
        size: int,
        *,
        seed: int,
        device: torch.device,
    ) -> None:
        self._config, self._cells = model.config, model.cells
        self._mosaics, self._ids, self._device = mosaics, ids, device
        self._feeding, self._size, self._seed = feeding, size, seed
        # Whole batches, so that none has clips of two windows.
        self._window = max(1, feeding.window // size) if feeding.order == "windowed" else 0
        self._stored = mosaics.stored(ids)
        self._held = hold(mosaics, ids, device, feeding.resident)

    def parts(self, epoch: int) -> list[NDArray[np.int64]]:
        """Positions of the clips of each batch of an epoch, counted from 0.

        Raises:
            StroiError: ``TRAIN_TOO_FEW``.
        """
        shuffled = epoch_batches(len(self._ids), self._size, seed=self._seed, epoch=epoch)
        if not self._window:
            return shuffled
        clips = self._window * self._size
        order = windowed_order(self._stored, clips, seed=self._seed, epoch=epoch)
        return split(order, self._size)

    def batches(
        self, epoch: int, parts: Sequence[NDArray[np.int64]]
    ) -> Generator[MosaicBatch, None, None]:
        """Batches of an epoch with their mosaics.

        Args:
            epoch: Number of the epoch, from 0.
            parts: Positions of the clips of each, such as `parts` gives.

        Raises:
            RefusedInput: Whatever the cache refuses, when its clip's turn comes.
        """
        count, there = len(self._ids), self._mosaics.columns
        columns = epoch_columns(count, self._cells.columns, there, seed=self._seed, epoch=epoch)
        looks = looks_of_epoch(count, self._config, self._cells, seed=self._seed, epoch=epoch)
        if self._held is not None:
            return held_batches(self._held, parts, columns=columns, candidates=there, looks=looks)
        return mosaic_batches(
            self._mosaics, self._ids, parts, device=self._device, columns=columns,
            window=self._window, looks=looks,
        )  # fmt: skip
