"""Thirty kill -9 in a row on a running `stroi mosaics`, at random moments."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from projects import environment, tree
from tiny import fast_folder, forks, stroi_command, tiny_project, tiny_videos

from stroi.cache.verify import verify

pytestmark = pytest.mark.slow
KILLS = 30
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


def _start(project: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        stroi_command("mosaics", "tiny", "--root", project, "--jobs", 2),
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    # What loky's tracker would remove, had it not been killed as well.
    for left in Path("/dev/shm").glob(f"sem.loky-{process.pid}-*"):
        left.unlink(missing_ok=True)
    for left in Path("/dev/shm").glob(f"joblib_memmapping_folder_{process.pid}_*"):
        shutil.rmtree(left, ignore_errors=True)


def test_thirty_kills_in_a_row(tmp_path: Path) -> None:
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
        kills = with_clip = partly = 0
        while kills < KILLS:
            before = _marks(project)
            process = _start(project)
            if moments.random() < 0.7:
                _wait_for_work(process, project, before)
            try:
                process.wait(timeout=moments.uniform(0.0, 0.6))
            except subprocess.TimeoutExpired:
                _kill_group(process)
                kills += 1
                with_clip += _marks(project) != before
                partly += 0 < len(list((project / SHELF).glob("*.h5"))) < shards
                _check_names(project, good)
                continue
            assert process.returncode == 0
            assert _made(project) == good
            _forget(project)
        assert _start(project).wait() == 0
        assert _made(project) == good
        assert with_clip >= KILLS // 4, "hardly a kill hit a worker with a clip in its hands"
        assert partly >= KILLS // 4, "hardly a kill hit a half-finished run"


def _marks(project: Path) -> set[str]:
    return {path.name for path in (project / ".stroi" / "marks").glob("*")}


def _wait_for_work(process: subprocess.Popen[Any], project: Path, before: set[str]) -> None:
    """Until a worker has a clip in its hands, or there is none left."""
    while _marks(project) <= before and process.poll() is None:
        time.sleep(0.002)


def _forget(project: Path) -> None:
    shutil.rmtree(project / OUT, ignore_errors=True)
    shutil.rmtree(project / SHELF)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
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
