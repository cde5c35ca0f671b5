"""Fan-out of independent tasks over processes, on this machine or on a cluster."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread
from typing import Any, TypeVar

from joblib import Parallel, delayed, parallel_config
from joblib.externals.loky.process_executor import TerminatedWorkerError

from stroi.cache.errors import ParamsError, StroiError
from stroi.pipeline.progress import Progress, progress

Task = TypeVar("Task")
Result = TypeVar("Result")
Tick = Callable[[], None]


@dataclass(frozen=True)
class Workers:
    """Who does the work. It never changes a byte of what is written.

    Attributes:
        jobs: Processes at a time; 1 works in this process.
        backend: ``loky`` (this machine) or ``dask`` (a cluster).
        scheduler: Address of the dask scheduler, such as ``tcp://host:8786``.
    """

    jobs: int = 1
    backend: str = "loky"
    scheduler: str | None = None


def fan_out(
    function: Callable[[Task, Tick], Result],
    tasks: Sequence[Task],
    *,
    workers: Workers,
    total: int,
    label: str,
    scratch: Path,
) -> list[Result]:
    """Apply `function` to every task.

    Args:
        function: Picklable; gets a task and a callable that reports one finished unit.
        tasks: Picklable; paths rather than arrays.
        workers: How many processes, and where.
        total: Units that all tasks report together.
        label: What the progress display calls the work.
        scratch: Folder that all workers can write to.

    Returns:
        Results in the order of `tasks`.

    Raises:
        StroiError: If a worker process was killed.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    with (
        TemporaryDirectory(dir=scratch, prefix="progress-") as folder,
        progress(total, label=label) as bar,
    ):
        if workers.jobs == 1 and workers.backend == "loky":
            return [function(task, lambda: bar.update(1)) for task in tasks]
        with _watch(Path(folder), bar):
            return _parallel(function, tasks, workers, Path(folder))


def _parallel(
    function: Callable[[Task, Tick], Result], tasks: Sequence[Task], workers: Workers, folder: Path
) -> list[Result]:
    calls = [delayed(_call)(function, task, folder) for task in tasks]
    options: dict[str, Any] = {"backend": workers.backend, "n_jobs": workers.jobs}
    if workers.backend == "loky":
        options["inner_max_num_threads"] = 1
    elif workers.scheduler is None:
        raise ParamsError(
            "SCHEDULER",
            "the dask backend needs a scheduler",
            remedy="add --scheduler tcp://HOST:PORT",
        )
    else:
        options["scheduler_host"] = workers.scheduler
    try:
        with parallel_config(**options):
            return list(Parallel(batch_size=1)(calls))
    except TerminatedWorkerError:
        raise StroiError(
            "WORKER_KILLED",
            "a worker process was killed, by want of memory or by a crash in a decoder",
            remedy="run the same command again: it goes on where it stopped; use fewer --jobs",
        ) from None


def _call(function: Callable[[Task, Tick], Result], task: Task, folder: Path) -> Result:
    # Processes may be on other machines: a file per process that grows by a byte per unit is the
    # one channel that needs nothing but the shared folder.
    counter = folder / f"{os.uname().nodename}-{os.getpid()}"

    def tick() -> None:
        # A call that the parent gave up must not fail because its display is gone.
        with suppress(FileNotFoundError), counter.open("ab") as file:
            file.write(b".")

    return function(task, tick)


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
