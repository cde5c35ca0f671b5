"""Dividing the values of a column into folds of about as many clips each, by nothing but names."""

from __future__ import annotations

import hashlib
import heapq
import re
from collections.abc import Mapping

_DIGITS = re.compile(r"([0-9]+)")


def folds_of(sizes: Mapping[str, int], count: int, *, shuffled: bool = False) -> dict[str, int]:
    """Which fold each value is in.

    The values are taken by their number of clips, largest first, and each goes to the fold that
    has the fewest clips so far, then the fewest values, then the lowest number (the longest
    processing time rule: no fold has more than 4/3 of what the best division needs). Values of
    one size are taken in their order; at last the folds are numbered by their first value in
    that order. With as many folds as values, fold i is the i-th value.

    Args:
        sizes: Clips of each value; their order says nothing.
        count: Number of folds, at most as many as values.
        shuffled: Take the order of the values' SHA-256 instead of the natural one, in which
            ``s2`` stands before ``s10``: sample ids are often numbered class by class.

    Returns:
        Fold of each value, from 1.
    """
    order = sorted(sizes, key=_digest if shuffled else _natural)
    lightest = [(0, 0, fold) for fold in range(count)]
    chosen: dict[str, int] = {}
    for value in sorted(order, key=lambda value: -sizes[value]):
        clips, values, fold = heapq.heappop(lightest)
        chosen[value] = fold
        heapq.heappush(lightest, (clips + sizes[value], values + 1, fold))
    number: dict[int, int] = {}
    return {value: number.setdefault(chosen[value], len(number) + 1) for value in order}


def _natural(value: str) -> tuple[tuple[object, ...], str]:
    """Numbers inside the text count as numbers; equal ones are told apart by the text."""
    parts = _DIGITS.split(value)
    texts, numbers = parts[::2], [digits.lstrip("0") for digits in parts[1::2]]
    keys = [(text, len(digits), digits) for text, digits in zip(texts, numbers, strict=False)]
    return (*keys, (texts[-1], 0, "")), value


def _digest(value: str) -> bytes:
    return hashlib.sha256(value.encode()).digest()
