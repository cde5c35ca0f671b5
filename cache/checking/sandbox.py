"""Read received files in a child process with limits on memory and time.

A file that makes a library crash, grow or spin costs the child, not the caller. The child can
write no files.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from stroi.cache.errors import StroiError, refuse

UNTRUSTED = "do not use the file; fetch it again from someone you trust"

_MAX_ANSWER_BYTES = 1 << 20
_MAX_TEXT = 2000


def run_limited(function: Callable[[], Any], where: str, *, memory: int, seconds: int) -> Any:
    """What `function` returns, computed in a child process; other arguments as `LimitedRun`.

    Raises:
        RefusedInput: As `LimitedRun.result`.
    """
    return LimitedRun(function, where, memory=memory, seconds=seconds).result()


class LimitedRun:
    """A function that runs in a child process, forked from this one.

    Args:
        function: Returns a JSON value, or raises a StroiError.
        where: The file that it reads, for messages.
        memory: Bytes that the child may take beyond what this process has.
        seconds: Processor time that it may take.
    """

    def __init__(
        self, function: Callable[[], Any], where: str, *, memory: int, seconds: int
    ) -> None:
        self._where = where
        self._answer, out = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            os.close(self._answer)
            _run_child(function, where, memory, seconds, out)
        os.close(out)

    def result(self) -> Any:
        """Wait for what the function returns.

        Raises:
            RefusedInput: What the function raised; ``READER_CRASHED``, ``READER_MEMORY`` or
                ``READER_TIME`` if it could not end.
        """
        with os.fdopen(self._answer, "rb") as pipe:
            answer = pipe.read(_MAX_ANSWER_BYTES)
        _, status = os.waitpid(self._pid, 0)
        return understand(answer, os.waitstatus_to_exitcode(status), self._where)

    def kill(self) -> None:
        """End the child; its result is of no use any more."""
        with suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        os.close(self._answer)


def understand(answer: bytes, status: int, where: str) -> Any:
    """The value in a child's answer; a hostile file may have taken over who gave it.

    Args:
        answer: What the child wrote.
        status: How it ended, as `os.waitstatus_to_exitcode`.
        where: The file that it read, for messages.

    Raises:
        RefusedInput: As `LimitedRun.result`.
    """
    try:
        document = json.loads(answer)
    except (ValueError, RecursionError):
        document = None
    if status == 0 and isinstance(document, dict):
        if "value" in document:
            return document["value"]
        code, message, remedy = (str(document.get(key, "")) for key in ("code", "text", "remedy"))
        raise refuse(_printable(code), _printable(message), _printable(remedy))
    if status == -signal.SIGXCPU:
        raise refuse("READER_TIME", f"{where}: reading it takes too long", UNTRUSTED)
    names = {-int(number): number.name for number in signal.Signals}
    how = names.get(status, f"exit status {status}")
    raise refuse("READER_CRASHED", f"{where}: its reader crashed ({how})", UNTRUSTED)


def _run_child(
    function: Callable[[], Any], where: str, memory: int, seconds: int, out: int
) -> NoReturn:
    """Write what the function returns or raises, and end without any clean-up of the parent's."""
    try:
        _limit(memory, seconds)
        answer = {"value": function()}
    except StroiError as error:
        answer = {"code": error.code, "text": error.message, "remedy": error.remedy}
    except MemoryError:
        text = f"{where}: reading it takes too much memory"
        answer = {"code": "READER_MEMORY", "text": text, "remedy": UNTRUSTED}
    except BaseException as error:
        text = f"{where}: its reader crashed ({error!a})"
        answer = {"code": "READER_CRASHED", "text": text, "remedy": UNTRUSTED}
    with os.fdopen(out, "wb") as pipe:
        pipe.write(json.dumps(answer).encode("ascii")[:_MAX_ANSWER_BYTES])
    os._exit(0)


def _limit(memory: int, seconds: int) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    # The HDF5 library's word for: load no plugin. It is read when the library is loaded.
    os.environ |= {"HDF5_PLUGIN_PATH": "", "HDF5_PLUGIN_PRELOAD": "::"}
    limits = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_CPU: int(time.process_time()) + 1 + seconds,
    }
    with suppress(OSError):  # only Linux has /proc
        pages = int(Path("/proc/self/statm").read_bytes().split()[5])
        limits[resource.RLIMIT_DATA] = pages * resource.getpagesize() + memory
    for what, value in limits.items():
        soft, hard = resource.getrlimit(what)
        bounds = [bound for bound in (soft, hard) if bound != resource.RLIM_INFINITY]
        resource.setrlimit(what, (min([value, *bounds]), hard))


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text[:_MAX_TEXT])
