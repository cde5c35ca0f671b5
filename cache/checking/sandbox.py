"""Check files of strangers in a child process that can neither write nor grow nor go on for ever.

A defect of the HDF5 library that a hostile file sets off costs the child, not the caller. A child
lives as long as the process that started it, for starting one takes as long as checking 300 MB.
"""

from __future__ import annotations

import atexit
import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from stroi.cache.errors import StroiError

_MAX_ANSWER_BYTES = 1 << 16
_MAX_TEXT = 2000
_REMEDY = "do not use the file; fetch it again from someone you trust"

# The caller's search path comes last: stroi may be found by PYTHONPATH, which -I leaves out.
_START = (
    "import json, sys; sys.path += json.loads(sys.argv[1]);"
    "from stroi.cache.checking.checker import serve; serve()"
)
_KEPT = ("LD_LIBRARY_PATH", "STROI_FAULT")
_ENVIRONMENT = {
    "HDF5_PLUGIN_PATH": "",
    "HDF5_PLUGIN_PRELOAD": "::",  # the library's word for: load no plugin
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}


@dataclass(frozen=True)
class Request:
    """One file to check, and what its manifest says of it.

    Attributes:
        path: The file, absolute.
        where: The file as messages call it.
        kind: Kind of its folder.
        bytes: Its size.
        sha256: Digest of its bytes; empty if there is no manifest, so that only the file's own
            structure and values are checked.
        ids: The samples it must hold, in order, with a line feed between two.
        sample_sha256: The samples' digests, 64 characters each, or nothing.
    """

    path: str
    where: str
    kind: str
    bytes: int
    sha256: str
    ids: str = ""
    sample_sha256: str = ""


@dataclass(frozen=True)
class Answer:
    """What a check found.

    Attributes:
        code: Code of the refusal; empty if the file is good.
        message: What is wrong with it.
        remedy: What the user should do.
        axes: Length of each axis that every file of the folder must agree on, by symbol.
    """

    code: str = ""
    message: str = ""
    remedy: str = ""
    axes: dict[str, int] = field(default_factory=dict)


def ask(request: Request) -> Answer:
    """Have a child process do `stroi.cache.checking.check_shard.check`.

    May be called from several threads; each has a child of its own meanwhile.

    Returns:
        The answer, its texts short and printable; or a refusal ``CHECKER_CRASHED``,
        ``CHECKER_MEMORY`` or ``CHECKER_TIME``.

    Raises:
        StroiError: ``CHECKER_START`` if there is no room for another process.
    """
    child = _take()
    try:
        answer = child.ask(request)
    except BaseException:
        child.end()
        raise
    if child.alive:
        _idle.append(child)
    return answer


def dismiss() -> None:
    """End all idle children but one, which serves the next folder."""
    _for_each_idle("end", keep=1)


class Child:
    """One child process that checks files.

    Args:
        command: What to start; tests start something else than the checker.
    """

    def __init__(self, command: list[str] | None = None) -> None:
        search = [path for path in sys.path if Path(path).is_absolute()]
        kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
        try:
            self._process = subprocess.Popen(
                command or [sys.executable, "-I", "-c", _START, json.dumps(search)],
                env={**kept, **_ENVIRONMENT},
                cwd="/",
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=None if os.environ.get("STROI_DEBUG") else subprocess.DEVNULL,
            )
        except OSError as error:
            raise StroiError(
                "CHECKER_START",
                f"the process that checks files cannot be started: {error.strerror}",
                remedy="free some memory, or raise the limit of processes, and run again",
            ) from error
        # Popen gives no pipe only where none was asked for.
        self._pipes = [pipe for pipe in (self._process.stdin, self._process.stdout) if pipe]

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it can be asked."""
        return self._process.poll() is None

    def ask(self, request: Request) -> Answer:
        """Its answer, or the refusal that says why there is none; in that case it is gone."""
        stdin, stdout = self._pipes
        try:
            stdin.write(json.dumps(asdict(request)).encode("ascii") + b"\n")
            stdin.flush()
            line = stdout.readline(_MAX_ANSWER_BYTES)
        except BrokenPipeError:
            line = b""
        return _read_answer(line) or self._explain(request.where)

    def end(self) -> None:
        """End it, whatever it does; it has nothing to tidy up."""
        self._process.kill()
        for pipe in self._pipes:
            with suppress(BrokenPipeError):
                pipe.close()
        self._process.wait()

    def leave(self) -> None:
        """Leave it to the process that this one was forked from."""
        for pipe in self._pipes:
            pipe.close()
        self._process.returncode = 0

    def _explain(self, where: str) -> Answer:
        try:
            status = self._process.wait(timeout=1)
        except subprocess.TimeoutExpired:
            self.end()
            return Answer("CHECKER_CRASHED", f"{where}: the checker talked nonsense", _REMEDY)
        self.end()
        if status == -signal.SIGXCPU:
            return Answer("CHECKER_TIME", f"{where}: checking it took too long", _REMEDY)
        names = {-int(number): number.name for number in signal.Signals}
        how = names.get(status, f"exit status {status}")
        return Answer("CHECKER_CRASHED", f"{where}: the checker crashed ({how})", _REMEDY)


def _read_answer(line: bytes) -> Answer | None:
    """A well-formed answer; a hostile file may have taken over who gave it."""
    try:
        found = json.loads(line)
        return Answer(
            code=_printable(found["code"]),
            message=_printable(found["message"]),
            remedy=_printable(found["remedy"]),
            axes={str(axis)[:1]: int(length) for axis, length in found["axes"].items()},
        )
    except (ValueError, OverflowError, RecursionError, TypeError, KeyError, AttributeError):
        return None


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text[:_MAX_TEXT])


_idle: list[Child] = []


def _take() -> Child:
    # No lock, which a fork could leave held: pop is atomic.
    with suppress(IndexError):
        while True:
            child = _idle.pop()
            if child.alive:
                return child
            child.end()
    return Child()


def _for_each_idle(what: str, *, keep: int = 0) -> None:
    with suppress(IndexError):
        while len(_idle) > keep:
            getattr(_idle.pop(), what)()


os.register_at_fork(after_in_child=lambda: _for_each_idle("leave"))
atexit.register(_for_each_idle, "end")
