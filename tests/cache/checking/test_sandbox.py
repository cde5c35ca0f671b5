"""Files are checked by a child with limits; whatever becomes of it, there is an answer."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from small_caches import make_clip, make_mosaics, write_cache, write_skeletons

from stroi.cache.checking import sandbox
from stroi.cache.checking.sandbox import Answer, Child, Request, ask
from stroi.cache.errors import StroiError
from stroi.cache.files.digests import sha256_file
from stroi.cache.manifest import read_manifest, write_manifest
from stroi.cache.skeletons import Clip
from stroi.cache.verify import verify

Script = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def request_of(folder: Path) -> Request:
    """A request for a good shard."""
    [entry, *_] = read_manifest(folder).files
    return Request(
        path=str(folder / entry.name),
        where="FILE",
        kind="mosaics",
        bytes=entry.bytes,
        sha256=entry.sha256,
        ids="\n".join(entry.ids),
        sample_sha256="".join(entry.sample_sha256),
    )


@pytest.fixture(autouse=True)
def no_child_left() -> Iterator[None]:
    """Start without a child, so that each test has its own environment's."""
    sandbox._for_each_idle("end")
    yield
    sandbox._for_each_idle("end")


def python(code: str) -> Child:
    """A child that does something else; it has one request on its standard input."""
    return Child([sys.executable, "-I", "-c", f"import os, sys; sys.stdin.readline(); {code}"])


def test_a_child_answers_again_and_again(request_of: Request) -> None:
    good = Answer(axes={"C": 3, "K": 5, "H": 20, "W": 12})
    assert ask(request_of) == good
    [child] = sandbox._idle
    assert ask(replace(request_of, sha256="0" * 64)).message.endswith(
        "no sample is hit, but the headers or the gaps between the arrays are"
    )
    assert ask(request_of) == good
    assert sandbox._idle == [child]


def test_limits_are_those_of_the_child(request_of: Request) -> None:
    before = resource.getrlimit(resource.RLIMIT_AS)
    ask(request_of)
    [child] = sandbox._idle
    limits = {
        line[:26].strip(): line[26:].split()[0]
        for line in Path(f"/proc/{child.pid}/limits").read_text().splitlines()
    }
    assert limits["Max file size"] == "0"
    assert limits["Max core file size"] == "0"
    assert limits["Max open files"] == "16"
    assert 3 <= int(limits["Max cpu time"]) <= 6
    assert int(limits["Max address space"]) < 600_000_000
    environment = Path(f"/proc/{child.pid}/environ").read_bytes().split(b"\0")
    assert b"HDF5_PLUGIN_PATH=" in environment
    assert b"HDF5_PLUGIN_PRELOAD=::" in environment
    assert not any(line.startswith((b"HOME=", b"PYTHON", b"PATH=")) for line in environment)
    assert resource.getrlimit(resource.RLIMIT_AS) == before


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("os.kill(os.getpid(), 11)", "CHECKER_CRASHED: FILE: the checker crashed (SIGSEGV)"),
        ("os.kill(os.getpid(), 24)", "CHECKER_TIME: FILE: checking it took too long"),
        (
            "os.kill(os.getpid(), 40)",
            "CHECKER_CRASHED: FILE: the checker crashed (exit status -40)",
        ),
        ("os.abort()", "CHECKER_CRASHED: FILE: the checker crashed (SIGABRT)"),
        ("sys.exit(5)", "CHECKER_CRASHED: FILE: the checker crashed (exit status 5)"),
        ("print('?')", "CHECKER_CRASHED: FILE: the checker crashed (exit status 0)"),
        ("print('[]')", "CHECKER_CRASHED: FILE: the checker crashed (exit status 0)"),
        (
            'print(\'{"code": "", "message": "", "remedy": "", "axes": {"C": Infinity}}\')',
            "CHECKER_CRASHED: FILE: the checker crashed (exit status 0)",
        ),
        ("print('x' * 10**6)", "CHECKER_CRASHED: FILE: the checker talked nonsense"),
        (
            "print('{}', flush=True); import time; time.sleep(60)",
            "CHECKER_CRASHED: FILE: the checker talked nonsense",
        ),
    ],
    ids=range(10),
)
def test_whatever_becomes_of_the_child_is_an_answer(
    request_of: Request, code: str, expected: str
) -> None:
    child = python(code)
    answer = child.ask(request_of)
    assert f"{answer.code}: {answer.message}".startswith(expected)
    assert answer.remedy == "do not use the file; fetch it again from someone you trust"
    assert not child.alive


