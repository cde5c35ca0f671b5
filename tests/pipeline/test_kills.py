"""kill -9 in a row on a running `stroi mosaics`, at random moments."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from projects import environment, tree
from tiny import Forks, fast_folder, forks, stroi_command, tiny_project, tiny_videos

from stroi.cache.verify import verify

pytestmark = pytest.mark.slow
OUT = Path("data", "tiny", "mosaics")
SHELF = Path(".stroi", "mosaics")


def _check_names(project: Path, good: Mapping[str, bytes]) -> None:
    """Every file under a final name is what the undisturbed run made."""
    for folder in (OUT, SHELF):
        for name, data in tree(project / folder).items():
            if ".tmp-" not in name:
                assert data == good[str(folder / name)], f"{folder / name} is half-written"
    if (project / OUT / "manifest.json").exists():
        assert verify(project / OUT) == []


def _made(project: Path) -> dict[str, bytes]:
    return {
        str(folder / name): data
        for folder in (OUT, SHELF)
        for name, data in tree(project / folder).items()
    }


class Command:
    """`stroi mosaics` with two workers, a process of its own."""

    jobs = 2

    def __init__(self, project: Path) -> None:
        self._process = subprocess.Popen(
            stroi_command("mosaics", "tiny", "--root", project, "--jobs", self.jobs),
            env=environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self.pid = self._process.pid

    def poll(self) -> int | None:
        """The exit status; None while it runs."""
        return self._process.poll()


class Fork:
    """`stroi mosaics` in a fork of a process that has everything imported."""

    def __init__(self, project: Path, runner: Forks) -> None:
        self._runner = runner
        self.pid = runner.start("mosaics", "tiny", "--root", project, "--jobs", 1)
        self._status: int | None = None

    def poll(self) -> int | None:
        """The exit status; None while it runs."""
        if self._status is None:
            self._status = self._runner.poll(self.pid)
        return self._status


Running = Command | Fork


def _wait(run: Running, seconds: float = 60.0) -> int | None:
    """The exit status, or None if it still runs after `seconds`."""
    end = time.monotonic() + seconds
    while (status := run.poll()) is None and time.monotonic() < end:
        time.sleep(0.002)
    return status


def _kill_group(run: Running) -> None:
    os.killpg(run.pid, signal.SIGKILL)
    assert _wait(run) is not None
    # What loky's tracker would remove, had it not been killed as well.
    for left in Path("/dev/shm").glob(f"sem.loky-{run.pid}-*"):
        left.unlink(missing_ok=True)
    for left in Path("/dev/shm").glob(f"joblib_memmapping_folder_{run.pid}_*"):
        shutil.rmtree(left, ignore_errors=True)


@pytest.mark.parametrize(
    ("kills", "commands"),
    [
        pytest.param(5, False, id="five forks"),
        pytest.param(30, True, id="thirty commands", marks=pytest.mark.nightly),
    ],
)
def test_kills_in_a_row(tmp_path: Path, kills: int, commands: bool) -> None:
    """Whenever a run gets through its bytes are compared, and all begins again."""
    with fast_folder(tmp_path) as folder, forks(tmp_path) as runner:
        raw = tiny_videos(folder / "raw", clips=6, frames=12, times=25)
        project = tiny_project(folder / "project", raw, size=200, per_shard=2)
        for name in ("index", "skeletons", "mosaics"):
            assert runner.stage(project, name).status == 0
        good = _made(project)
        shards = len(list((project / SHELF).glob("*.h5")))
        _forget(project)
        moments = random.Random(11)
        killed = with_clip = partly = 0

        def start() -> Running:
            return Command(project) if commands else Fork(project, runner)

        while killed < kills:
            before = _marks(project)
            run = start()
            if moments.random() < 0.7:
                _wait_for_work(run, project, before)
            status = _wait(run, moments.uniform(0.0, 0.6))
            if status is None:
                _kill_group(run)
                killed += 1
                with_clip += _marks(project) != before
                partly += 0 < len(list((project / SHELF).glob("*.h5"))) < shards
                _check_names(project, good)
                continue
            assert status == 0
            assert _made(project) == good
            _forget(project)
        assert _wait(start()) == 0
        assert _made(project) == good
        assert with_clip >= kills // 4, "hardly a kill hit a worker with a clip in its hands"
        assert partly >= kills // 4, "hardly a kill hit a half-finished run"


def _marks(project: Path) -> set[str]:
    return {path.name for path in (project / ".stroi" / "marks").glob("*")}


def _wait_for_work(
    process: Running | subprocess.Popen[str], project: Path, before: set[str]
) -> None:
    """Until a worker has a clip in its hands, or there is none left."""
    while _marks(project) <= before and process.poll() is None:
        time.sleep(0.002)


def _forget(project: Path) -> None:
    shutil.rmtree(project / OUT, ignore_errors=True)
    shutil.rmtree(project / SHELF)


@pytest.mark.parametrize(
    "number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.nightly)]
)
def test_interrupted_run_ends_at_once_and_leaves_nothing(tmp_path: Path, number: int) -> None:
    with fast_folder(tmp_path) as folder, forks(tmp_path) as runner:
        raw = tiny_videos(folder / "raw", clips=3, frames=20)
        project = tiny_project(folder / "project", raw, size=600, per_shard=1)
        for name in ("index", "skeletons"):
            assert runner.stage(project, name).status == 0
        process = subprocess.Popen(
            stroi_command("mosaics", "tiny", "--root", project, "--jobs", 2),
            env=environment(),
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        _wait_for_work(process, project, set())
        os.kill(process.pid, number)
        began = time.monotonic()
        _, stderr = process.communicate(timeout=30)
        assert time.monotonic() - began < 10
        assert process.returncode == 130, stderr
        assert stderr.splitlines()[-1].startswith("error: interrupted; run the same command again")
        assert "Traceback" not in stderr
        assert [path for path in project.rglob("*") if ".tmp-" in path.name] == []
        assert runner.stage(project, "mosaics").status == 0
        assert verify(project / OUT) == []
