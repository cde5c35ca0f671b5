"""Files are complete or absent, whatever kills the writer."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from stroi.cache.errors import StroiError
from stroi.cache.files import atomic as files
from stroi.cache.files.atomic import (
    check_writable,
    link_or_copy,
    sweep_temporaries,
    write_atomic,
)
from stroi.cache.files.temporaries import is_temporary, this_process

Child = Callable[..., "subprocess.CompletedProcess[str]"]

WRITE = """
import sys
from pathlib import Path
from stroi.cache.errors import StroiError
from stroi.cache.files.atomic import sweep_temporaries, write_atomic
folder = Path(sys.argv[1])
sweep_temporaries(folder)
try:
    write_atomic(folder / "file", b"new" * 100_000)
except StroiError as error:
    print(error, file=sys.stderr)
    sys.exit(error.exit_status)
"""
POINTS = ("before_write", "mid_write", "before_fsync", "before_rename", "after_rename")
NEW = b"new" * 100_000


def test_writes_into_a_new_folder_and_leaves_nothing_else(tmp_path: Path) -> None:
    write_atomic(tmp_path / "a" / "b" / "file", NEW)
    write_atomic(tmp_path / "a" / "b" / "file", memoryview(b"second"))
    assert (tmp_path / "a" / "b" / "file").read_bytes() == b"second"
    assert [path.name for path in (tmp_path / "a" / "b").iterdir()] == ["file"]


def test_replaces_a_read_only_file_without_touching_its_other_links(tmp_path: Path) -> None:
    (tmp_path / "kept").write_bytes(b"old")
    (tmp_path / "kept").chmod(0o444)
    os.link(tmp_path / "kept", tmp_path / "file")
    write_atomic(tmp_path / "file", NEW)
    assert (tmp_path / "kept").read_bytes() == b"old"


@pytest.mark.parametrize("old", [None, b"old"])
@pytest.mark.parametrize("point", POINTS)
def test_killed_at_any_point_leaves_old_or_new(
    tmp_path: Path, child: Child, point: str, old: bytes | None
) -> None:
    path = tmp_path / "file"
    if old is not None:
        path.write_bytes(old)
    done = child(WRITE, tmp_path, STROI_FAULT=f"{point}:1:kill")
    assert done.returncode == -signal.SIGKILL
    expected = NEW if point == "after_rename" else old
    assert (path.read_bytes() if path.exists() else None) == expected
    assert child(WRITE, tmp_path).returncode == 0
    assert path.read_bytes() == NEW
    assert [found.name for found in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize(("action", "code"), [("enospc", "DISK_FULL"), ("eio", "WRITE_FAILED")])
@pytest.mark.parametrize("point", POINTS[:-1])
def test_failing_disk_is_a_plain_error_and_leaves_nothing(
    tmp_path: Path, child: Child, point: str, action: str, code: str
) -> None:
    done = child(WRITE, tmp_path, STROI_FAULT=f"{point}:1:{action}")
    assert done.returncode == 1
    assert done.stderr.startswith(f"{code}: ")
    assert str(tmp_path / "file") in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_full_disk_says_how_much_is_needed(tmp_path: Path, child: Child) -> None:
    limited = "import resource, signal\nsignal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
    limited += "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n" + WRITE
    done = child(limited, tmp_path)
    assert done.returncode == 1
    assert done.stderr == (
        f"DISK_FULL: no space left writing {tmp_path / 'file'} (needs 1 MB);"
        " free some space and run again; finished files are kept\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_bytes_reach_the_disk_before_the_name_and_the_name_before_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def recorded_fsync(fd: int) -> None:
        steps.append("folder" if Path(f"/dev/fd/{fd}").resolve() == tmp_path else "file")
        fsync(fd)

    def recorded_replace(source: Path, target: Path) -> Path:
        steps.append("rename")
        return replace(source, target)

    monkeypatch.setattr(files.os, "fsync", recorded_fsync)
    monkeypatch.setattr(Path, "replace", recorded_replace)
    write_atomic(tmp_path / "file", NEW)
    assert steps == ["file", "rename", "folder"]


def test_folder_that_cannot_be_is_a_plain_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(StroiError, match=r"^WRITE_FAILED: .*/file/below cannot be written"):
        write_atomic(tmp_path / "file" / "below", b"x")


def test_read_only_output_is_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(files.os, "open", refuse)
    with pytest.raises(StroiError, match=r"^OUTPUT_READ_ONLY: .* choose a folder"):
        write_atomic(tmp_path / "file", b"x")


def test_link_shares_the_bytes(tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(NEW)
    for _ in range(2):
        link_or_copy(tmp_path / "source", tmp_path / "out" / "target")
        assert (tmp_path / "source").samefile(tmp_path / "out" / "target")
        assert [path.name for path in (tmp_path / "out").iterdir()] == ["target"]


def test_copy_where_no_link_can_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(files.os, "link", refuse)
    (tmp_path / "source").write_bytes(NEW)
    link_or_copy(tmp_path / "source", tmp_path / "target")
    assert (tmp_path / "target").read_bytes() == NEW
    assert not (tmp_path / "source").samefile(tmp_path / "target")


@pytest.mark.parametrize("action", ["enospc", "eio"])
def test_copy_where_the_link_fails(tmp_path: Path, child: Child, action: str) -> None:
    (tmp_path / "source").write_bytes(NEW)
    script = (
        "import sys; from pathlib import Path; from stroi.cache.files.atomic import link_or_copy\n"
    )
    script += "folder = Path(sys.argv[1]); link_or_copy(folder / 'source', folder / 'target')"
    assert child(script, tmp_path, STROI_FAULT=f"before_link:1:{action}").returncode == 0
    assert (tmp_path / "target").read_bytes() == NEW
    assert sorted(path.name for path in tmp_path.iterdir()) == ["source", "target"]


def test_writable_folder_is_made_and_left_empty(tmp_path: Path) -> None:
    for _ in range(2):
        check_writable(tmp_path / "a" / "b")
        assert list((tmp_path / "a" / "b").iterdir()) == []


def test_folder_that_is_a_file_is_told_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(StroiError, match=r"^WRITE_FAILED: .*/file cannot be written: File exists"):
        check_writable(tmp_path / "file")


def test_no_source_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        link_or_copy(tmp_path / "source", tmp_path / "target")


def test_sweeps_only_what_a_dead_process_of_this_host_left(tmp_path: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    host = this_process().split("-")[1]
    swept = f"a.h5.tmp-{dead.pid}-{host}-00000000"
    kept = [
        f"a.h5.tmp-{os.getpid()}-{host}-00000000",
        f"a.h5.tmp-{dead.pid}-{'0' * 8}-00000000",
        f"a.h5.tmp-{dead.pid}",
        "a.h5",
    ]
    for name in (swept, *kept):
        (tmp_path / name).write_bytes(b"")
    sweep_temporaries(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(kept)
    assert is_temporary(swept)
    assert not is_temporary("a.h5")
    sweep_temporaries(tmp_path / "missing")
