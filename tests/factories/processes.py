"""Processes that train together, for tests: real ones, that talk through gloo."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Sequence
from typing import Any

import torch
from resnet_team import free_port

from stroi.trainer.run.distributed import World, join_world


def together(
    work: Callable[[World, Any], Any], given: Sequence[Any], timeout: float = 120
) -> list[Any]:
    """What `work` returns in each of several processes.

    Args:
        work: A module's function; gets the world and what is given to the process.
        given: For each process.
        timeout: Seconds that they may take to start and to end.

    Raises:
        queue.Empty: If a process takes longer.
        Exception: If `work` fails in a process.
    """
    context = multiprocessing.get_context("spawn")
    port, results = free_port(), context.Queue()
    processes = [
        context.Process(target=_run, args=(rank, len(given), port, work, each, results))
        for rank, each in enumerate(given)
    ]
    for process in processes:
        process.start()
    try:
        found = dict(results.get(timeout=timeout) for _ in processes)
    finally:
        for process in processes:
            process.join(10)
            process.kill()
    for one in found.values():
        if isinstance(one, Exception):
            raise one
    return [found[rank] for rank in sorted(found)]


def _run(
    rank: int, size: int, port: int, work: Callable[[World, Any], Any], given: Any, results: Any
) -> None:
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    torch.set_num_threads(1)
    try:
        with join_world({"RANK": str(rank), "WORLD_SIZE": str(size)}) as one:
            found = work(one, given)
    except Exception as error:
        found = error
    results.put((rank, found))
