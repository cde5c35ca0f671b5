"""`stroi new`: what it writes is a project in which every command works, with git and without."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from dvc.utils.serialize import loads_yaml
from projects import ROOT, dvc, git

from stroi.pipeline.cli import COMMANDS, run
from stroi.pipeline.params.load import load_profile, load_project
from stroi.pipeline.params.profile import Run
from stroi.pipeline.params.project_edit import add_to_params
from stroi.pipeline.project.template import shipped_profile, stroi_version
from stroi.pipeline.versions import code_versions

FILES = {
    ".dvc", ".dvcignore", ".gitignore", "README.md", "dvc.yaml", "params.yaml", "profiles",
    "versions.yaml",
}  # fmt: skip


def new(folder: Path, *options: str) -> int:
    return run(["new", str(folder), *options])


def test_a_new_folder_becomes_a_project(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "my lab" / "x"
    assert new(folder) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{folder}: a project of stroi {stroi_version()}; its README.md says what to do",
        f"next: cd '{folder}' && stroi init NAME --videos DIR",
    ]
    assert {path.name for path in folder.iterdir()} == {*FILES, ".git"}
    assert list((folder / "profiles").iterdir()) == []
    project = load_project(folder)
    assert (project.datasets, project.runs, project.stroi) == ((), {}, stroi_version())
    assert run(["check", "--root", str(folder)]) == 0
    assert capsys.readouterr().out == "data sets: none; runs: none; all params are valid\n"
    done = dvc(folder, "repro")
    assert (done.returncode, done.stdout) == (0, "Data and pipelines are up to date.\n")


def test_the_demo_s_project_is_this_repository(tmp_path: Path) -> None:
    """One source: the template's files are those of the repository, with which its tests run."""
    folder = tmp_path / "demo"
    assert new(folder, "--demo") == 0
    for name in (
        "dvc.yaml",
        "params.yaml",
        "versions.yaml",
        ".dvcignore",
        ".dvc/config",
        ".dvc/plots.html",
    ):
        assert (folder / name).read_bytes() == (ROOT / name).read_bytes(), name
    profile = folder / "profiles" / "demo.yaml"
    assert profile.read_bytes() == (ROOT / "profiles" / "demo.yaml").read_bytes()
    ours = (folder / ".gitignore").read_text().splitlines()
    assert set(ours) <= set((ROOT / ".gitignore").read_text().splitlines())
    assert run(["check", "--root", str(folder)]) == 0
    dry = dvc(folder, "repro", "--dry", "sample@demo")
    assert "> stroi sample demo" in dry.stdout


