"""Which columns of a mosaic are scored: L of the C that a cache has.

A cache may have more columns than a training shows (`mosaics.candidates`): C sampled frames, of
which L are scored.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stroi.cache.errors import RefusedInput


def scored_columns(columns: int, candidates: int) -> NDArray[np.int64]:
    """Positions of the L scored columns among C candidates.

    The C - L further ones are spread over the L + 1 gaps before, between and behind them, as
    evenly as whole numbers allow.

    Args:
        columns: L, from 1.
        candidates: C, from L.

    Returns:
        (L,) positions, ascending.
    """
    ordinal = np.arange(columns, dtype=np.int64)
    return ordinal + (ordinal + 1) * (candidates - columns) // (columns + 1)


def scored_columns_of(params: Mapping[str, Any], count: int, where: str) -> NDArray[np.int64]:
    """Positions of the scored columns of a cache.

    Args:
        params: Params of its manifest.
        count: C, columns that its mosaics have.
        where: The cache, for messages.

    Returns:
        (L,) positions; all C where the params have no candidates.

    Raises:
        RefusedInput: ``SCHEMA`` if the params have another C, or an L that C cannot hold.
    """
    candidates: Any = params.get("candidates") or 0
    columns: Any = params.get("columns")
    if candidates == 0:
        return np.arange(count, dtype=np.int64)
    integers = type(candidates) is int and type(columns) is int
    if not integers or candidates != count or not 1 <= columns <= count:
        raise RefusedInput(
            "SCHEMA",
            f"{where}: {count} columns, its manifest says {columns!a} out of {candidates!a}",
            remedy="rebuild the mosaics",
        )
    return scored_columns(columns, count)


def check_columns(columns: NDArray[np.int64], clips: int, there: int) -> None:
    """Whether (B, L) columns are some of C for each of B clips.

    Raises:
        ValueError: If they are not.
    """
    if columns.ndim != 2 or len(columns) != clips or columns.shape[1] < 1:
        raise ValueError(f"columns are {columns.shape}, want some for each of {clips} clips")
    if columns.size and not 0 <= columns.min() <= columns.max() < there:
        raise ValueError(f"columns {columns.min()} to {columns.max()} of {there}")
