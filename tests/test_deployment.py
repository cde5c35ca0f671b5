"""What starts stroi elsewhere: the Dockerfile and the workflows. They are read here, not run."""

from __future__ import annotations

import configparser
import os
import re
import subprocess
from pathlib import Path

import pytest
from ruamel.yaml import YAML

WORKFLOWS = ("ci.yml", "nightly.yml")


def _targets(root: Path) -> set[str]:
    return set(re.findall(r"^([a-z-]+):.*##", (root / "Makefile").read_text(), re.M))


def test_image_has_the_torch_of_the_package(root: Path) -> None:
    setup = configparser.ConfigParser()
    setup.read(root / "setup.cfg")
    required = setup["options"]["install_requires"].split()
    (torch,) = re.findall(r'"(torch[^"]*)"', (root / "Dockerfile").read_text())
    assert torch in required


def test_image_makes_targets_that_are_there(root: Path) -> None:
    text = (root / "Dockerfile").read_text()
    made = re.findall(r"make (\w+) ", text) + re.findall(r'"make", "(\w+)"', text)
    assert made == ["install", "repro"]
    assert set(made) <= _targets(root)


def test_image_leaves_out_what_git_leaves_out(root: Path) -> None:
    """No environment, result or cache of the checkout gets into the image."""
    ignored = {line.strip("/") for line in (root / ".dockerignore").read_text().splitlines()}
    git = {
        line.strip("/")
        for line in (root / ".gitignore").read_text().splitlines()
        if line and line[0] not in "#!" and not line.startswith("/data")
    }
    assert {name for name in git if name not in ignored and f"**/{name}" not in ignored} == set()
    assert {".git", "data/*/*"} <= ignored


@pytest.mark.parametrize("name", WORKFLOWS)
def test_workflows_call_the_one_script(root: Path, name: str) -> None:
    workflow = YAML(typ="safe").load((root / ".github" / "workflows" / name).read_text())
    commands = []
    for job in workflow["jobs"].values():
        targets = job.get("strategy", {}).get("matrix", {}).get("what", [])
        for step in job["steps"]:
            line = step.get("run", "")
            commands += [line.replace("${{ matrix.what }}", target) for target in targets or [""]]
    script = [command for command in commands if command]
    assert script
    for command in script:
        first, *made = command.split()
        assert first == ".ci/run"
        assert set(made) <= _targets(root)
    assert os.access(root / ".ci" / "run", os.X_OK)


def test_script_checks_code_and_makes_what_it_is_told(root: Path, tmp_path: Path) -> None:
    """The script itself, with a `make` that prints its targets."""
    for folder in (".ci", "bin", ".venv"):
        (tmp_path / folder).mkdir()
    script = tmp_path / ".ci" / "run"
    script.write_bytes((root / ".ci" / "run").read_bytes())
    make = tmp_path / "bin" / "make"
    make.write_text('#!/bin/sh\necho "$@"\n')
    for file in (script, make):
        file.chmod(0o755)
    env = os.environ | {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}
    for told, made in (([], "lint test"), (["docs"], "docs"), (["lint", "repro"], "lint repro")):
        done = subprocess.run([script, *told], env=env, capture_output=True, text=True)
        assert (done.returncode, done.stdout.strip()) == (0, made)
    assert not (tmp_path / ".venv").exists()
