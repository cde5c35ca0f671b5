"""A small task spec for tests of the shard builder: real files, real processes."""

from __future__ import annotations

import ctypes
import errno
import os
import time
from pathlib import Path

import numpy as np

from stroi.cache.errors import ClipRejected
from stroi.cache.files.digests import sha256_bytes
from stroi.cache.storage.schema import ID_FIELD, Array, Field, FileFormat
from stroi.pipeline.parallel.executor import Tick
from stroi.pipeline.shards.build import ClipTask, TaskSpec


def double(source: tuple[str, str]) -> str:
    """Twice the content of a file, which is noted in a log of work done."""
    path, log = source
    text = Path(path).read_text()
    with Path(log).open("a") as file:
        file.write(f"{Path(path).stem}\n")
    if text.startswith("bad"):
        raise ClipRejected("BAD_TEXT", f"{Path(path).name} starts with bad")
    if text.startswith("crash"):
        os.kill(os.getpid(), 9)
    if text.startswith("segv"):
        ctypes.string_at(0)
    if text.startswith("exit"):
        os._exit(3)
    if text.startswith("once") and not Path(f"{log}.once").exists():
        Path(f"{log}.once").touch()
        os.kill(os.getpid(), 9)
    if text.startswith("four"):
        _wait_for_four(Path(log))
    if text.startswith("lost"):
        raise OSError(errno.EIO, os.strerror(errno.EIO))
    return text * 2


def _wait_for_four(log: Path) -> None:
    end = time.monotonic() + 60
    while len(log.read_text().split()) < 4:
        if time.monotonic() > end:
            raise TimeoutError("the other workers got no clip")
        time.sleep(0.02)


TEXTS = FileFormat(
    "texts",
    (ID_FIELD, Field("letters", "<i4", ("N",), low=1), Field("text", "|u1", ("F",))),
    ragged_lengths="letters",
)


def fields(text: str) -> dict[str, Array]:
    """The text as bytes."""
    if text.startswith("too much"):
        os.kill(os.getpid(), 9)
    data = np.frombuffer(text.encode(), np.uint8)
    return {"letters": np.array([len(data)], np.int32), "text": data}


def length(text: str) -> str:
    """The ledger's remark."""
    return f"{len(text)} letters"


def spec(factor: int = 1) -> TaskSpec[tuple[str, str], str]:
    """The task spec; `factor` stands for a param."""
    return TaskSpec(TEXTS, 1, {"factor": factor}, {"by": "test"}, double, fields, length)


def jobs(folder: Path) -> list[ClipTask[tuple[str, str]]]:
    """One job per text file of `folder`."""
    log = str(folder.parent / "work.log")
    return [
        ClipTask(path.stem, {"text": sha256_bytes(path.read_bytes())}, (str(path), log))
        for path in sorted(folder.glob("*.txt"))
    ]


def square(number: int, tick: Tick) -> int:
    """The square, reported as one unit."""
    tick()
    return number * number


def refuse(number: int, tick: Tick) -> int:
    """Never anything."""
    raise ClipRejected("CODE", f"number {number}", remedy="take another")


def wait_for(path: str, tick: Tick) -> str:
    """The path, once there is such a file; at once if it is empty."""
    end = time.monotonic() + 60
    while path and not Path(path).exists() and time.monotonic() < end:
        time.sleep(0.05)
    tick()
    return path
