"""Received files are read by a child with limits; whatever becomes of it, there is an answer."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from small_caches import make_clip, make_mosaics, write_cache, write_skeletons

from stroi.cache.checking.sandbox import UNTRUSTED, LimitedRun, run_limited, understand
from stroi.cache.errors import RefusedInput, StroiError
from stroi.cache.files.digests import sha256_file
from stroi.cache.manifest import read_manifest, write_manifest
from stroi.cache.skeletons import Clip
from stroi.cache.verify import find_problems, verify

Script = Callable[..., "subprocess.CompletedProcess[str]"]


def run(function: Callable[[], object], seconds: int = 1) -> object:
    return run_limited(function, "FILE", memory=100_000_000, seconds=seconds)


def refusal(function: Callable[[], object]) -> str:
    with pytest.raises(RefusedInput) as caught:
        run(function)
    return str(caught.value)


def test_the_value_comes_back() -> None:
    assert run(lambda: {"C": [1, "é"]}) == {"C": [1, "é"]}


def test_a_refusal_comes_back() -> None:
    def refuse() -> None:
        raise StroiError("CODE", "what is wrong", remedy="mend it")

    assert refusal(refuse) == "CODE: what is wrong; mend it"


def test_limits_are_those_of_the_child() -> None:
    names = (resource.RLIMIT_FSIZE, resource.RLIMIT_CORE, resource.RLIMIT_CPU, resource.RLIMIT_DATA)
    before = [resource.getrlimit(name) for name in names]
    size, core, cpu, data = run(lambda: [resource.getrlimit(name)[0] for name in names], seconds=9)  # type: ignore[misc]
    assert (size, core) == (0, 0)
    assert 9 <= cpu < 9 + 600
    now = int(Path("/proc/self/statm").read_text().split()[5]) * resource.getpagesize()
    assert abs(data - now - 100_000_000) < 100_000_000
    assert [resource.getrlimit(name) for name in names] == before


def _children() -> set[str]:
    """Ids of this process's children, ended and not waited for included."""
    tasks = Path("/proc/self/task").glob("*/children")
    return {child for task in tasks for child in task.read_text("ascii").split()}


def spin() -> None:
    while True:
        pass


def fail() -> None:
    raise RuntimeError("\x1b[31m")


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda: os.kill(os.getpid(), 9), "READER_CRASHED: FILE: its reader crashed (SIGKILL)"),
        (lambda: os.kill(os.getpid(), 40), "READER_CRASHED: FILE: its reader crashed (exit status"),
        (lambda: os._exit(5), "READER_CRASHED: FILE: its reader crashed (exit status 5)"),
        (fail, "READER_CRASHED: FILE: its reader crashed (RuntimeError('\\x1b[31m'))"),
        (spin, "READER_TIME: FILE: reading it takes too long"),
        (
            # More than the process may have freed and kept before.
            lambda: len(np.ones(1 << 34, np.uint8)),
            "READER_MEMORY: FILE: reading it takes too much memory",
        ),
    ],
    ids=range(6),
)
def test_whatever_becomes_of_the_child_is_an_answer(
    function: Callable[[], object], expected: str
) -> None:
    text = refusal(function)
    assert text.startswith(expected)
    assert text.endswith(UNTRUSTED)


def test_the_child_cannot_write(tmp_path: Path) -> None:
    def write() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        (tmp_path / "x").write_text("x")

    assert "File too large" in refusal(write)
    assert (tmp_path / "x").read_text() == ""


def test_a_child_that_is_killed_leaves_nothing() -> None:
    before, children = len(list(Path("/proc/self/fd").iterdir())), _children()
    running = LimitedRun(spin, "FILE", memory=1 << 20, seconds=60)
    running.kill()
    assert _children() == children
    assert len(list(Path("/proc/self/fd").iterdir())) == before