def test_what_a_child_says_is_not_believed_to_be_printable(request_of: Request) -> None:
    said = {"code": "A\x1b[2J", "message": "b\n\u202e" + "c" * 10_000, "remedy": "", "axes": {}}
    child = python(f"print({json.dumps(said)!r})")
    answer = child.ask(request_of)
    child.end()
    assert answer.code == r"A\x1b[2J"
    assert answer.message.startswith(r"b\n\u202eccc")
    assert len(answer.message) < 2100


def test_a_child_that_died_meanwhile_is_replaced(request_of: Request) -> None:
    ask(request_of)
    [child] = sandbox._idle
    os.kill(child.pid, signal.SIGKILL)
    while child.alive:
        pass
    assert ask(request_of).code == ""
    assert sandbox._idle[0].pid != child.pid


def test_crash_costs_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each child dies at its second file."""
    folder = write_cache(tmp_path, [make_mosaics((f"c{i}",), seed=i) for i in range(5)])
    monkeypatch.setenv("STROI_FAULT", "before_check:2:kill")
    assert verify(folder) == [
        f"CHECKER_CRASHED: {folder}/mosaics-{number:05d}.h5: the checker crashed (SIGKILL);"
        " do not use the file; fetch it again from someone you trust"
        for number in (1, 3)
    ]


def test_interrupt_leaves_no_child_in_the_middle_of_an_answer(
    request_of: Request, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> Answer:
        raise KeyboardInterrupt

    monkeypatch.setattr("stroi.cache.checking.sandbox._read_answer", interrupt)
    with pytest.raises(KeyboardInterrupt):
        ask(request_of)
    assert sandbox._idle == []


def test_memory_and_time_are_limited(request_of: Request) -> None:
    """A check that would need a gigabyte, or for ever, ends."""
    hog = (
        "from stroi.cache.checking import checker; checker.check = lambda request: {};"
        "from stroi.cache.checking.checker import serve; serve()"
    )
    grow = Child([sys.executable, "-c", hog.format("bytes(1 << 30)")])
    answer = grow.ask(request_of)
    assert f"{answer.code}: {answer.message}" == (
        "CHECKER_MEMORY: FILE: checking it needed more than 201 MB"
    )
    assert grow.alive
    grow.end()
    loop = Child([sys.executable, "-c", hog.format("sum(iter(int, 1))")])
    answer = loop.ask(request_of)
    assert f"{answer.code}: {answer.message}" == "CHECKER_TIME: FILE: checking it took too long"


def test_child_cannot_write(request_of: Request, tmp_path: Path) -> None:
    script = (
        "from stroi.cache.checking import checker; from pathlib import Path;"
        f"checker.check = lambda request: Path({str(tmp_path / 'x')!r}).write_text('x');"
        "from stroi.cache.checking.checker import serve; serve()"
    )
    child = Child([sys.executable, "-c", script])
    assert child.ask(request_of).code == "CHECKER_CRASHED"
    assert (tmp_path / "x").read_text() == ""


def test_memory_does_not_grow_with_the_file(tmp_path: Path, child: Script) -> None:
    """200 MB of skeletons, the last value not a number: neither process holds the file."""
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
            "print(verify(Path(sys.argv[1]))[0])\n"
            "from stroi.cache.checking import sandbox\n"
            "for pid in ('self', sandbox._idle[0].pid):\n"
            "    status = Path(f'/proc/{pid}/status').read_text()\n"
            "    assert int(status.split('VmHWM:')[1].split()[0]) < 100_000, status\n",
            folder,
        )
        assert done.stderr == ""
        wanted = "damaged: b of 2 samples" if damaged else "keypoints of 'b' holds NaN"
        assert wanted in done.stdout


def test_several_threads_have_a_child_each(request_of: Request) -> None:
    answers: list[Answer] = []
    threads = [threading.Thread(target=lambda: answers.append(ask(request_of))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [answer.code for answer in answers] == [""] * 4
    assert 1 <= len(sandbox._idle) <= 4


def test_one_child_waits_for_the_next_folder(tmp_path: Path) -> None:
    folder = write_cache(tmp_path, [make_mosaics((f"c{i:02d}",), seed=i) for i in range(20)])
    assert verify(folder, jobs=4) == []
    assert len(sandbox._idle) == 1


def test_no_room_for_a_child_is_said(request_of: Request, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(StroiError, match=r"^CHECKER_START: .*cannot be started: No such file"):
        ask(request_of)


def test_it_works_in_forked_and_in_fresh_workers(folder: Path) -> None:
    """As in a DataLoader's workers and in joblib's; the parent's child stays the parent's."""
    script = """
