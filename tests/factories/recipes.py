"""A small task spec for tests of the shard builder: real files, real processes."""

from __future__ import annotations

import ctypes
import errno
import os
import time
from collections.abc import Sequence
from pathlib import Path

from stroi.cache.errors import ClipRejected
from stroi.cache.files.digests import sha256_bytes
from stroi.cache.storage.assemble import Encoded
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
    if text.startswith("lost"):
        raise OSError(errno.EIO, os.strerror(errno.EIO))
    return text * 2


def encode(ids: Sequence[str], texts: Sequence[str]) -> Encoded:
    """All texts in one file."""
    if any(text.startswith("too much") for text in texts):
        os.kill(os.getpid(), 9)
    data = "\n".join(f"{name}={text}" for name, text in zip(ids, texts, strict=True)).encode()
    return Encoded((data,), tuple(sha256_bytes(text.encode()) for text in texts))


def length(text: str) -> str:
    """The ledger's remark."""
    return f"{len(text)} letters"


def spec(factor: int = 1) -> TaskSpec[tuple[str, str], str]:
    """The task spec; `factor` stands for a param."""
    return TaskSpec("texts", 1, {"factor": factor}, {"by": "test"}, double, encode, length)


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
