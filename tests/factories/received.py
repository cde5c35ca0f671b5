"""What every refusal of a single received file has in common: its form, its cost, its traces."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from measured import Measured, most_seconds, run_measured
from refusals import CLI, tree

PEAK = 150_000_000
"""Bytes of memory that a process may take to refuse a file; half of what is promised."""

CANARY = "canary-7f3a"
"""Text that stands outside of what is received, and must not be shown."""


def stroi(arguments: Sequence[str | Path], cwd: Path) -> Measured:
    """Run the command line as a user would, and measure it."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", CLI, *map(str, arguments)]
    return run_measured(command, cwd=cwd, env=environment)


def assert_refused(
    arguments: Sequence[str | Path],
    root: Path,
    code: str,
    says: str,
    *,
    names: str,
    status: int = 3,
    peak: int = PEAK,
) -> None:
    """A command refuses what it got in one line, soon, cheaply and without a trace.

    Args:
        arguments: Of ``stroi``.
        root: Folder in which nothing may change.
        code: Code of the refusal.
        says: A part of the last line.
        names: What the last line must name: the file.
        status: Exit status.
        peak: Bytes of memory that no process may pass.
    """
    before = _lasting(root)
    done = stroi(arguments, root)
    assert done.returncode == status, done.stderr
    head = f"error: {code}: "
    assert done.last_error.startswith(head), done.stderr
    assert names in done.last_error
    assert says in done.last_error
    assert "; " in done.last_error.removeprefix(head)
    assert "Traceback" not in done.stderr
    for line in (done.stdout + done.stderr).split("\n"):
        assert line.isprintable()
    assert CANARY not in done.stdout + done.stderr
    assert done.seconds < most_seconds()
    assert done.peak_bytes < peak
    assert _lasting(root) == before


def _lasting(root: Path) -> dict[str, tuple[object, ...]]:
    """Everything below a folder but the locks, which say who works there, and are no output."""
    return {name: state for name, state in tree(root).items() if not name.startswith(".stroi")}


def assert_inspect_refuses(
    path: Path, code: str, says: str, *options: str, peak: int = PEAK
) -> None:
    """``stroi inspect`` refuses a file."""
    command = ["inspect", *options, path]
    assert_refused(command, path.parent, code, says, names=str(path), peak=peak)
