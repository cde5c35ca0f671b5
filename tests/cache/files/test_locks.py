"""One writer at a time."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from stroi.cache.errors import OutputInUse, StroiError
from stroi.cache.files.locks import lock

Child = Callable[..., subprocess.CompletedProcess[str]]
SECOND = """
import sys
from pathlib import Path
from stroi.cache.errors import StroiError
from stroi.cache.files.locks import lock
try:
    with lock(Path(sys.argv[1])):
        print("got it")
except StroiError as error:
    print(error, file=sys.stderr)
    sys.exit(error.exit_status)
"""
HOLDER = """
import sys, time
from pathlib import Path
from stroi.cache.files.locks import lock
with lock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_second_process_is_told_who_holds_the_output(tmp_path: Path, child: Child) -> None:
    path = tmp_path / "out" / ".lock"
    with lock(path):
        done = child(SECOND, path)
    assert done.returncode == 4
    holder = f"process {os.getpid()} on {socket.gethostname()} since 2"
    assert done.stderr.startswith(f"OUTPUT_IN_USE: {path} is in use by {holder}")
    assert done.stderr.endswith("UTC; wait for it to end, or write to another folder\n")
    assert len(done.stderr.splitlines()) == 1


def test_lock_is_free_again_afterwards(tmp_path: Path, child: Child) -> None:
    with lock(tmp_path / "lock"):
        pass
    with pytest.raises(RuntimeError, match="work failed"), lock(tmp_path / "lock"):
        raise RuntimeError("work failed")
    assert child(SECOND, tmp_path / "lock").stdout == "got it\n"


def test_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    with holder, holder.stdout:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(OutputInUse, match=f"process {holder.pid} on"), lock(path):
            pass
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    with lock(path):
        pass


def test_shared_lock_is_shared_and_keeps_the_exclusive_one_out(
    tmp_path: Path, child: Child
) -> None:
    path = tmp_path / "lock"
    shared = SECOND.replace("sys.argv[1])", "sys.argv[1]), shared=True")
    with lock(path, shared=True):
        assert child(shared, path).stdout == "got it\n"
        assert child(SECOND, path).returncode == 4
    with lock(path):
        assert child(shared, path).returncode == 4


def test_lock_where_none_can_be_is_a_plain_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    match = r"^WRITE_FAILED: .*/file/lock cannot be written: File exists"
    with pytest.raises(StroiError, match=match), lock(tmp_path / "file" / "lock"):
        pass


def test_lock_is_held_on_a_full_disk(tmp_path: Path, child: Child) -> None:
    limited = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))\n" + SECOND
    assert child(limited, tmp_path / "lock").stdout == "got it\n"
