"""Clips that crash the process which makes them: found, tried alone, and set aside.

A broken video can crash its decoder, and with it the worker. Before a worker turns to a clip it
leaves a mark in the store, and takes it away when the clip is made. The marks of dead processes
name the suspects. Each is made once more in a process of its own; one that ends it again and
again has crashed, and the store remembers that under the clip's own content key. Nobody else is
blamed: a worker may have died by want of memory, or because somebody killed it.

A leader that works alone takes the run along when a clip ends it; the next run then finds its
mark. Marks of workers that died with their leader say nothing: somebody killed them all.
"""

from __future__ import annotations

import fcntl
import json
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from threading import get_ident
from typing import Any, TypeVar

from stroi.cache.files import write_atomic
from stroi.cache.processes import is_gone, is_of_this_host, this_process
from stroi.cache.temporaries import can_be_locked
from stroi.pipeline.ledger import Outcome
from stroi.pipeline.progress import announce
from stroi.pipeline.recipe import Job, Recipe

Source = TypeVar("Source")
Made = TypeVar("Made")

MARKS = "marks"
"""Folder of the store: per process, and thread, a file that names the clip in its hands."""
CRASHED = "crashed"
"""Folder of the store: per crashed clip a file under its content key. Delete one to try again."""
ATTEMPTS = 2
"""So many times a suspect may end a process of its own."""


@dataclass(frozen=True)
class Mark:
    """A clip in the hands of a process.

    Attributes:
        path: Its file.
        key: Content key of the clip.
        alone: Whether the process leads the run, and works alone.
    """

    path: Path
    key: str
    alone: bool


@contextmanager
def marked(store: Path, key: str, leader: str) -> Iterator[None]:
    """Leave word that this process has a clip in its hands.

    Args:
        store: Folder of finished work.
        key: Content key of the clip.
        leader: Name of the process that leads the run.
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
            file.write(f"{key} {'alone' if this_process() == leader else 'led'}")
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
    store: Path, recipe: Recipe[Source, Made], jobs: Sequence[Job[Source]], *, death: bool
) -> dict[str, Outcome]:
    """Clips that must not be made again, by id, with what the ledger says about each.

    Clips that dead processes had in their hands are tried first.

    Args:
        store: Folder of finished work.
        recipe: How a clip is made.
        jobs: The clips in question; nobody else's marks are touched.
        death: Whether a worker of this run has just died. The others died with it, so that the
            trials end with the first clip that crashed; one that is missed is met again.
    """
    marks = _stale_marks(store)
    known = {path.stem for path in (store / CRASHED).glob("*.json")}
    if not marks and not known:
        return {}
    by_key = {recipe.key([job]): job for job in jobs}
    marks = [mark for mark in marks if mark.key in by_key]
    for key in sorted({mark.key for mark in marks if death or mark.alone} - known):
        if _try(store, recipe, key, by_key[key]):
            known.add(key)
            if death:
                break
    for mark in marks:
        mark.path.unlink(missing_ok=True)
    return {by_key[key].id: _outcome(store, key, by_key[key].id) for key in known & by_key.keys()}


def _maker(mark: Path) -> str:
    return mark.name.partition(".")[0]


def _stale_marks(store: Path) -> list[Mark]:
    """Whole marks, but for those of living processes of this host."""
    marks = []
    for path in sorted((store / MARKS).glob("*")):
        if is_of_this_host(_maker(path)) and not is_stale(path):
            continue
        with suppress(OSError, ValueError):
            key, how = path.read_text().split()
            marks.append(Mark(path, key, how == "alone"))
    return marks


def _try(store: Path, recipe: Recipe[Source, Made], key: str, job: Job[Source]) -> bool:
    """Make a clip in a process of its own; whether it ended every one of them."""
    announce(recipe.kind, f"a process ended while it had {job.id}; trying that clip alone")
    for _ in range(ATTEMPTS):
        end = _end_of(recipe.make, job.source)
        if not end:
            return False
    announce(recipe.kind, f"{job.id} crashed the process ({end}); going on without it")
    write_atomic(store / CRASHED / f"{key}.json", json.dumps({"end": end}).encode())
    return True


def _outcome(store: Path, key: str, sample_id: str) -> Outcome:
    try:
        note: Mapping[str, Any] = json.loads((store / CRASHED / f"{key}.json").read_bytes())
        end = str(note["end"])
    except (OSError, ValueError, KeyError, TypeError):
        end = "unknown"
    problem = f"its decoder or estimator crashed the process ({end})"
    return Outcome(sample_id, "CRASHED", f"{problem}; encode the video again or leave it out")


def _end_of(make: Callable[[Source], Made], source: Source) -> str:
    """How the process that made one clip ended: empty if as it should, else such as SIGSEGV."""
    here, there = get_context("spawn").Pipe(duplex=False)
    process = get_context("spawn").Process(target=_alone, args=(make, source, there), daemon=True)
    process.start()
    there.close()
    try:
        said = []
        with suppress(EOFError):
            while True:
                said.append(here.recv_bytes())
        process.join()
    finally:
        process.kill()
        here.close()
    # One that never began was not ended by the clip.
    return _name(process.exitcode or 0) if said == [b"began"] else ""


def _alone(make: Callable[[Source], Made], source: Source, there: Connection) -> None:
    there.send_bytes(b"began")
    # What is wrong with a clip in other ways is found, and told, by the worker that gets it.
    with suppress(Exception):
        make(source)
    there.send_bytes(b"ended")


def _name(exit_code: int) -> str:
    if exit_code < 0:
        with suppress(ValueError):
            return signal.Signals(-exit_code).name
    return f"exit status {exit_code}"
