"""A project of another version of stroi: what is said of it, and what `stroi upgrade` does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from dvc.utils.serialize import dumps_yaml, loads_yaml
from projects import ROOT

from stroi.pipeline.cli import run
from stroi.pipeline.project.create import create_project
from stroi.pipeline.project.template import stroi_version
from stroi.pipeline.versions import code_versions


@pytest.fixture
def project(tmp_path: Path) -> Path:
    create_project(tmp_path / "x", demo=True, scm=False)
    return tmp_path / "x"


def _change(path: Path, **values: Any) -> None:
    path.write_text(dumps_yaml({**loads_yaml(path.read_text()), **values}))


def _of_another_stroi(project: Path) -> dict[str, Any]:
    """Make it one of stroi 0.0.9, with a stage and a plot of one's own."""
    (project / "params.yaml").write_text(
        (project / "params.yaml").read_text().replace(f'"{stroi_version()}"', '"0.0.9"')
    )
    _change(project / "versions.yaml", gcn=0)
    content = loads_yaml((project / "dvc.yaml").read_text())
    del content["stages"]["gcn-report"]
    content["stages"]["report"]["do"]["cmd"] = "stroi page ${key}"
    content["stages"]["mine"] = {"cmd": "echo done", "outs": ["mine.txt"]}
    content["plots"] = [{"loss": {"x": "step"}}, {"my own": {"x": "epoch"}}]
    content["vars"] = ["mine.yaml"]
    (project / "dvc.yaml").write_text(dumps_yaml(content))
    return content


CHANGES = [
    f"versions.yaml: gcn: 0 -> {code_versions()['gcn']}",
    "dvc.yaml: stage gcn-report: new",
    "dvc.yaml: stage report: another",
    "dvc.yaml: plot confusion of row 7: new",
    "dvc.yaml: plot loss: another",
    "dvc.yaml: plot validation loss: new",
    "dvc.yaml: plot validation accuracy: new",
    f"params.yaml: stroi: 0.0.9 -> {stroi_version()}",
]


def test_a_dry_run_says_what_upgrade_does(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = _of_another_stroi(project)
    here = ("--root", str(project))
    files = {path: path.read_bytes() for path in project.iterdir() if path.is_file()}
    assert run(["upgrade", "--dry-run", *here]) == 0
    now = f"stroi {stroi_version()}"
    assert capsys.readouterr().out.splitlines() == [
        *CHANGES,
        f"{project}: would be upgraded to {now}",
    ]
    assert {path: path.read_bytes() for path in project.iterdir() if path.is_file()} == files

    assert run(["upgrade", *here]) == 0
    assert capsys.readouterr().out.splitlines() == [
        *CHANGES,
        "dvc.yaml: written; dvc.yaml.bak is the file before",
        f"{project}: upgraded to {now}",
    ]
    content = loads_yaml((project / "dvc.yaml").read_text())
    ours = loads_yaml((ROOT / "dvc.yaml").read_text())
    assert content["stages"] == {**ours["stages"], "mine": before["stages"]["mine"]}
    assert content["plots"] == [*ours["plots"], {"my own": {"x": "epoch"}}]
    assert content["vars"] == ["mine.yaml"]
    assert loads_yaml((project / "dvc.yaml.bak").read_text()) == before
    assert loads_yaml((project / "versions.yaml").read_text()) == code_versions()
    assert (project / "params.yaml").read_bytes() == (ROOT / "params.yaml").read_bytes()

    assert run(["upgrade", *here]) == 0
    assert capsys.readouterr().out == f"{project}: up to date: {now}\n"


def test_without_stages_of_one_s_own_dvc_yaml_is_the_shipped_one(project: Path) -> None:
    (project / "dvc.yaml").write_text("stages: {}\n")
    assert run(["upgrade", "--root", str(project)]) == 0
    assert (project / "dvc.yaml").read_bytes() == (ROOT / "dvc.yaml").read_bytes()
    assert (project / "dvc.yaml.bak").read_text() == "stages: {}\n"


def test_a_stage_of_another_version_names_both(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _of_another_stroi(project)
    assert run(["gcn", "demo-xsub", "--root", str(project)]) == 2
    assert capsys.readouterr().err == (
        f"error: VERSIONS: {project / 'versions.yaml'} is of stroi 0.0.9, this is {stroi_version()}"
        f" (gcn: 0 -> {code_versions()['gcn']}); run `stroi upgrade` (--dry-run says what it"
        " changes), then `dvc repro`, which runs these stages again\n"
    )


def test_check_names_what_does_not_stop_a_stage(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _change(project / "params.yaml", stroi="0.0.9")
    assert run(["check", "--root", str(project)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"note: `stroi upgrade` would change params.yaml: stroi: 0.0.9 -> {stroi_version()}",
        "data sets: demo; runs: demo-xsub; all params are valid",
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("stages: [", "1: expected the node content, but found"),
        ("[]\n", "1: it has no stages"),
        ("a: 1\nb: *y\n", "2: found undefined alias"),
    ],
)
def test_a_dvc_yaml_that_cannot_be_read(
    project: Path, capsys: pytest.CaptureFixture[str], text: str, problem: str
) -> None:
    (project / "dvc.yaml").write_text(text)
    assert run(["upgrade", "--root", str(project)]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: PARAMS_YAML: {project / 'dvc.yaml'}:{problem}")
    assert error.endswith("; mend the YAML\n")
    assert (project / "dvc.yaml").read_text() == text


def test_a_folder_without_files_of_a_project_gets_the_versions_alone(tmp_path: Path) -> None:
    assert run(["upgrade", "--root", str(tmp_path)]) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["versions.yaml"]
