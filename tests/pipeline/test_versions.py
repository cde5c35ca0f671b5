"""versions.yaml: it is the code's, DVC follows it, and no stage runs beside it."""

from __future__ import annotations

import importlib
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from dvc.repo import Repo
from dvc.utils.serialize import dumps_yaml, loads_yaml
from projects import ROOT, dvc, new_project, new_repository

from stroi.pipeline.cli import run
from stroi.pipeline.versions import STAGES, TRAINER, code_versions

RESNETS = {f"resnet-{mode}@demo-xsub" for mode in ("plain", "fixed", "end-to-end")}
AGAIN = {
    **{name: {f"{name}@demo"} for name in ("sample", "index", "skeletons", "mosaics")},
    **{
        name: {f"{name}@demo-xsub"}
        for name in ("gcn", "weights", "gcn-report", "ensemble", "report")
    },
    "skeletons3d": set(),
    "resnet": RESNETS,
    "trainer": {"gcn@demo-xsub", "weights@demo-xsub", *RESNETS},
}
"""DVC stages that run again when a version is raised; the demo has no sensor."""


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of which DVC takes every stage for done, with made-up outs."""
    folder = new_repository(tmp_path_factory.mktemp("versions") / "project")
    for name in ("raw", "index", "skeletons", "mosaics", "scores/demo-xsub"):
        (folder / "data" / "demo" / name).mkdir(parents=True)
    for name in ("ledger.csv", "manifest.json"):
        (folder / "data" / "demo" / "skeletons" / name).touch()
    outs = ("gcn", "weights", "resnet-plain", "resnet-fixed", "resnet-end-to-end", "ensemble")
    for name in outs:
        (folder / "runs" / "demo-xsub" / name).mkdir(parents=True)
    for name in ("gcn-report.html", "report.html", "metrics.json"):
        (folder / "runs" / "demo-xsub" / name).write_text("{}")
    done = dvc(folder, "commit", "--force")
    assert done.returncode == 0, done.stderr
    return folder


def _status(project: Path) -> dict[str, Any]:
    with Repo(str(project)) as repo:
        # Names are given with the path of dvc.yaml from the working directory.
        return {name.rpartition(":")[2]: changes for name, changes in repo.status().items()}


def test_the_file_of_this_repository_is_that_of_its_code() -> None:
    assert loads_yaml((ROOT / "versions.yaml").read_text()) == code_versions()


def test_versions_are_those_of_the_imported_modules() -> None:
    modules = {**STAGES, "trainer": TRAINER}
    imported = {name: importlib.import_module(each).VERSION for name, each in modules.items()}
    assert code_versions() == imported


def test_they_are_read_without_torch_and_opencv() -> None:
    script = (
        "import sys; from stroi.pipeline.versions import code_versions; code_versions();"
        "assert not {'torch', 'cv2'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.parametrize("name", code_versions())
def test_a_raised_version_runs_its_stage_again_and_no_other(finished: Path, name: str) -> None:
    path = finished / "versions.yaml"
    before = path.read_text()
    path.write_text(dumps_yaml({**code_versions(), name: 99}))
    changed = set(_status(finished))
    path.write_text(before)
    assert changed == AGAIN[name]
    assert _status(finished) == {}


def test_changed_code_of_the_same_version_runs_nothing_again(finished: Path) -> None:
    """In a project that holds the code, as a clone does."""
    shutil.copytree(ROOT / "stages", finished / "stages")
    path = finished / "stages" / "mosaics.py"
    path.write_text(path.read_text().replace('help="', 'help="Slowly: '))
    assert _status(finished) == {}
    assert "up to date" in dvc(finished, "repro", "--dry").stdout


def test_upgrade_prints_what_changed_and_writes_it_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "versions.yaml"
    path.write_text(dumps_yaml({**code_versions(), "gcn": 99, "gone": 1}))
    here = ("--root", str(tmp_path))
    assert run(["upgrade", *here]) == 0
    changed = [f"gcn: 99 -> {code_versions()['gcn']}", "gone: 1 -> none"]
    assert capsys.readouterr().out.splitlines() == [
        *(f"versions.yaml: {line}" for line in changed),
        f"{tmp_path}: upgraded to stroi {version('stroi')}",
    ]
    assert loads_yaml(path.read_text()) == code_versions()
    written = path.stat().st_mtime_ns
    assert run(["upgrade", *here]) == 0
    assert capsys.readouterr().out == f"{tmp_path}: up to date: stroi {version('stroi')}\n"
    assert path.stat().st_mtime_ns == written


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_refuses_a_project_of_another_version(
    stage: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    project = new_project(tmp_path / "project")
    path = project / "versions.yaml"
    path.write_text(dumps_yaml({**code_versions(), stage: 99}))
    name = "demo" if stage in ("sample", "index", "skeletons", "skeletons3d", "mosaics") else "r"
    mode = ["plain"] if stage == "resnet" else []
    assert run([stage, name, *mode, "--root", str(project)]) == 2
    assert capsys.readouterr().err == (
        f"error: VERSIONS: {path} is of another stroi, this is {version('stroi')} ({stage}: 99 -> "
        f"{code_versions()[stage]}); run `stroi upgrade` (--dry-run says what it changes), then "
        "`dvc repro`, which runs these stages again\n"
    )
    assert not (project / "data").exists()


def test_check_refuses_it_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    project = new_project(tmp_path / "project")
    here = ("check", "--root", str(project))
    assert run(here) == 0
    (project / "versions.yaml").write_text(dumps_yaml({**code_versions(), "gcn": 99}))
    assert run(here) == 2
    assert "error: VERSIONS: " in capsys.readouterr().err
