"""Clips that crash the process which makes them: detected, tried alone, and quarantined.

A broken video can crash its decoder, and with it the worker. A worker leaves a mark in the store
before it starts a clip, and removes it when the clip is made. The marks of dead processes
name the clips in question. Each is made once more in a process of its own; one that ends it again
and again has crashed, and the store records that under the clip's content key. No other clip is
quarantined: a worker may have run out of memory, or been killed.
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

Input = TypeVar("Input")
Result = TypeVar("Result")

MARKS = "marks"
"""Folder of the store: per process, and thread, a file with the key of the clip in work."""
CRASHED = "crashed"
"""Folder of the store: a file per crashed clip, named by its content key: how the process ended."""
ATTEMPTS = 2
"""Times that such a clip may end a process of its own."""


@contextmanager
def marked(store: Path, key: str) -> Iterator[None]:
    """Mark the clip that this process works on.

    Args:
        store: Folder of finished work.
        key: Content key of the clip.
    """
    # A worker of a cluster may make clips in several threads.
    path = store / MARKS / f"{this_process()}.{get_ident():x}"
    # A mark that cannot be written, on a full disk, must not end the work.
    with ExitStack() as stack:
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            file = stack.enter_context(path.open("w"))
            # Other containers do not see this process; they see the lock.
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
    store: Path, spec: TaskSpec[Input, Result], tasks: Sequence[ClipTask[Input]]
) -> dict[str, ClipOutcome]:
    """Clips that must not be made again, by id, with their outcome for the ledger.

    Clips that dead processes had in their hands are tried first. All workers of a run die with the
    first, so the trials end with the first clip that crashed; one that is missed is met again.

    Args:
        store: Folder of finished work.
        spec: How a clip is made.
        tasks: The clips in question; marks of other clips stay.
    """
    marks = _stale_marks(store)
    known = {path.stem for path in (store / CRASHED).glob("*.txt")}
    if not marks and not known:
        return {}
    by_key = {spec.key([task]): task for task in tasks}
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


def _try(store: Path, spec: TaskSpec[Input, Result], key: str, task: ClipTask[Input]) -> bool:
    """Make a clip in a process of its own; whether it ended every one of them."""
    announce(spec.kind, f"a process ended while it had {task.id}; trying that clip alone")
    for _ in range(ATTEMPTS):
        end = _end_of(spec.make, task.input)
        if not end:
            return False
    announce(spec.kind, f"{task.id} crashed the process ({end}); going on without it")
    write_atomic(store / CRASHED / f"{key}.txt", end.encode())
    return True


def _outcome(store: Path, key: str, sample_id: str) -> ClipOutcome:
    end = (store / CRASHED / f"{key}.txt").read_text()
    problem = f"its decoder or estimator crashed the process ({end})"
    return ClipOutcome(sample_id, "CRASHED", f"{problem}; encode the video again or leave it out")


def _end_of(make: Callable[[Input], Result], value: Input) -> str:
    """How the process that made one clip ended: empty if as it should, else such as SIGSEGV."""
    context = get_context("spawn")
    began = context.RawValue(c_bool, False)
    process = context.Process(target=_alone, args=(make, value, began), daemon=True)
    process.start()
    try:
        process.join()
    finally:
        process.kill()
    # One that never began was not ended by the clip.
    return _name(process.exitcode or 0) if began.value and process.exitcode else ""


def _alone(make: Callable[[Input], Result], value: Input, began: Any) -> None:
    began.value = True
    # Other errors of a clip are reported by the worker that gets it.
    with suppress(Exception):
        make(value)
    # At once: what crashes at the interpreter's end is not the clip.
    os._exit(0)


def _name(exit_code: int) -> str:
    if exit_code < 0:
        with suppress(ValueError):
            return signal.Signals(-exit_code).name
    return f"exit status {exit_code}"
