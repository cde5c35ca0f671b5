"""Reading caches larger than memory: in storage order within a window, shuffled there.

A window is some batches whose clips are in memory together. While the network sees one window,
a thread reads the next; so twice a window is held, whatever the cache's size.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from stroi.cache.mosaics import MosaicCache
from stroi.trainer.data.prefetch import filled

BLOCK = 32
"""Clips that lie one after the other on disk and go into one window together: a read of 5 MB at
225 px, so long that seeking hardly counts."""


class Source(Protocol):
    """Where mosaics are gathered from."""

    def batch(
        self,
        ids: Sequence[str],
        out: NDArray[np.uint8],
        *,
        columns: NDArray[np.int64] | None = None,
    ) -> NDArray[np.uint8]:
        """See `stroi.cache.mosaics.MosaicCache.batch`."""


def windowed_order(
    stored: NDArray[np.int64], window: int, *, seed: int, epoch: int
) -> NDArray[np.int64]:
    """The clips of an epoch, window by window; a function of the arguments alone.

    The clips as they lie on disk are cut into blocks of `BLOCK`; the blocks are shuffled and
    joined, and what falls into one window is shuffled clip by clip.

    Args:
        stored: (N,) positions of the clips in the order in which the files hold them.
        window: Clips of a window. A last window of one clip belongs to the one before it.
        seed: Seed of the run.
        epoch: Number of the epoch, from 0.

    Returns:
        (N,) the same positions in another order.
    """
    random = np.random.default_rng((seed, epoch, 4))
    blocks = [stored[start : start + BLOCK] for start in range(0, len(stored), BLOCK)]
    order = np.concatenate([blocks[number] for number in random.permutation(len(blocks))])
    cuts = [start for start in range(window, len(order), window) if start < len(order) - 1]
    return np.concatenate([random.permutation(part) for part in np.split(order, cuts)])


class WindowSource:
    """Mosaics out of windows that are read ahead, for a reader that goes batch by batch.

    Args:
        cache: The mosaics.
        ids: N sample ids.
        parts: Positions in `ids` of each batch that will be asked for, in that order.
        columns: (N, L) positions of the columns wanted of each mosaic; all if None.
        window: Batches of a window.
    """

    def __init__(
        self,
        cache: MosaicCache,
        ids: Sequence[str],
        parts: Sequence[NDArray[np.int64]],
        columns: NDArray[np.int64] | None,
        window: int,
    ) -> None:
        order = cache.storage_order(ids)
        place = np.empty_like(order)
        place[order] = np.arange(len(order))
        self._names = []
        windows = []
        for start in range(0, len(parts), window):
            rows = np.unique(np.concatenate(parts[start : start + window]))
            rows = rows[np.argsort(place[rows])]
            windows.append(rows)
            self._names.append([ids[row] for row in rows])
        height, width, colours = cache.shape
        if columns is not None:
            width = width // cache.columns * columns.shape[1]
        shape = (max(map(len, windows)), height, width, colours)
        self._buffers = [np.empty(shape, np.uint8) for _ in range(min(2, len(windows)))]

        def fill(number: int, slot: int) -> None:
            wanted = None if columns is None else columns[windows[number]]
            names = self._names[number]
            cache.batch(names, self._buffers[slot][: len(names)], columns=wanted)

        self._filled = filled(range(len(windows)), len(self._buffers), fill)
        self._number = -1
        self._at: dict[str, NDArray[np.uint8]] = {}

    def batch(
        self,
        ids: Sequence[str],
        out: NDArray[np.uint8],
        *,
        columns: NDArray[np.int64] | None = None,
    ) -> NDArray[np.uint8]:
        """Copy the mosaics of `ids` into `out`, (B, H, L * w, 3) uint8.

        Args:
            ids: Clips of this window or of later ones.
            out: Overwritten.
            columns: Not looked at: the windows hold the columns that were told at the start.
        """
        for place, sample_id in enumerate(ids):
            out[place] = self._mosaic(sample_id)
        return out

    def close(self) -> None:
        """Stop reading ahead."""
        self._filled.close()

    def _mosaic(self, sample_id: str) -> NDArray[np.uint8]:
        """(H, L * w, 3) uint8 of one clip, valid until a clip of the next window is asked for."""
        while sample_id not in self._at:
            slot = next(self._filled)
            self._number += 1
            buffer = self._buffers[slot]
            self._at = {name: buffer[at] for at, name in enumerate(self._names[self._number])}
        return self._at[sample_id]
