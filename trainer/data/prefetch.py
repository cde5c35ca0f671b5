"""Buffers filled by one thread ahead of whoever reads them."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Sequence
from typing import TypeVar

T = TypeVar("T")


def filled(
    jobs: Sequence[T], buffers: int, fill: Callable[[T, int], None]
) -> Generator[int, None, None]:
    """Number of the buffer that holds each job's result, in the order of the jobs.

    Args:
        jobs: What to do, one after the other.
        buffers: How many buffers there are; so many jobs are done ahead at most.
        fill: Does a job into the buffer of a number; called in a thread of its own.

    Yields:
        The numbers; a buffer is filled again only after the next one has been asked for.

    Raises:
        BaseException: Whatever `fill` raises, in the reader's thread.
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

    thread = threading.Thread(target=work, name="fill-ahead", daemon=True)
    thread.start()
    for slot in range(buffers):
        free.put(slot)
    try:
        for _ in jobs:
            found = full.get()
            if isinstance(found, BaseException):
                raise found
            yield found
            free.put(found)
    finally:
        stop.set()
        free.put(0)
        thread.join()
