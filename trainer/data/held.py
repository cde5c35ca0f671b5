"""A training set's mosaics held in the device's memory, gathered there batch by batch."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import closing
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stroi.cache.mosaics import MosaicCache
from stroi.trainer.config import Resident
from stroi.trainer.data.epoch_order import MosaicBatch, mosaic_batches
from stroi.trainer.runtime import moved

SHARE = 0.5
"""Largest share of a GPU's free memory that mosaics are given."""
AT_ONCE = 256
"""Mosaics that are copied to the device together."""


def hold(
    cache: MosaicCache, ids: Sequence[str], device: torch.device, how: Resident
) -> Tensor | None:
    """All mosaics of `ids` on the device, with all their columns.

    Args:
        cache: The mosaics.
        ids: N sample ids.
        device: Where the network runs.
        how: ``device`` holds them there, ``never`` does not, ``auto`` does on a GPU with memory
            to spare: no more than `SHARE` of what is free.

    Returns:
        (N, H, W, 3) uint8, or None.

    Raises:
        RefusedInput: Whatever the cache refuses.
    """
    height, width, colours = cache.shape
    if how == "never" or (how == "auto" and device.type != "cuda"):
        return None
    needed = len(ids) * height * width * colours
    if how == "auto" and needed > SHARE * torch.cuda.mem_get_info(device)[0]:
        return None
    mosaics = torch.empty((len(ids), height, width, colours), dtype=torch.uint8, device=device)
    stored = cache.stored(ids)
    cuts = [*range(0, len(ids), AT_ONCE), len(ids)]
    parts = [stored[start:end] for start, end in pairwise(cuts)]
    with closing(mosaic_batches(cache, ids, parts, device=device)) as batches:
        for batch in batches:
            mosaics[torch.from_numpy(batch.rows).to(device)] = batch.mosaics
    return mosaics


def held_batches(
    mosaics: Tensor,
    parts: Sequence[NDArray[np.int64]],
    *,
    columns: NDArray[np.int64] | None = None,
    candidates: int = 0,
    looks: Tensor | None = None,
) -> Generator[MosaicBatch, None, None]:
    """The batches of `stroi.trainer.data.epoch_order.mosaic_batches`, out of held mosaics.

    Args:
        mosaics: (N, H, W, 3) uint8, see `hold`.
        parts: Positions of each batch.
        columns: (N, L) positions of the columns wanted of each mosaic; all if None.
        candidates: C, columns of a held mosaic; needed with `columns`.
        looks: (N, 7) changes of each clip's look, passed on.

    Yields:
        The batches, in order.
    """
    for rows in parts:
        taken = None if columns is None else columns[rows]
        found = mosaics[moved(torch.from_numpy(rows), mosaics.device)]
        if taken is not None:
            found = _columns(found, moved(torch.from_numpy(taken), mosaics.device), candidates)
        changes = None if looks is None else looks[torch.from_numpy(rows)]
        yield MosaicBatch(rows, found, taken, changes)


def _columns(mosaics: Tensor, columns: Tensor, candidates: int) -> Tensor:
    """(B, H, L * w, 3): of (B, H, C * w, 3) the columns (B, L)."""
    count, height, width, colours = mosaics.shape
    cells = mosaics.view(count, height, candidates, width // candidates * colours)
    index = columns[:, None, :, None].expand(-1, height, -1, cells.shape[3])
    return cells.gather(2, index).view(count, height, -1, colours)
