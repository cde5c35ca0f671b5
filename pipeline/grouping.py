"""Which clips share a shard: borders decided by the ids, so that they stay where they are.

Cutting sorted ids into runs of equal length would move every border behind an added clip, and
every shard behind it would be made again. Here an id itself says whether it starts a group.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

STRETCH = 2
"""No group is larger than so many times the size asked for: it bounds files and memory."""


def group_ids(ids: Sequence[str], size: int) -> list[tuple[str, ...]]:
    """Cut sorted ids into groups of about `size`.

    An added, removed or renamed id changes its own group and the following ones up to the next id
    that starts a group by itself, which one id in `size` does.

    Args:
        ids: N different sample ids, sorted.
        size: Mean length of a group, at least 1; 1 puts every id into a group of its own.

    Returns:
        Groups of 1 to ``STRETCH * size`` ids; joined they are `ids`.
    """
    groups: list[list[str]] = []
    for sample_id in ids:
        if not groups or _starts(sample_id, size) or len(groups[-1]) == STRETCH * size:
            groups.append([])
        groups[-1].append(sample_id)
    return [tuple(group) for group in groups]


def _starts(sample_id: str, size: int) -> bool:
    number = int.from_bytes(hashlib.sha256(sample_id.encode()).digest()[:8], "big")
    return number % size == 0
