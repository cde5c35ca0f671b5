"""Clips that crash the process which makes them: found, tried alone, and set aside.

A broken video can crash its decoder, and with it the worker. Before a worker turns to a clip it
leaves a mark in the store, and takes it away when the clip is made. The marks of dead processes
name the suspects. Each is made once more in a process of its own; one that ends it again and
again has crashed, and the store remembers that under the clip's own content key. Nobody else is
blamed: a worker may have died by want of memory, or because somebody killed it.
"""

from __future__ import annotations

import fcntl
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from ctypes import c_bool
from multiprocessing import get_context
from pathlib import Path
from threading import get_ident
from typing import Any, TypeVar

from stroi.cache.files.atomic import write_atomic
from stroi.cache.files.temporaries import can_be_locked, is_gone, is_of_this_host, this_process
from stroi.pipeline.index.ledger import ClipOutcome
from stroi.pipeline.parallel.progress import announce
from stroi.pipeline.shards.task import ClipTask, TaskSpec

Source = TypeVar("Source")
Made = TypeVar("Made")

MARKS = "marks"
"""Folder of the store: per process, and thread, a file that names the clip in its hands."""
CRASHED = "crashed"
"""Folder of the store: per crashed clip a file under its content key that says how it ended."""
ATTEMPTS = 2
"""So many times a suspect may end a process of its own."""


@contextmanager
def marked(store: Path, key: str) -> Iterator[None]:
    """Leave word that this process has a clip in its hands.

    Args:
        store: Folder of finished work.
        key: Content key of the clip.
    """
    # A worker of a cluster may make clips in several threads.
    path = store / MARKS / f"{this_process()}.{get_ident():x}"
    # A mark that cannot be written, on a full disk, must not end the work.
    with ExitStack() as held:
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            file = held.enter_context(path.open("w"))
            # Who cannot see this process, in another container, sees that the mark is held.
            with suppress(OSError):
                fcntl.flock(file, fcntl.LOCK_EX)
            file.write(key)
            file.flush()
        try:
            yield
        finally:
            with suppress(OSError):
                path.unlink()


def is_stale(mark: Path) -> bool:
    """Whether `mark` was left by a process of this host that has ended."""
    return is_gone(_maker(mark)) and can_be_locked(mark)


def find_crashed(
    store: Path, spec: TaskSpec[Source, Made], jobs: Sequence[ClipTask[Source]]
) -> dict[str, ClipOutcome]:
    """Clips that must not be made again, by id, with what the ledger says about each.

    Clips that dead processes had in their hands are tried first. All workers of a run die with the
    first, so the trials end with the first clip that crashed; one that is missed is met again.

    Args:
        store: Folder of finished work.
        recipe: How a clip is made.
        jobs: The clips in question; nobody else's marks are touched.
    """
    marks = _stale_marks(store)
    known = {path.stem for path in (store / CRASHED).glob("*.txt")}
    if not marks and not known:
        return {}
    by_key = {spec.key([job]): job for job in jobs}
    marks = {path: key for path, key in marks.items() if key in by_key}
    for key in sorted(set(marks.values()) - known):
        if _try(store, spec, key, by_key[key]):
            known.add(key)
            break
    for path in marks:
        path.unlink(missing_ok=True)
    return {by_key[key].id: _outcome(store, key, by_key[key].id) for key in known & by_key.keys()}


def _maker(mark: Path) -> str:
    return mark.name.partition(".")[0]


def _stale_marks(store: Path) -> dict[Path, str]:
    """Marks, but for those of living processes of this host, and the keys of their clips."""
    marks = {}
    for path in sorted((store / MARKS).glob("*")):
        if is_stale(path) or not is_of_this_host(_maker(path)):
            with suppress(OSError, ValueError):
                marks[path] = path.read_text()
    return marks


def _try(store: Path, spec: TaskSpec[Source, Made], key: str, job: ClipTask[Source]) -> bool:
    """Make a clip in a process of its own; whether it ended every one of them."""
    announce(spec.kind, f"a process ended while it had {job.id}; trying that clip alone")
    for _ in range(ATTEMPTS):
        end = _end_of(spec.make, job.source)
        if not end:
            return False
    announce(spec.kind, f"{job.id} crashed the process ({end}); going on without it")
    write_atomic(store / CRASHED / f"{key}.txt", end.encode())
    return True


def _outcome(store: Path, key: str, sample_id: str) -> ClipOutcome:
    end = (store / CRASHED / f"{key}.txt").read_text()
    problem = f"its decoder or estimator crashed the process ({end})"
    return ClipOutcome(sample_id, "CRASHED", f"{problem}; encode the video again or leave it out")


def _end_of(make: Callable[[Source], Made], source: Source) -> str:
    """How the process that made one clip ended: empty if as it should, else such as SIGSEGV."""
    context = get_context("spawn")
    began = context.RawValue(c_bool, False)
    process = context.Process(target=_alone, args=(make, source, began), daemon=True)
    process.start()
    try:
        process.join()
    finally:
        process.kill()
    # One that never began was not ended by the clip.
    return _name(process.exitcode or 0) if began.value and process.exitcode else ""


def _alone(make: Callable[[Source], Made], source: Source, began: Any) -> None:
    began.value = True
    # What is wrong with a clip in other ways is found, and told, by the worker that gets it.
    with suppress(Exception):
        make(source)
    # At once: what crashes at the interpreter's end is not the clip.
    os._exit(0)


def _name(exit_code: int) -> str:
    if exit_code < 0:
        with suppress(ValueError):
            return signal.Signals(-exit_code).name
    return f"exit status {exit_code}"
