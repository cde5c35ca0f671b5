"""What every refusal of a received folder has in common: its form, its cost, its traces."""

from __future__ import annotations

import hashlib
import os
import stat
import sys
from dataclasses import dataclass
from pathlib import Path

from measured import Measured, most_seconds, run_measured
from shards import CANARY, GIB, Place, Spoil

CLI = "from stroi.pipeline.cli import main; main()"


@dataclass(frozen=True)
class Case:
    """One thing wrong, and how it is refused; `match` is whether the manifest agrees with it."""

    name: str
    spoil: Spoil
    code: str
    says: str
    match: bool = True


def environment(place: Place) -> dict[str, str]:
    """What a user's shell may hold."""
    return {**os.environ, "HDF5_PLUGIN_PATH": str(place.plugins)}


def assert_verify_refuses(place: Place, code: str, says: str, peak: int = 150_000_000) -> None:
    """``stroi cache verify`` refuses a folder in one line and leaves no trace.

    Args:
        place: The folder.
        code: Code of the refusal.
        says: A part of the last line.
        peak: Bytes of memory that each of two processes may take.
    """
    before = tree(place.root)
    forget_readings(place)
    done = run_measured(
        [sys.executable, "-c", CLI, "cache", "verify", str(place.folder)],
        cwd=place.root,
        env=environment(place),
    )
    assert_refused(done, place, code, says)
    assert done.peak_bytes < peak
    assert done.seconds < most_seconds()
    assert readings(place) == []
    assert tree(place.root) == before


def assert_refused(done: Measured, place: Place, code: str, says: str) -> None:
    """Exit status 3, and a printable last line with code, file, reason and remedy."""
    assert done.returncode == 3, done.stderr
    head = f"error: {code}: "
    assert done.last_error.startswith(head), done.stderr
    assert str(place.folder) in done.last_error
    assert says in done.last_error
    assert "; " in done.last_error.removeprefix(head)
    assert done.last_error.isprintable()
    assert "Traceback" not in done.stderr
    for line in (done.stdout + done.stderr).split("\n"):
        assert line.isprintable()
    assert CANARY not in done.stdout + done.stderr


def forget_readings(place: Place) -> None:
    """Set the times of reading of what lies outside before those of changing."""
    for path in outside(place):
        os.utime(path, ns=(0, path.stat().st_mtime_ns))


def readings(place: Place) -> list[str]:
    """What outside the cache was read since then."""
    return [path.name for path in outside(place) if path.stat().st_atime]


def outside(place: Place) -> tuple[Path, ...]:
    """What a folder must not lead to."""
    return place.canary, place.canary_h5, place.plugins


def tree(root: Path) -> dict[str, tuple[object, ...]]:
    """Everything below a folder."""
    found = {}
    for path in sorted(root.rglob("*")):
        status = path.lstat()
        known: tuple[object, ...] = (status.st_mode, status.st_size, status.st_mtime_ns)
        if stat.S_ISREG(status.st_mode) and status.st_size < GIB:
            known += (hashlib.sha256(path.read_bytes()).hexdigest(),)
        found[str(path.relative_to(root))] = known
    return found
