"""Which columns of a mosaic are scored, where it holds more of them to choose from in training.

A mosaic of C candidate columns holds, among them, the L columns that the mosaic would have without
candidates. Where they stand follows from L and C alone, which the manifest's params tell as
``columns`` and ``candidates``.
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


def columns_told(params: Mapping[str, Any]) -> int | None:
    """C as a manifest's params tell it; None if they do not."""
    told = [params.get(name) for name in ("candidates", "columns")]
    return next((count for count in told if type(count) is int and count), None)


def scored_of(params: Mapping[str, Any], count: int, where: str) -> NDArray[np.int64]:
    """Positions of the scored columns of a cache.

    Args:
        params: Params of its manifest.
        count: C, columns that its mosaics have.
        where: The cache, for messages.

    Returns:
        (L,) positions; all C where the params tell of no candidates.

    Raises:
        RefusedInput: ``SCHEMA`` if the params tell of another C, or of an L that C cannot hold.
    """
    candidates: Any = params.get("candidates") or 0
    columns: Any = params.get("columns")
    if candidates == 0:
        return np.arange(count, dtype=np.int64)
    whole = type(candidates) is int and type(columns) is int
    if not whole or candidates != count or not 1 <= columns <= count:
        raise RefusedInput(
            "SCHEMA",
            f"{where}: {count} columns, its manifest tells of {columns!a} out of {candidates!a}",
            remedy="rebuild the mosaics",
        )
    return scored_columns(columns, count)
