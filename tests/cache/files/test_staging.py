"""A private folder: gone after the block, swept after a kill, placed only where nothing is."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from stroi.cache.errors import OutputInUse, ParamsError, StroiError
from stroi.cache.files.staging import (
    exclusive_folder,
    move_into_place,
    new_file,
    staging_folder,
    write_if_absent,
)

Child = Callable[..., "subprocess.CompletedProcess[str]"]


def test_what_is_placed_stays_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "new" / "cache"
    with staging_folder(target) as folder:
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        (folder / "made").mkdir()
        with new_file(folder / "made" / "a") as fd:
            os.write(fd, b"bytes")
        (folder / "scrap").write_bytes(b"x")
        move_into_place(folder / "made", target)
    assert [path.name for path in target.parent.iterdir()] == ["cache"]
    assert (target / "a").read_bytes() == b"bytes"


@pytest.mark.parametrize("kind", ["file", "folder", "dangling"])
def test_nothing_is_replaced(tmp_path: Path, kind: str) -> None:
    target = tmp_path / "cache"
    if kind == "file":
        target.write_bytes(b"mine")
    elif kind == "folder":
        target.mkdir()
    else:
        target.symlink_to(tmp_path / "nowhere")
    with staging_folder(target) as folder:
        (folder / "made").mkdir()
        with pytest.raises(ParamsError, match=r"TARGET_EXISTS: .*/cache exists already; name"):
            move_into_place(folder / "made", target)
    assert [path.name for path in tmp_path.iterdir()] == ["cache"]


@pytest.mark.parametrize("target", [".", "/"])
def test_a_target_without_a_name_is_refused(target: str) -> None:
    with pytest.raises(ParamsError, match="TARGET_EXISTS"), staging_folder(Path(target)):
        pass


def test_a_failure_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), staging_folder(tmp_path / "cache") as folder:
        (folder / "made").write_bytes(b"x" * (1 // 0))
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_told(tmp_path: Path) -> None:
    with (
        pytest.raises(StroiError, match=r"DISK_FULL: no space left .*/cache \(needs 8 MB\)"),
        staging_folder(tmp_path / "cache", 7_500_000),
    ):
        raise OSError(errno.ENOSPC, "full")


def test_what_a_killed_process_left_is_swept_by_the_next(tmp_path: Path, child: Child) -> None:
    script = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from stroi.cache.files.staging import staging_folder\n"
        "with staging_folder(Path(sys.argv[1])) as folder:\n"
        "    (folder / 'half').mkdir()\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    target = tmp_path / "cache"
    other = tmp_path / "cache2"
    for one in (target, other):
        assert child(script, one).returncode == -signal.SIGKILL
    assert len(list(tmp_path.iterdir())) == 2
    with staging_folder(target) as living, staging_folder(target):
        assert living.is_dir()
    [left] = tmp_path.iterdir()
    assert left.name.startswith("cache2.tmp-")


def test_links_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "there").write_bytes(b"kept")
    (tmp_path / "link").symlink_to(tmp_path / "there")
    with pytest.raises(FileExistsError), new_file(tmp_path / "link"):
        pass
    assert (tmp_path / "there").read_bytes() == b"kept"
    assert (tmp_path / "link").readlink() == tmp_path / "there"


Child = Callable[..., "subprocess.CompletedProcess[str]"]
HOLD = (
    "import sys; from pathlib import Path; from stroi.cache.files.staging import exclusive_folder\n"
)


def test_claim_makes_the_folder_and_ends_with_its_block(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "target"
    with (
        exclusive_folder(target, ()),
        pytest.raises(OutputInUse, match="OUTPUT_IN_USE"),
        exclusive_folder(target, ()),
    ):
        pass
    with exclusive_folder(target, ()):
        assert list(target.iterdir()) == []


def test_claim_ends_with_its_process(tmp_path: Path, child: Child) -> None:
    script = HOLD + (
        "import os\nwith exclusive_folder(Path(sys.argv[1]), ()): os.kill(os.getpid(), 9)\n"
    )
    assert child(script, tmp_path / "target").returncode == -9
    with exclusive_folder(tmp_path / "target", ()):
        pass


def test_claim_sweeps_what_the_dead_left_and_refuses_the_rest(tmp_path: Path, child: Child) -> None:
    script = HOLD + (
        "import os\nfrom stroi.cache.files.atomic import write_atomic\n"
        "os.environ['STROI_FAULT'] = 'mid_write:1:kill'\n"
        "write_atomic(Path(sys.argv[1]) / 'a', b'12')\n"
    )
    child(script, tmp_path)
    assert len(list(tmp_path.iterdir())) == 1
    (tmp_path / "known").touch()
    with exclusive_folder(tmp_path, {"known", "a"}):
        assert [path.name for path in tmp_path.iterdir()] == ["known"]
    (tmp_path / "b\n").touch()
    with pytest.raises(ParamsError) as caught, exclusive_folder(tmp_path, {"known"}):
        pass
    assert str(caught.value) == (
        rf"TARGET_EXISTS: {tmp_path} holds 'b\n', which this run would not have written;"
        " name another target or remove it"
    )


def test_claim_needs_no_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.ENOLCK, "no locks available")

    monkeypatch.setattr(fcntl, "flock", fail)
    with exclusive_folder(tmp_path, ()):
        pass


def test_target_that_is_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StroiError, match=r"WRITE_FAILED: .*/file cannot be written: File exists"):
        exclusive_folder(tmp_path / "file", ()).__enter__()


def test_settle_writes_once_and_never_over(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_if_absent(path, b"one")
    before = path.stat()
    write_if_absent(path, b"one")
    assert path.stat() == before
    with pytest.raises(ParamsError, match="TARGET_EXISTS"):
        write_if_absent(path, b"two")
    assert path.read_bytes() == b"one"


@pytest.mark.parametrize("what", ["link", "dangling", "folder"])
def test_settle_takes_plain_files_only(tmp_path: Path, what: str) -> None:
    (tmp_path / "one").write_bytes(b"one")
    path = tmp_path / "file"
    if what == "folder":
        path.mkdir()
    else:
        path.symlink_to(tmp_path / ("one" if what == "link" else "nowhere"))
    with pytest.raises(ParamsError, match="TARGET_EXISTS"):
        write_if_absent(path, b"one")
