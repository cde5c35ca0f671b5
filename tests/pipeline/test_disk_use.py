"""What a project takes on disk after real `dvc repro`s: outs, store and DVC's cache together."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from projects import dvc, environment, new_repository, tree
from tiny import PROFILE, stroi_command, tiny_videos

from stroi.cache.verify import verify
from stroi.pipeline.cache_commands.prune import find_unused

pytestmark = [pytest.mark.slow, pytest.mark.nightly]
OUTS = ("index", "skeletons", "mosaics")
PARAMS = """
rendered: []
datasets: [tiny]
sensors: []
pools: {}
runs: {}
show: none
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 clips in files of some size, made by `dvc repro`."""
    folder = new_repository(tmp_path_factory.mktemp("disk") / "project")
    (folder / "params.yaml").write_text(PARAMS)
    (folder / "profiles" / "tiny.yaml").write_text(PROFILE.format(size=450, per_shard=2))
    tiny_videos(folder / "data" / "tiny" / "raw", clips=6, frames=30, times=4)
    _repro(folder)
    return folder


def _repro(project: Path, *options: str) -> str:
    done = dvc(project, "repro", *options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _disk(*folders: Path) -> int:
    """Bytes on disk below `folders`, a file with several names counted once, as `du` does."""
    inodes = {}
    for folder in folders:
        for path in folder.rglob("*"):
            status = path.lstat()
            inodes[status.st_dev, status.st_ino] = status.st_blocks * 512
    return sum(inodes.values())


def _data(project: Path) -> int:
    """Bytes that the outs hold."""
    return sum(len(data) for name in OUTS for data in tree(_out(project, name)).values())


def _out(project: Path, name: str) -> Path:
    return project / "data" / "tiny" / name


def _all(project: Path) -> int:
    outs = [_out(project, name) for name in OUTS]
    return _disk(*outs, project / ".stroi", project / ".dvc" / "cache")


def test_outs_store_and_cache_take_at_most_a_tenth_more_than_the_data(project: Path) -> None:
    assert _data(project) > 10_000_000
    assert _all(project) <= 1.1 * _data(project)
    shard = _out(project, "mosaics") / "mosaics-00000.h5"
    assert shard.stat().st_nlink == 3, "out, store and DVC's cache share the bytes"


def test_it_stays_so_when_a_stage_runs_again(project: Path) -> None:
    """DVC deletes the out; the shards are linked from the store and found in DVC's cache."""
    before = tree(_out(project, "mosaics"))
    assert "Running stage 'mosaics@tiny'" in _repro(project, "--force", "-s", "mosaics@tiny")
    assert tree(_out(project, "mosaics")) == before
    assert _all(project) <= 1.1 * _data(project)


def test_other_params_cost_their_own_bytes(project: Path) -> None:
    profile = project / "profiles" / "tiny.yaml"
    text = profile.read_text()
    before, first = _all(project), tree(_out(project, "mosaics"))
    profile.write_text(text.replace("cell: 48", "cell: 32"))
    _repro(project)
    mosaics = sum(map(len, tree(_out(project, "mosaics")).values()))
    assert _all(project) - before <= 1.1 * mosaics
    profile.write_text(text)
    assert "Running stage 'mosaics@tiny'" not in _repro(project), "DVC's run cache has them"
    assert tree(_out(project, "mosaics")) == first
    assert verify(_out(project, "mosaics")) == []
    kept = find_unused(project / ".stroi", 0)
    assert kept == {}, "DVC's cache holds links to the shards of both params"


def test_without_dvc_out_and_store_share_the_bytes(project: Path, tmp_path: Path) -> None:
    plain = tmp_path / "project"
    for name in ("profiles", "data"):
        shutil.copytree(project / name, plain / name)
    shutil.copy(project / "params.yaml", plain)
    for name in OUTS:
        done = subprocess.run(
            stroi_command(name, "tiny", "--root", plain, "--jobs", 1),
            env=environment(),
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
    outs = [_out(plain, name) for name in OUTS]
    assert _disk(*outs, plain / ".stroi") <= 1.1 * _data(plain)
