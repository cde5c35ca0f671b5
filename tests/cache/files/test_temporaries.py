"""What a living writer makes is not swept, whatever its process id looks like from here."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from stroi.cache.files import temporaries
from stroi.cache.files.atomic import sweep_temporaries, write_atomic
from stroi.cache.files.staging import staging_folder
from stroi.cache.files.temporaries import (
    is_gone,
    is_left_over,
    is_of_this_host,
    is_temporary,
    new_temporary,
    remove_left_over,
    this_process,
)

WRITER = """
import os, sys
from pathlib import Path
from stroi.cache.files import atomic as files
from stroi.cache.files import staging as private
from stroi.cache.files import temporaries
how, folder, maker = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
# As in a container of its own: the number of this process means another one outside, or none.
temporaries.this_process = lambda: maker
def wait():
    print("ready", flush=True)
    sys.stdin.readline()
if how == "file":
    synced = os.fsync
    def slow(fd):
        wait()
        synced(fd)
    os.fsync = slow
    files.write_atomic(folder / "target", [b"a" * 5000, b"b" * 5000])
elif how == "link":
    rename = files._rename
    def slow(temporary, path):
        wait()
        rename(temporary, path)
    files._rename = slow
    (folder / "source").write_bytes(b"a" * 5000 + b"b" * 5000)
    files.link_or_copy(folder / "source", folder / "target")
else:
    with private.staging_folder(folder / "target") as made:
        (made / "piece").write_bytes(b"a" * 5000 + b"b" * 5000)
        wait()
        (made / "piece").rename(folder / "target")
"""


def dead_maker() -> str:
    """A name for a process of this host that has ended."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    maker = f"{ended.pid}-{this_process().split('-')[1]}"
    assert is_gone(maker)
    return maker


@contextmanager
def writer(how: str, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that is in the middle of making ``target``."""
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, how, str(folder), dead_maker()],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    with process:
        try:
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()


def left(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if is_temporary(path.name)]


def sweep(how: str, folder: Path) -> None:
    if how != "folder":
        sweep_temporaries(folder)
        return
    with staging_folder(folder / "target"):
        pass


@pytest.mark.parametrize("how", ["file", "link", "folder"])
def test_a_living_writer_that_looks_dead_is_not_swept(tmp_path: Path, how: str) -> None:
    with writer(how, tmp_path) as process:
        [held] = left(tmp_path)
        assert not is_left_over(held)
        sweep(how, tmp_path)
        assert left(tmp_path) == [held]
        process.communicate("go on\n", timeout=30)
        assert process.returncode == 0
    assert (tmp_path / "target").read_bytes() == b"a" * 5000 + b"b" * 5000
    assert left(tmp_path) == []


@pytest.mark.parametrize("how", ["file", "link", "folder"])
def test_what_a_killed_writer_left_is_swept(tmp_path: Path, how: str) -> None:
    with writer(how, tmp_path) as process:
        process.kill()
        process.wait()
    assert len(left(tmp_path)) == 1
    sweep(how, tmp_path)
    assert left(tmp_path) == []


def test_who_sweeps_between_the_making_and_the_locking_does_no_harm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create, made = temporaries.create, []

    def create_and_sweep(path: Path) -> int:
        fd = create(path)
        made.append(path)
        if len(made) == 1:
            path.unlink()
        return fd

    monkeypatch.setattr(temporaries, "create", create_and_sweep)
    before = len(list(Path("/dev/fd").iterdir()))
    write_atomic(tmp_path / "target", b"whole")
    assert len(made) == 2
    assert (tmp_path / "target").read_bytes() == b"whole"
    assert list(tmp_path.iterdir()) == [tmp_path / "target"]
    assert len(list(Path("/dev/fd").iterdir())) == before


def test_only_temporaries_are_removed(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    assert not remove_left_over(tmp_path / "file")
    assert not remove_left_over(tmp_path / f"gone.tmp-{dead_maker()}-00000000")
    with new_temporary(tmp_path / "mine") as (temporary, _):
        assert not remove_left_over(temporary)
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]


def test_this_process_lives() -> None:
    assert this_process().startswith(f"{os.getpid()}-")
    assert not is_gone(this_process())
    assert is_of_this_host(this_process())


def test_an_ended_process_of_this_host_is_gone() -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    maker = f"{dead.pid}-{this_process().split('-')[1]}"
    assert is_gone(maker)
    elsewhere = f"{dead.pid}-{'0' * 8}"
    assert not is_gone(elsewhere)
    assert not is_of_this_host(elsewhere)


@pytest.mark.parametrize("name", ["", "1", "x-00000000", "1-00000000-1"])
def test_what_is_no_process_is_never_gone(name: str) -> None:
    assert not is_gone(name)
    assert not is_of_this_host(name)
