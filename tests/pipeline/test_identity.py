"""The same clips and params give the same bytes, however and wherever they are made."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from projects import environment, tree
from tiny import stroi_command, tiny_project, tiny_videos

STAGES = ("index", "skeletons", "mosaics")


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_videos(tmp_path_factory.mktemp("data") / "raw", clips=5, frames=6)


@pytest.fixture(scope="module")
def expected(raw: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    project = tiny_project(tmp_path_factory.mktemp("expected") / "project", raw)
    return _run_all(project)


def _run_all(
    project: Path,
    *,
    root: str = "",
    jobs: int = 1,
    preexec_fn: Callable[[], object] | None = None,
    **env: str,
) -> dict[str, bytes]:
    """Files of all three outs, made by commands that name the project `root` if that is given."""
    for name in STAGES:
        done = subprocess.run(
            stroi_command(name, "tiny", "--root", root or project, "--jobs", jobs),
            env={**environment(), **env},
            capture_output=True,
            text=True,
            preexec_fn=preexec_fn,
        )
        assert done.returncode == 0, done.stderr
    return {
        f"{name}/{path}": data
        for name in STAGES
        for path, data in tree(project / "data" / "tiny" / name).items()
    }


def _check(made: dict[str, bytes], expected: dict[str, bytes]) -> None:
    assert sorted(made) == sorted(expected)
    assert [name for name in made if made[name] != expected[name]] == []


def test_there_is_something_to_compare(expected: dict[str, bytes]) -> None:
    assert sum(name.endswith(".h5") for name in expected) >= 4
    assert expected["mosaics/ledger.csv"].count(b",done,") == 5


def test_number_of_processes(raw: Path, expected: dict[str, bytes], tmp_path: Path) -> None:
    _check(_run_all(tiny_project(tmp_path / "project", raw), jobs=2), expected)


def test_order_of_files_and_rows(raw: Path, expected: dict[str, bytes], tmp_path: Path) -> None:
    """Videos made in another order, so that the folder lists them otherwise, and rows shuffled."""
    shuffled = tmp_path / "raw"
    (shuffled / "videos").mkdir(parents=True)
    videos = sorted((raw / "videos").iterdir())
    for video in random.Random(3).sample(videos, len(videos)):
        shutil.copyfile(video, shuffled / "videos" / video.name)
    head, *rows = (raw / "table.csv").read_text().splitlines(keepends=True)
    mixed = random.Random(4).sample(rows, len(rows))
    assert mixed != rows
    (shuffled / "table.csv").write_text("".join([head, *mixed]))
    _check(_run_all(tiny_project(tmp_path / "project", shuffled)), expected)


@pytest.fixture(scope="module")
def turkish(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a Turkish locale, where i is no lower-case I; made here if need be."""
    folder = tmp_path_factory.mktemp("locales")
    made = shutil.which("localedef") and subprocess.run(
        ["localedef", "-i", "tr_TR", "-f", "UTF-8", str(folder / "tr_TR.UTF-8")],
        capture_output=True,
        text=True,
    )
    own = {"LOCPATH": str(folder)} if made and made.returncode == 0 else {}
    env = {"LC_ALL": "tr_TR.UTF-8", **own}
    script = "import locale; print(locale.setlocale(locale.LC_ALL, ''))"
    found = subprocess.run(
        [sys.executable, "-c", script], env={**os.environ, **env}, capture_output=True, text=True
    )
    if found.stdout.strip() != "tr_TR.UTF-8":
        pytest.skip(f"no Turkish locale here, and none could be made: {found.stderr[-200:]}")
    return env


@pytest.mark.nightly
def test_locale(
    raw: Path, expected: dict[str, bytes], tmp_path: Path, turkish: dict[str, str]
) -> None:
    _check(_run_all(tiny_project(tmp_path / "project", raw), **turkish), expected)


@pytest.mark.nightly
def test_locale_without_unicode(raw: Path, expected: dict[str, bytes], tmp_path: Path) -> None:
    env = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    _check(_run_all(tiny_project(tmp_path / "project", raw), **env), expected)


@pytest.mark.nightly
def test_time_zone_hash_seed_umask_and_folder(
    raw: Path, expected: dict[str, bytes], tmp_path: Path
) -> None:
    def elsewhere() -> None:
        os.umask(0o077)
        os.chdir("/")

    project = tiny_project(tmp_path / "a long name with spaces, and ümlauts" / "project", raw)
    made = _run_all(
        project, jobs=2, preexec_fn=elsewhere, TZ="Pacific/Kiritimati", PYTHONHASHSEED="4711"
    )
    _check(made, expected)
    shard = next((project / "data" / "tiny" / "mosaics").glob("*.h5"))
    assert shard.stat().st_mode & 0o077 == 0


@pytest.mark.nightly
def test_relative_root(raw: Path, expected: dict[str, bytes], tmp_path: Path) -> None:
    project = tiny_project(tmp_path / "project", raw)

    def inside() -> None:
        os.chdir(tmp_path)

    _check(_run_all(project, root="project", jobs=2, preexec_fn=inside), expected)