def test_git_sees_the_project_and_not_its_data(tmp_path: Path) -> None:
    folder = tmp_path / "x"
    assert new(folder, "--demo") == 0
    for name in ("data/demo/raw/a.avi", "runs/r/report.html", ".stroi/locks/a", "dvc_plots/i.html"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    git(folder, "add", ".")
    assert set(git(folder, "ls-files").split()) == {
        *(FILES - {".dvc", "profiles"}),
        ".dvc/.gitignore",
        ".dvc/config",
        ".dvc/plots.html",
        "profiles/demo.yaml",
    }


def test_in_a_folder_of_a_git_repository_dvc_uses_that(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    assert new(tmp_path / "inner" / "x") == 0
    assert not (tmp_path / "inner" / "x" / ".git").exists()
    assert dvc(tmp_path / "inner" / "x", "status").returncode == 0


def test_a_repository_keeps_its_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    (tmp_path / "README.md").write_text("mine\n")
    (tmp_path / ".gitignore").write_text("*.tmp\n/runs/")
    assert new(tmp_path) == 0
    assert capsys.readouterr().out.splitlines()[:2] == [
        "note: .gitignore: 6 lines added",
        "note: README.md: exists, kept",
    ]
    assert (tmp_path / "README.md").read_text() == "mine\n"
    lines = (tmp_path / ".gitignore").read_text().splitlines()
    assert lines[:2] == ["*.tmp", "/runs/"]
    assert "/.stroi/" in lines
    assert lines.count("/runs/") == 1


def test_a_dvc_repository_stays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert dvc(tmp_path, "init", "--no-scm").returncode == 0
    config = (tmp_path / ".dvc" / "config").read_bytes()
    assert new(tmp_path) == 0
    assert "note: .dvc: exists, kept" in capsys.readouterr().out
    assert (tmp_path / ".dvc" / "config").read_bytes() == config


@pytest.mark.parametrize("installed", [True, False])
def test_without_git(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    installed: bool,
) -> None:
    folder = tmp_path / "x"
    if not installed:
        monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    assert new(folder, *(["--no-scm"] if installed else [])) == 0
    monkeypatch.undo()
    note = "git is not installed: DVC works without it, but compares no commits and experiments"
    assert (f"note: {note}" in capsys.readouterr().out) is not installed
    assert {path.name for path in folder.iterdir()} == FILES
    assert dvc(folder, "repro").returncode == 0


def test_what_is_a_project_is_not_touched(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "dvc.yaml").write_text("stages: {}\n")
    assert new(tmp_path) == 2
    assert capsys.readouterr().err == (
        f"error: NEW_EXISTS: {tmp_path} is a project already: it has dvc.yaml; add data by "
        "`stroi init` there, or take another folder\n"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["dvc.yaml"]


def test_an_error_of_git_and_of_dvc_is_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / ".git").write_text("no link")
    assert new(tmp_path / "x") == 1
    error = capsys.readouterr().err
    assert error.startswith(f"error: NEW_GIT: `git init --quiet` in {tmp_path / 'x'}: fatal: ")
    assert error.endswith("; mend that, or give --no-scm\n")
    subprocess.run(["git", "init", "-q", str(tmp_path / "y")], check=True)
    (tmp_path / "y" / ".gitignore").write_text(".dvc\n")
    assert new(tmp_path / "y") == 1
    error = capsys.readouterr().err
    assert error.startswith(f"error: NEW_DVC: `dvc init` in {tmp_path / 'y'}: ")
    assert "is ignored by your SCM tool" in error


def test_its_readme_names_commands_that_are_there(tmp_path: Path) -> None:
    for options in ([], ["--demo"]):
        folder = tmp_path / f"x{len(options)}"
        assert new(folder, *options) == 0
        text = (folder / "README.md").read_text()
        named = set(re.findall(r"(?:`|^ {7})stroi (\w+)", text, re.M))
        assert named == {"init", "params", "check", "upgrade"}
        assert named <= set(COMMANDS)


def test_the_first_run_is_the_one_that_is_shown(tmp_path: Path) -> None:
    folder = tmp_path / "x"
    assert new(folder) == 0
    for number in (1, 2):
        run_ = Run(dataset="mine", split=f"fold{number}", input="skeletons")
        add_to_params(folder, "mine", {f"mine-fold{number}": run_}, sensor=False)
    project = load_project(folder)
    assert (project.datasets, project.show) == (("mine",), "mine-fold1")
    assert list(project.runs) == ["mine-fold1", "mine-fold2"]


def test_shipped_profiles_are_those_of_the_repository() -> None:
    names = {path.stem for path in (ROOT / "profiles").glob("*.yaml")}
    assert {"demo", "ntu60", "nucla"} <= names
    for name in names:
        assert shipped_profile(name).read_bytes() == (ROOT / f"profiles/{name}.yaml").read_bytes()
        assert load_profile(ROOT, name)
    assert not shipped_profile("nothing").exists()


def test_the_repository_is_a_project_of_this_version() -> None:
    assert load_project(ROOT).stroi == stroi_version()
    assert loads_yaml((ROOT / "versions.yaml").read_text()) == code_versions()
    assert run(["upgrade", "--dry-run", "--root", str(ROOT)]) == 0