@pytest.mark.parametrize("answer", [b"", b"?", b"[]", b"[" * 100_000, b"\xff", b"null"])
def test_nonsense_is_no_answer(answer: bytes) -> None:
    with pytest.raises(RefusedInput, match=r"READER_CRASHED: FILE: .*exit status 0"):
        understand(answer, 0, "FILE")


def test_what_a_child_says_is_not_believed_to_be_printable() -> None:
    answer = {"code": "A\x1b[2J", "text": "b\n\u202e" + "c" * 10_000, "remedy": ""}
    with pytest.raises(RefusedInput) as caught:
        understand(json.dumps(answer).encode(), 0, "FILE")
    assert caught.value.code == r"A\x1b[2J"
    assert caught.value.message.startswith(r"b\n\u202eccc")
    assert len(caught.value.message) < 2100


def test_a_crash_costs_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_cache(tmp_path, [make_mosaics((f"c{i}",), seed=i) for i in range(3)])
    monkeypatch.setenv("STROI_FAULT", "before_check:1:kill")
    assert verify(folder, received=True, jobs=2) == [
        f"READER_CRASHED: {folder}/mosaics-{number:05d}.h5: its reader crashed (SIGKILL);"
        f" {UNTRUSTED}"
        for number in range(3)
    ]


def test_children_end_when_nobody_waits_for_them(tmp_path: Path) -> None:
    folder = write_cache(tmp_path, [make_mosaics((f"c{i}",), seed=i) for i in range(4)])
    (folder / "mosaics-00000.h5").unlink()
    children = _children()
    problems = find_problems(folder, read_manifest(folder), jobs=3, received=True)
    assert next(problems).code == "FILE_MISSING"
    assert _children() > children
    problems.close()  # type: ignore[attr-defined]
    assert _children() == children


@pytest.mark.parametrize("received", [True, False])
def test_memory_does_not_grow_with_the_file(tmp_path: Path, child: Script, received: bool) -> None:
    """200 MB of skeletons, the last value not a number: no process holds the file."""
    clip = make_clip(1)
    long = Clip(np.zeros((340_000, 2, 25, 3), np.float32), 1, 320, 240, 30.0)
    folder = write_skeletons(tmp_path, {"a": long, "b": clip})
    path = folder / "skeletons-00000.h5"
    assert path.stat().st_size > 200_000_000
    last = clip.keypoints.tobytes()
    with path.open("r+b") as file:
        file.seek(-len(last) - 100, os.SEEK_END)
        tail = file.read()
        file.seek(-len(tail), os.SEEK_END)
        file.write(tail.replace(last[:4], np.float32(np.nan).tobytes()))
    for damaged in (True, False):
        if not damaged:
            entry = replace(read_manifest(folder).files[0], sha256=sha256_file(path))
            write_manifest(folder, replace(read_manifest(folder), files=(entry,)))
        done = child(
            "import resource, sys\n"
            "from pathlib import Path\n"
            "from stroi.cache.verify import verify\n"
            f"print(verify(Path(sys.argv[1]), received={received})[0])\n"
            "own = Path('/proc/self/status').read_text().split('VmHWM:')[1].split()[0]\n"
            "children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss\n"
            "assert int(own) < 100_000 and children < 100_000, (own, children)\n",
            folder,
        )
        assert done.stderr == ""
        expected = "damaged: b of 2 samples" if damaged else "keypoints of 'b' holds NaN"
        assert expected in done.stdout


def test_it_works_in_forked_and_in_fresh_workers(folder: Path) -> None:
    """As in a DataLoader's workers and in joblib's."""
    script = """
import multiprocessing, sys
from pathlib import Path
from stroi.cache.verify import verify

def work(folder):
    return verify(folder, received=True)

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    assert verify(folder, received=True) == []
    for way in ("fork", "spawn"):
        with multiprocessing.get_context(way).Pool(2) as pool:
            assert pool.map(work, [folder] * 4) == [[]] * 4
    print("good")
"""
    path = folder.parent / "workers.py"
    path.write_text(script)
    done = subprocess.run([sys.executable, path, folder], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("good\n", "")
