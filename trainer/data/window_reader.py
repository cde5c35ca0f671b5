"""Reading caches larger than memory: each window in storage order, shuffled when it is in memory.

A window is some batches whose clips are in memory together. While the network sees one window, a
thread reads the next. So two windows are in memory, whatever the cache's size.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from stroi.cache.rois import Rows
from stroi.trainer.data.prefetch import prefetch


class MosaicSource(Protocol):
    """What batches of mosaics are copied from."""

    def batch(
        self,
        ids: Sequence[str],
        out: NDArray[np.uint8],
        *,
        columns: NDArray[np.int64] | None = None,
    ) -> NDArray[np.uint8]:
        """Copy the mosaics of `ids`, (B, L) `columns` of each, into (B, H, L * w, 3) `out`."""


class MosaicReader(MosaicSource, Protocol):
    """Mosaics that can be scored: a `MosaicCache`, or mosaics in memory."""

    @property
    def folder(self) -> Path:
        """Where they are from, for messages."""

    @property
    def rows(self) -> Rows:
        """What the K rows show."""

    @property
    def people(self) -> int:
        """P, most persons that a mosaic can show."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height and width in px and 3 colours of every mosaic."""

    @property
    def columns(self) -> int:
        """C, columns of every mosaic."""

    @property
    def scored(self) -> NDArray[np.int64]:
        """(L,) positions of the columns that are scored."""

    def valid(self, ids: Sequence[str]) -> NDArray[np.bool_]:
        """Which cells show a joint: (B, P, C, K)."""

    def person_count(self, ids: Sequence[str]) -> NDArray[np.int8]:
        """Persons in each: (B,), 1 to P."""

    def storage_order(self, ids: Sequence[str]) -> NDArray[np.int64]:
        """Positions in `ids` in the order in which they are quickest to read."""


class WindowReader:
    """Mosaics out of windows that are read ahead.

    Args:
        cache: The mosaics.
        ids: N sample ids.
        batch_indices: Positions in `ids` of each batch, in the order in which they are read.
        columns: (N, L) positions of the columns to read of each mosaic; all if None.
        window: Batches of a window.
    """

    def __init__(
        self,
        cache: MosaicReader,
        ids: Sequence[str],
        batch_indices: Sequence[NDArray[np.int64]],
        columns: NDArray[np.int64] | None,
        window: int,
    ) -> None:
        order = cache.storage_order(ids)
        position = np.empty_like(order)
        position[order] = np.arange(len(order))
        windows = []
        for start in range(0, len(batch_indices), window):
            clips = np.unique(np.concatenate(batch_indices[start : start + window]))
            windows.append(clips[np.argsort(position[clips])])
        self._window_ids = [[ids[clip] for clip in clips] for clips in windows]
        height, width, colours = cache.shape
        if columns is not None:
            width = width // cache.columns * columns.shape[1]
        shape = (max(map(len, windows)), height, width, colours)
        self._buffers = [np.empty(shape, np.uint8) for _ in range(min(2, len(windows)))]

        def fill(number: int, slot: int) -> None:
            drawn = None if columns is None else columns[windows[number]]
            names = self._window_ids[number]
            cache.batch(names, self._buffers[slot][: len(names)], columns=drawn)

        self._slots = prefetch(range(len(windows)), len(self._buffers), fill)
        self._number = -1
        self._mosaics: dict[str, NDArray[np.uint8]] = {}

    def batch(
        self,
        ids: Sequence[str],
        out: NDArray[np.uint8],
        *,
        columns: NDArray[np.int64] | None = None,
    ) -> NDArray[np.uint8]:
        """Copy the mosaics of `ids`, clips of this window or of later ones, into `out`.

        Args:
            ids: B sample ids.
            out: (B, H, L * w, 3) uint8, overwritten.
            columns: Ignored: the windows hold the columns given at the start.
        """
        for row, sample_id in enumerate(ids):
            while sample_id not in self._mosaics:
                self._next_window()
            out[row] = self._mosaics[sample_id]
        return out

    def close(self) -> None:
        """Stop reading ahead."""
        self._slots.close()

    def _next_window(self) -> None:
        buffer = self._buffers[next(self._slots)]
        self._number += 1
        self._mosaics = dict(zip(self._window_ids[self._number], buffer, strict=False))
