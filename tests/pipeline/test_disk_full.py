"""A disk that is really full, or read-only: one plain line, nothing half-written, a rerun ends."""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from projects import environment, tree
from tiny import forks, stroi_command, tiny_project, tiny_videos

from stroi.cache.manifest import read_manifest
from stroi.cache.verify import verify

SHARD = 450 * 450 * 3
"""Bytes of pixels in one shard of the project: one clip."""

IN_A_SMALL_FILE_SYSTEM = """
import json, shutil, subprocess, sys
from pathlib import Path
project, target, size, *command = sys.argv[1:]
def mount(*options):
    subprocess.run(["mount", *options, target], check=True)
def stroi():
    done = subprocess.run(command, capture_output=True, text=True)
    return {"status": done.returncode, "stderr": done.stderr}
def names(folder):
    return sorted(str(path.relative_to(target)) for path in Path(target, folder).rglob("*")
                  if path.is_file())
mount("-t", "tmpfs", "-o", f"size={size}", "none")
shutil.copytree(project, target, symlinks=True, dirs_exist_ok=True)
full = stroi() | {"store": names(".stroi"), "out": names("data/tiny/mosaics")}
kept = {path: Path(target, path).stat().st_mtime_ns for path in full["store"]}
mount("-o", "remount,size=100m")
again = stroi() | {"store": names(".stroi"), "out": names("data/tiny/mosaics")}
there = [path for path in kept if Path(target, path).exists()]  # not a dead worker's mark
same = [path for path in there if Path(target, path).stat().st_mtime_ns == kept[path]]
made = {path: Path(target, path).read_bytes().hex() for path in again["out"]}
json.dump({"full": full, "again": again, "same": same, "made": made}, sys.stdout)
"""
READ_ONLY = """
import subprocess, sys
folder, *command = sys.argv[1:]
subprocess.run(["mount", "--bind", folder, folder], check=True)
subprocess.run(["mount", "-o", "remount,bind,ro", folder], check=True)
sys.exit(subprocess.run(command).returncode)
"""


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose skeletons are made and whose mosaics are not."""
    folder = tmp_path_factory.mktemp("ready")
    raw = tiny_videos(folder / "raw", clips=4, frames=6)
    project = tiny_project(folder / "project", raw, size=450, per_shard=1)
    with forks(folder) as runner:
        assert runner.stage(project, "index").status == 0
        assert runner.stage(project, "skeletons").status == 0
    return project


@pytest.fixture(scope="module")
def undisturbed(ready: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    project = tmp_path_factory.mktemp("undisturbed") / "project"
    shutil.copytree(ready, project, symlinks=True)
    done = _mosaics(project)
    assert done.returncode == 0, done.stderr
    return tree(project / "data" / "tiny" / "mosaics")


def _mosaics(project: Path, jobs: int = 1, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        stroi_command("mosaics", "tiny", "--root", project, "--jobs", jobs),
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
        **options,
    )


def _namespace(script: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a script that may mount, in namespaces of its own; skip where the kernel refuses."""
    unshare = ["unshare", "-rm"]
    tried = subprocess.run(
        [*unshare, "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True, text=True
    ) if shutil.which("unshare") else None  # fmt: skip
    if tried is None or tried.returncode != 0:
        pytest.skip(f"no mounts of our own here: {tried.stderr if tried else 'no unshare'}")
    return subprocess.run(
        [*unshare, sys.executable, "-c", script, *(str(argument) for argument in arguments)],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
    )


def _check_refusal(stderr: str, pattern: str) -> None:
    lines = stderr.splitlines()
    assert re.fullmatch(pattern, lines[-1]), stderr
    assert stderr.count("error:") == 1
    assert "Traceback" not in stderr


FULL = (
    r"error: DISK_FULL: no space left writing \S+\.(h5|safetensors) \(needs 1 MB\);"
    " free some space and .*"
)


@pytest.mark.parametrize("jobs", [1, 2])
def test_file_system_that_is_too_small(
    ready: Path, undisturbed: Mapping[str, bytes], tmp_path: Path, jobs: int
) -> None:
    """Room for two of four shards, or for clips that have none yet; then for all."""
    target = tmp_path / "small"
    target.mkdir()
    command: Sequence[str] = stroi_command("mosaics", "tiny", "--root", target, "--jobs", jobs)
    room = sum(len(data) for data in tree(ready).values()) + int(2.6 * SHARD) + 100_000
    ran = _namespace(IN_A_SMALL_FILE_SYSTEM, ready, target, room, *command)
    assert ran.returncode == 0, ran.stderr
    said = json.loads(ran.stdout)
    full, again = said["full"], said["again"]
    assert full["status"] == 1, full["stderr"]
    _check_refusal(full["stderr"], FULL)
    shards = [name for name in full["store"] if re.search(r"/mosaics/\w+\.h5$", name)]
    clips = [name for name in full["store"] if name.startswith(".stroi/clips/")]
    assert 1 <= len(shards) + len(clips) <= 2
    assert full["out"] == []
    assert [name for name in full["store"] if ".tmp-" in name] == []
    assert set(shards) <= set(said["same"]), "a finished shard was made again"
    assert again["status"] == 0, again["stderr"]
    made = {Path(name).name: bytes.fromhex(data) for name, data in said["made"].items()}
    assert made == undisturbed


def test_limit_on_the_size_of_files(ready: Path, tmp_path: Path) -> None:
    """As a quota does it: every shard is too large, every small file is not."""
    project = tmp_path / "project"
    shutil.copytree(ready, project, symlinks=True)

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (SHARD // 2, SHARD // 2))

    for jobs in (1, 2):
        done = _mosaics(project, jobs, preexec_fn=limit)
        assert done.returncode == 1, done.stderr
        _check_refusal(done.stderr, FULL)
        left = [path for path in project.rglob("*") if ".tmp-" in path.name]
        assert left == []
        assert list((project / "data" / "tiny" / "mosaics").iterdir()) == []
    assert _mosaics(project).returncode == 0
    assert verify(project / "data" / "tiny" / "mosaics") == []
    assert len(read_manifest(project / "data" / "tiny" / "mosaics").ids) == 4


@pytest.mark.parametrize(
    ("folder", "named"),
    [("data/tiny", r"\S+/data/tiny/mosaics"), (".", r"\S+/\.stroi/locks/mosaics-tiny\.lock")],
)
def test_read_only_output_is_told_before_any_work(
    ready: Path, tmp_path: Path, folder: str, named: str
) -> None:
    project = tmp_path / "project"
    shutil.copytree(ready, project, symlinks=True)
    before = tree(project)
    (project / ".stroi" / "locks" / "mosaics-tiny.lock").unlink(missing_ok=True)
    command = stroi_command("mosaics", "tiny", "--root", project, "--jobs", 1)
    ran = _namespace(READ_ONLY, project / folder, *command)
    assert ran.returncode == 1, ran.stderr
    _check_refusal(
        ran.stderr,
        rf"error: OUTPUT_READ_ONLY: {named} cannot be written: Read-only file system; "
        "choose a folder that you may write to",
    )
    after = {name: data for name, data in tree(project).items() if "/locks/" not in name}
    assert after == {name: data for name, data in before.items() if "/locks/" not in name}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write to any folder")
def test_folder_of_somebody_else(ready: Path, tmp_path: Path) -> None:
    project = tmp_path / "project"
    shutil.copytree(ready, project, symlinks=True)
    (project / "data" / "tiny").chmod(0o555)
    done = _mosaics(project)
    assert done.returncode == 1
    _check_refusal(done.stderr, r"error: OUTPUT_READ_ONLY: .*Permission denied; choose .*")
