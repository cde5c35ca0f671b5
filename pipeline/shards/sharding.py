"""Which clips share a shard, and which a worker takes at once.

The borders of shards are decided by the ids, so that they stay where they are.

Cutting sorted ids into runs of equal length would move every border behind an added clip, and
every shard behind it would be made again. Here the id alone decides whether it starts a group.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from math import ceil
from operator import attrgetter
from typing import TypeVar

from stroi.pipeline.shards.task import ClipTask

Input = TypeVar("Input")

STRETCH = 2
"""The largest group, as a multiple of the mean size: it bounds files and memory."""

SHARD_BYTES = 128 << 20
"""Mean size of a shard, at most."""


def assign_shards(sizes: Mapping[str, int], clips: int) -> list[tuple[str, ...]]:
    """Cut ids into groups of about `clips`, or of less where that would be too many bytes.

    An added, removed or renamed id changes its own group and the following ones up to the next id
    that starts a group by itself, which one id in `clips` does, or more where they are large.

    Args:
        sizes: Bytes that each of N samples will take, by id; 0 where unknown.
        clips: Mean length of a group, at least 1, where the samples are small; 1 puts every id
            into a group of its own.

    Returns:
        Groups of 1 to ``STRETCH * clips`` ids; joined they are the sorted ids. The samples of a
        group take at most ``STRETCH * SHARD_BYTES``, but for one that takes more by itself.
    """
    groups: list[list[str]] = []
    filled = 0
    for sample_id, size in sorted(sizes.items()):
        fitting = max(1, min(clips, SHARD_BYTES // max(1, size)))
        full = groups and (
            len(groups[-1]) == STRETCH * clips or filled + size > STRETCH * SHARD_BYTES
        )
        if not groups or full or _starts(sample_id, fitting):
            groups.append([])
            filled = 0
        groups[-1].append(sample_id)
        filled += size
    return [tuple(group) for group in groups]


def group_by_video(
    tasks: Sequence[ClipTask[Input]], workers: int
) -> list[Sequence[ClipTask[Input]]]:
    """What a worker takes at once: a clip, or clips of one video, which it decodes but once.

    Args:
        tasks: N clips.
        workers: How many there are. One gets at most N / `workers` clips of a video.

    Returns:
        The clips of a video in their order, the longest lists first: one of them at the end would
        keep all but one worker waiting. Single clips follow in the order of `tasks`.
    """
    videos: dict[str, list[ClipTask[Input]]] = {}
    for task in sorted(tasks, key=attrgetter("place", "id")):
        videos.setdefault(task.place[0], []).append(task)
    videos.pop("", None)
    share = ceil(len(tasks) / workers)
    parts = [
        clips[start : start + share]
        for clips in videos.values()
        for start in range(0, len(clips), share)
    ]
    singles = [[task] for task in tasks if not task.place[0]]
    return sorted([*parts, *singles], key=len, reverse=True)


def _starts(sample_id: str, size: int) -> bool:
    number = int.from_bytes(hashlib.sha256(sample_id.encode()).digest()[:8], "big")
    return number % size == 0
