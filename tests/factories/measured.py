"""Run a command as a user would and measure it: status, output, peak memory, time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

# A child inherits its parent's peak until it calls exec, so a fat test runner would be what is
# measured. This launcher is thin: no site, no numpy, about 10 MB.
_LAUNCHER = """
import json, os, signal, sys, time

report, timeout, args = int(sys.argv[1]), float(sys.argv[2]), sys.argv[3:]
os.set_inheritable(report, False)
start = time.monotonic()
child = os.fork()
if child == 0:
    os.setsid()
    try:
        os.execvp(args[0], args)
    except OSError as error:
        os.write(2, f"{args[0]}: {error.strerror}\\n".encode())
        os._exit(127)

def kill_group(*_):
    for kill in (os.killpg, os.kill):
        try:
            kill(child, signal.SIGKILL)
        except OSError:
            pass

signal.signal(signal.SIGALRM, kill_group)
signal.setitimer(signal.ITIMER_REAL, timeout)
# What the command leaves running dies before its process id is free for others.
os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
wall = time.monotonic() - start
kill_group()
_, status, usage = os.wait4(child, 0)
code = os.waitstatus_to_exitcode(status)
seconds = usage.ru_utime + usage.ru_stime
os.write(report, json.dumps([code, usage.ru_maxrss * 1024, seconds, wall]).encode())
"""


@dataclass(frozen=True)
class Measured:
    """How a command ended and what it took.

    Attributes:
        returncode: Its exit status; negative for a signal, so -9 after a time-out.
        stdout: What it printed, bytes that are not UTF-8 escaped.
        stderr: The same for errors.
        peak_bytes: Largest resident memory of any one process: the command, or one of its
            descendants that were waited for.
        seconds: Processor time of them all: a limit on it holds on a busy machine too. What hangs
            without using any runs into the time-out.
        wall_seconds: Time by the clock.
    """

    returncode: int
    stdout: str
    stderr: str
    peak_bytes: int
    seconds: float
    wall_seconds: float

    @property
    def last_error(self) -> str:
        """The last line of `stderr`, empty if there is none."""
        return self.stderr.rstrip("\n").rpartition("\n")[2]


def run_measured(
    args: list[str],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    timeout: float = 60,
) -> Measured:
    """Run `args` without a shell and without input; its whole process group dies with it.

    Args:
        args: Command and arguments.
        cwd: Folder to run in; the current one if None.
        env: Whole environment; this process's if None.
        timeout: Seconds after which the command and its children are killed.
    """
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-c", _LAUNCHER, str(writer), str(timeout), *args],
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="backslashreplace",
            pass_fds=[writer],
            timeout=timeout + 30,
        )
        returncode, peak, seconds, wall = json.loads(os.read(reader, 4096))
    finally:
        os.close(writer)
        os.close(reader)
    return Measured(returncode, done.stdout, done.stderr, peak, seconds, wall)


@cache
def most_seconds() -> float:
    """Processor time in which a refusal must end: 5 s, or more on a machine that is slower.

    There it is eight times what the help of a command takes, which is 5 s where that takes 0.65 s.
    """
    show = "from stroi.pipeline.cli import main; main(['index', '--help'])"
    return max(5.0, 8 * run_measured([sys.executable, "-c", show]).seconds)
