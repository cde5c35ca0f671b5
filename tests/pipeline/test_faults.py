"""Every write of a stage fails once, in every way: nothing is half-written, a rerun ends equal."""

from __future__ import annotations

import re
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from tiny import Ended, Forks, fast_folder, forks, tiny_project, tiny_videos

from stroi.cache.verify import verify

POINTS = (
    "after_decode",
    "before_write",
    "mid_write",
    "before_fsync",
    "before_rename",
    "after_rename",
    "before_link",
    "before_manifest",
    "after_manifest",
)
SAME_WRITER = ("before_write", "mid_write", "before_fsync", "before_rename", "after_rename")
"""Points of the writer that both stages share: of `skeletons`, which estimates poses, nightly."""
STAGES = ("skeletons", "mosaics")
CODES = {"enospc": {"DISK_FULL", "CLIP_READ"}, "eio": {"WRITE_FAILED", "CLIP_READ"}}
Files = dict[str, bytes]


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forks]:
    with forks(tmp_path_factory.mktemp("forks")) as server:
        yield server


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with fast_folder(tmp_path_factory.mktemp("faults")) as fast:
        yield fast


@pytest.fixture(scope="module")
def before(folder: Path, runner: Forks) -> dict[str, Path]:
    """For each stage a project in which everything before it is done."""
    raw = tiny_videos(folder / "raw", clips=2)
    project = tiny_project(folder / "skeletons", raw, per_shard=2)
    assert runner.stage(project, "index").status == 0
    assert runner.stage(project, "skeletons").status == 0
    shutil.copytree(project, folder / "mosaics", symlinks=True)
    # One clip's people are kept, the other's have to be found again.
    shutil.rmtree(project / "data" / "tiny" / "skeletons")
    shutil.rmtree(project / ".stroi" / "skeletons")
    next((project / ".stroi" / "detections").iterdir()).unlink()
    return {name: folder / name for name in STAGES}


@pytest.fixture(scope="module")
def undisturbed(before: dict[str, Path], folder: Path, runner: Forks) -> dict[str, Files]:
    """For each stage all files of its out and of the store after a run without a fault."""
    made = {}
    for name in STAGES:
        project = folder / f"undisturbed-{name}"
        shutil.copytree(before[name], project, symlinks=True)
        assert runner.stage(project, name).status == 0
        assert verify(project / "data" / "tiny" / name) == []
        made[name] = _files(project, name)
    return made


def _files(project: Path, name: str) -> Files:
    """What a stage leaves, by name: its out and the store, but for locks and folders' names.

    Whether a cache is noted as verified depends on how long ago it changed.
    """
    found = {}
    for folder in (project / "data" / "tiny" / name, project / ".stroi"):
        for path in sorted(folder.rglob("*")):
            if path.is_file() and path.parent.name not in ("locks", "verified"):
                found[str(path.relative_to(project))] = path.read_bytes()
    return found


def _is_final(name: str) -> bool:
    """Finished clips are gone at the end: their shards have them."""
    return ".tmp-" not in name and "/marks/" not in name and "/clips/" not in name


def _check_nothing_half_written(project: Path, name: str, good: Files) -> None:
    for path, data in _files(project, name).items():
        if _is_final(path):
            assert data == good[path], f"{path} is half-written"


def _check_rerun(runner: Forks, project: Path, name: str, good: Files) -> None:
    done = runner.stage(project, name)
    assert done.status == 0, done.stderr
    assert _files(project, name) == good


def _check_refusal(done: Ended, project: Path, action: str) -> None:
    match = re.fullmatch(r"error: ([A-Z_]+): .*[^.]; .*[^.]", done.last_line)
    assert match is not None, done.stderr
    assert match[1] in CODES[action], done.last_line
    assert done.stderr.count("error:") == 1
    assert "Traceback" not in done.stderr
    left = [str(path) for path in project.rglob("*.tmp-*")]
    assert left == [], "a temporary was left"


@pytest.mark.parametrize(
    ("name", "point"),
    [
        pytest.param(
            name,
            point,
            marks=[pytest.mark.nightly] if name == "skeletons" and point in SAME_WRITER else [],
        )
        for name in STAGES
        for point in POINTS
    ],
)
def test_fault_at_every_passing_of_every_point(
    runner: Forks,
    before: dict[str, Path],
    undisturbed: dict[str, Files],
    folder: Path,
    name: str,
    point: str,
) -> None:
    """Kill -9, full disk and failing disk at the first, second, ... passing until none fires."""
    fired = {"kill": 0, "enospc": 0, "eio": 0}
    for action in fired:
        while True:
            passing = fired[action] + 1
            if action != "kill" and passing > fired["kill"]:
                break
            project = folder / f"{name}-{point}-{action}-{passing}"
            shutil.copytree(before[name], project, symlinks=True)
            done = runner.stage(project, name, STROI_FAULT=f"{point}:{passing}:{action}")
            _check_nothing_half_written(project, name, undisturbed[name])
            if action == "kill":
                assert done.status in (0, -signal.SIGKILL), done.stderr
                if done.status == 0:
                    break
            elif point == "before_link":
                assert done.status == 0, "where no link can be, there is a copy"
            else:
                assert done.status == 1, done.stderr
                _check_refusal(done, project, action)
            fired[action] = passing
            _check_rerun(runner, project, name, undisturbed[name])
            shutil.rmtree(project)
    assert fired["enospc"] == fired["eio"] == fired["kill"]
    assert fired["kill"] >= (1 if "manifest" in point else 2)
