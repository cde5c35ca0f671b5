"""Fan-out of independent tasks over processes, on this machine or on a cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Event, Thread
from typing import TypeVar

from joblib import Parallel, delayed, parallel_config
from joblib.externals.loky.process_executor import TerminatedWorkerError

from stroi.cache.errors import ParamsError, StroiError
from stroi.cache.files.atomic import os_errors_as_ours
from stroi.cache.files.temporaries import new_temporary_folder, remove_left_over, this_process
from stroi.pipeline.parallel.progress import Progress, progress

Task = TypeVar("Task")
Result = TypeVar("Result")
Tick = Callable[[], None]

_PATIENCE = 30  # seconds until a cluster has to answer


@dataclass(frozen=True)
class Workers:
    """Who does the work. It never changes a byte of what is written.

    Attributes:
        jobs: Processes at a time; 1 works in this process. A cluster decides by itself.
        backend: ``loky`` (this machine) or ``dask`` (a cluster).
        scheduler: Address of the dask scheduler, such as ``tcp://host:8786``.
    """

    jobs: int = 1
    backend: str = "loky"
    scheduler: str | None = None


class WorkerKilled(StroiError):
    """A worker process ended without a word; what others finished before is not lost."""


def parallel_map_unordered(
    function: Callable[[Task, Tick], Result],
    tasks: Sequence[Task],
    *,
    workers: Workers,
    total: int,
    label: str,
    scratch: Path,
) -> Iterator[Result]:
    """Apply `function` to every task; results come as they are finished, in any order.

    Args:
        function: Picklable; gets a task and a callable that reports one finished unit.
        tasks: Picklable; paths rather than arrays.
        workers: How many processes, and where.
        total: Units that all tasks report together.
        label: What the progress display calls the work.
        scratch: Folder that all workers can write to.

    Raises:
        WorkerKilled: If a worker process was killed; results given before stay good.
    """
    with _counters(scratch) as folder, progress(total, label=label) as bar:
        if workers.jobs == 1 and workers.backend == "loky":
            for task in tasks:
                yield function(task, lambda: bar.update(1))
            return
        on = _on_this_machine if workers.backend == "loky" else _on_a_cluster
        with _watch(folder, bar):
            yield from on(partial(_call, function, folder), tasks, workers)


def _on_this_machine(
    call: Callable[[Task], Result], tasks: Sequence[Task], workers: Workers
) -> Iterator[Result]:
    try:
        with parallel_config(backend="loky", n_jobs=workers.jobs, inner_max_num_threads=1):
            yield from Parallel(batch_size=1, return_as="generator_unordered")(
                delayed(call)(task) for task in tasks
            )
    except TerminatedWorkerError:
        raise _killed() from None


def _on_a_cluster(
    call: Callable[[Task], Result], tasks: Sequence[Task], workers: Workers
) -> Iterator[Result]:
    # Not by joblib's dask backend: it waits for ever for a task whose worker was killed.
    from distributed import Client, KilledWorker, as_completed

    if workers.scheduler is None:
        raise _scheduler("the dask backend needs a scheduler")
    try:
        client = Client(  # type: ignore[no-untyped-call]
            workers.scheduler, timeout=_PATIENCE, set_as_default=False
        )
    except OSError:
        raise _scheduler(f"no dask scheduler answers at {workers.scheduler}") from None
    with client:
        try:
            client.wait_for_workers(1, timeout=_PATIENCE)
            futures = client.map(call, tasks, pure=False)
            finished = as_completed(futures, loop=client.loop)  # type: ignore[no-untyped-call]
            for future in finished:
                yield future.result()
        except TimeoutError:
            raise _scheduler(f"the cluster at {workers.scheduler} has no workers") from None
        except KilledWorker:
            raise _killed() from None


def _scheduler(what: str) -> ParamsError:
    return ParamsError("SCHEDULER", what, remedy="add --scheduler tcp://HOST:PORT of a cluster")


def _killed() -> WorkerKilled:
    return WorkerKilled(
        "WORKER_KILLED",
        "a worker process was killed, by want of memory or by a crash in a decoder",
        remedy="run the same command again: it goes on where it stopped; use fewer --jobs",
    )


def _call(function: Callable[[Task, Tick], Result], folder: Path, task: Task) -> Result:
    # Processes may be on other machines: a file per process that grows by a byte per unit is the
    # one channel that needs nothing but the shared folder.
    counter = folder / this_process()

    def tick() -> None:
        # No work may fail for its display: not by a full disk, nor because the parent is gone.
        with suppress(OSError), counter.open("ab") as file:
            file.write(b".")

    return function(task, tick)


@contextmanager
def _counters(scratch: Path) -> Iterator[Path]:
    """A folder for the counters of this run; those of killed runs are removed."""
    with os_errors_as_ours(scratch):
        scratch.mkdir(parents=True, exist_ok=True)
        for left in scratch.glob("progress.tmp-*"):
            remove_left_over(left)
        made = ExitStack()
        folder = made.enter_context(new_temporary_folder(scratch / "progress"))
    with made:
        yield folder


@contextmanager
def _watch(folder: Path, bar: Progress) -> Iterator[None]:
    stop = Event()

    def follow() -> None:
        seen = 0
        while True:
            ended = stop.wait(0.2)
            count = sum(file.stat().st_size for file in folder.iterdir())
            bar.update(count - seen)
            seen = count
            if ended:
                return

    thread = Thread(target=follow, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
