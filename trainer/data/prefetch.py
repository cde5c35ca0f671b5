"""Slots filled by one thread ahead of the consumer."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Sequence
from typing import TypeVar

PREFETCH_SLOTS = 3
"""Batches in memory at once: one at the consumer, two ready or being read."""

T = TypeVar("T")


def prefetch(
    jobs: Sequence[T], slots: int, fill: Callable[[T, int], None]
) -> Generator[int, None, None]:
    """Number of the slot that holds each job's result, in the order of the jobs.

    Args:
        jobs: What to do, one after the other.
        slots: How many slots there are; so many jobs are done ahead at most.
        fill: Does a job into the slot of a number; called in a thread of its own.

    Yields:
        The numbers; a slot is filled again only after the consumer has come back for the next one.

    Raises:
        BaseException: Whatever `fill` raises, in the consumer's thread.
    """
    free: queue.SimpleQueue[int] = queue.SimpleQueue()
    full: queue.SimpleQueue[int | BaseException] = queue.SimpleQueue()
    stop = threading.Event()

    def work() -> None:
        try:
            for job in jobs:
                slot = free.get()
                if stop.is_set():
                    return
                fill(job, slot)
                full.put(slot)
        except BaseException as error:
            full.put(error)

    thread = threading.Thread(target=work, name="prefetch", daemon=True)
    thread.start()
    for slot in range(slots):
        free.put(slot)
    try:
        for _ in jobs:
            done = full.get()
            if isinstance(done, BaseException):
                raise done
            yield done
            free.put(done)
    finally:
        stop.set()
        free.put(0)
        thread.join()
