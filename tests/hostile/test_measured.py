"""What the other tests of this folder measure with tells the truth."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from measured import run_measured

MB = 1_000_000
FAT = "b = bytearray(150_000_000); b[::4096] = b'x' * len(b[::4096])"


def python(code: str) -> list[str]:
    return [sys.executable, "-I", "-S", "-c", code]


def test_status_and_output() -> None:
    done = run_measured(
        python(
            "import os, sys; print(os.getcwd(), os.environ['X'], sys.stdin.read() == '');"
            "sys.stderr.buffer.write(b'one\\ntw\\xff\\n'); sys.exit(3)"
        ),
        cwd=Path("/"),
        env={"X": "y"},
    )
    assert (done.returncode, done.stdout, done.stderr) == (3, "/ y True\n", "one\ntw\\xff\n")
    assert done.last_error == "tw\\xff"
    assert done.wall_seconds < 20


def test_signal_and_missing_command() -> None:
    assert run_measured(python("import os; os.kill(os.getpid(), 11)")).returncode == -11
    done = run_measured(["./none"])
    assert (done.returncode, done.stderr) == (127, "./none: No such file or directory\n")


def test_peak_is_the_command_s_own() -> None:
    """A thin command of this process, fat at the moment, stays thin; a fat one is seen."""
    ballast = bytearray(300 * MB)
    ballast[::4096] = b"x" * len(ballast[::4096])
    thin = run_measured(python("pass")).peak_bytes
    assert 2 * MB < thin < 40 * MB
    assert 150 * MB < run_measured(python(FAT)).peak_bytes < 200 * MB
    assert len(ballast) == 300 * MB


def test_peak_of_a_grandchild_counts() -> None:
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-ISc', {FAT!r}], check=True)"
    assert 150 * MB < run_measured(python(code)).peak_bytes < 200 * MB


def test_seconds_are_of_the_processor_grandchildren_s_too() -> None:
    spin = "import time\nwhile time.process_time() < 0.4: pass"
    run = f"subprocess.run([sys.executable, '-ISc', {spin!r}], check=True)"
    code = f"import subprocess, sys, time; time.sleep(1); {run}"
    done = run_measured(python(code))
    assert 0.4 <= done.seconds < 1 < done.wall_seconds


def test_time_out_kills_the_whole_group(tmp_path: Path) -> None:
    code = (
        "import os, sys, time; child = os.fork();"
        "print(os.getpid(), flush=True); time.sleep(60 if child else 61)"
    )
    start = time.monotonic()
    done = run_measured(python(code), cwd=tmp_path, timeout=0.5)
    assert done.returncode == -9
    assert 0.5 <= done.wall_seconds <= time.monotonic() - start < 20
    pids = [int(line) for line in done.stdout.split()]
    assert len(pids) == 2
    assert not any(runs(pid) for pid in pids)


def test_what_a_command_leaves_running_is_killed() -> None:
    code = (
        "import os, time\nif os.fork() == 0:\n    print(os.getpid(), flush=True); time.sleep(60)\n"
        "else:\n    time.sleep(0.3)"
    )
    done = run_measured(python(code))
    assert done.returncode == 0
    assert done.wall_seconds < 20
    assert not runs(int(done.stdout))


def runs(pid: int) -> bool:
    """Whether the process is still alive after a moment; a zombie is not."""
    deadline = time.monotonic() + 2
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return False
        if state == "Z":
            return False
        time.sleep(0.01)
    return True
