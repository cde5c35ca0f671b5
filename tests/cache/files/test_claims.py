"""Folders that one run fills."""

from __future__ import annotations

import errno
import fcntl
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from stroi.cache.errors import OutputInUse, ParamsError, StroiError
from stroi.cache.files.claims import claimed, settle

Child = Callable[..., "subprocess.CompletedProcess[str]"]
HOLD = "import sys; from pathlib import Path; from stroi.cache.files.claims import claimed\n"


def test_claim_makes_the_folder_and_ends_with_its_block(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "target"
    with (
        claimed(target, ()),
        pytest.raises(OutputInUse, match="OUTPUT_IN_USE"),
        claimed(target, ()),
    ):
        pass
    with claimed(target, ()):
        assert list(target.iterdir()) == []


def test_claim_ends_with_its_process(tmp_path: Path, child: Child) -> None:
    script = HOLD + "import os\nwith claimed(Path(sys.argv[1]), ()): os.kill(os.getpid(), 9)\n"
    assert child(script, tmp_path / "target").returncode == -9
    with claimed(tmp_path / "target", ()):
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
    with claimed(tmp_path, {"known", "a"}):
        assert [path.name for path in tmp_path.iterdir()] == ["known"]
    (tmp_path / "b\n").touch()
    with pytest.raises(ParamsError) as caught, claimed(tmp_path, {"known"}):
        pass
    assert str(caught.value) == (
        rf"TARGET_EXISTS: {tmp_path} holds 'b\n', which this run would not have written;"
        " name another target or remove it"
    )


def test_claim_needs_no_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.ENOLCK, "no locks available")

    monkeypatch.setattr(fcntl, "flock", fail)
    with claimed(tmp_path, ()):
        pass


def test_target_that_is_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StroiError, match=r"WRITE_FAILED: .*/file cannot be written: File exists"):
        claimed(tmp_path / "file", ()).__enter__()


def test_settle_writes_once_and_never_over(tmp_path: Path) -> None:
    path = tmp_path / "file"
    settle(path, b"one")
    before = path.stat()
    settle(path, b"one")
    assert path.stat() == before
    with pytest.raises(ParamsError, match="TARGET_EXISTS"):
        settle(path, b"two")
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
        settle(path, b"one")
