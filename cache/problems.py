"""Several problems of a cache told as one refusal."""

from __future__ import annotations

from collections.abc import Sequence

from stroi.cache.errors import RefusedInput


def raise_first(problems: Sequence[RefusedInput]) -> None:
    """Raise the first of `problems`, the others as its details; nothing if there are none.

    Raises:
        RefusedInput: With the code, message and remedy of the first.
    """
    if problems:
        first, *others = problems
        more = f" (and {len(others)} more)" if others else ""
        raise RefusedInput(
            first.code,
            first.message + more,
            remedy=first.remedy,
            details=tuple(map(str, others)),
        )
