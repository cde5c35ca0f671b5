"""A private folder: gone after the block, swept after a kill, placed only where nothing is."""

from __future__ import annotations

import errno
import signal
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from stroi.cache.errors import ParamsError, StroiError
from stroi.cache.files.staging import new_file, place, private_folder, write_all

Child = Callable[..., "subprocess.CompletedProcess[str]"]


def test_what_is_placed_stays_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "new" / "cache"
    with private_folder(target) as folder:
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        (folder / "made").mkdir()
        with new_file(folder / "made" / "a") as fd:
            write_all(fd, b"bytes")
        (folder / "scrap").write_bytes(b"x")
        place(folder / "made", target)
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
    with private_folder(target) as folder:
        (folder / "made").mkdir()
        with pytest.raises(ParamsError, match=r"TARGET_EXISTS: .*/cache exists already; name"):
            place(folder / "made", target)
    assert [path.name for path in tmp_path.iterdir()] == ["cache"]


@pytest.mark.parametrize("target", [".", "/"])
def test_a_target_without_a_name_is_refused(target: str) -> None:
    with pytest.raises(ParamsError, match="TARGET_EXISTS"), private_folder(Path(target)):
        pass


def test_a_failure_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), private_folder(tmp_path / "cache") as folder:
        (folder / "made").write_bytes(b"x" * (1 // 0))
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_told(tmp_path: Path) -> None:
    with (
        pytest.raises(StroiError, match=r"DISK_FULL: no space left .*/cache \(needs 8 MB\)"),
        private_folder(tmp_path / "cache", 7_500_000),
    ):
        raise OSError(errno.ENOSPC, "full")


def test_what_a_killed_process_left_is_swept_by_the_next(tmp_path: Path, child: Child) -> None:
    script = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from stroi.cache.files.staging import private_folder\n"
        "with private_folder(Path(sys.argv[1])) as folder:\n"
        "    (folder / 'half').mkdir()\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    target = tmp_path / "cache"
    other = tmp_path / "cache2"
    for one in (target, other):
        assert child(script, one).returncode == -signal.SIGKILL
    assert len(list(tmp_path.iterdir())) == 2
    with private_folder(target) as living, private_folder(target):
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