import multiprocessing, sys
from pathlib import Path
from stroi.cache.checking import sandbox
from stroi.cache.verify import verify

def work(folder):
    before = [child.pid for child in sandbox._idle]
    return before, verify(folder), [child.pid for child in sandbox._idle]

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    assert verify(folder) == []
    [mine] = [child.pid for child in sandbox._idle]
    for way in ("fork", "spawn"):
        with multiprocessing.get_context(way).Pool(2) as pool:
            for before, problems, after in pool.map(work, [folder] * 4):
                assert problems == [] and mine not in before and mine not in after
    assert verify(folder) == []
    assert [child.pid for child in sandbox._idle] == [mine]
    print("good")
"""
    path = folder.parent / "workers.py"
    path.write_text(script)
    done = subprocess.run([sys.executable, path, folder], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("good\n", "")


def test_nothing_is_left_when_the_process_ends(folder: Path, child: Script) -> None:
    done = child(
        "import sys\nfrom pathlib import Path\nfrom stroi.cache.checking import sandbox\n"
        "from stroi.cache.verify import verify\n"
        "assert verify(Path(sys.argv[1])) == []\nprint(sandbox._idle[0].pid)",
        folder,
        PYTHONWARNINGS="error",
    )
    assert done.stderr == ""
    assert not Path(f"/proc/{int(done.stdout)}").exists()


def test_stroi_is_found_by_the_search_path_alone(folder: Path, tmp_path: Path) -> None:
    """As it is when PYTHONPATH leads to it, which the child's own Python ignores."""
    (tmp_path / "way" / "stroi").mkdir(parents=True)
    (tmp_path / "way" / "stroi" / "cache").symlink_to(Path(sandbox.__file__).parents[1])
    packages = Path(np.__file__).parent.parent
    bare = getattr(sys, "_base_executable", sys.executable)  # outside of the virtual environment
    done = subprocess.run(
        [bare, "-c", "import sys\nfrom pathlib import Path\n"
         "from stroi.cache import verify\nfrom stroi.cache.checking import sandbox\n"
         "assert 'way' in sandbox.__file__\n"
         "print(verify.verify(Path(sys.argv[1])))", folder],
        env={**os.environ, "PYTHONPATH": f"{tmp_path / 'way'}:{packages}"},
        capture_output=True,
        text=True,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_request_is_ascii(request_of: Request) -> None:
    """A path that is not UTF-8 reaches the child."""
    path = os.fsdecode(b"/nowhere/\xff.h5")
    assert json.dumps(asdict(replace(request_of, path=path))).isascii()
    answer = ask(replace(request_of, path=path))
    assert answer == Answer(
        "FILE_READ", "FILE cannot be opened: No such file or directory", "give a regular file"
    )
