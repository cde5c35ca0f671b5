"""A small finished run, for the tests of tables and pages."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from small_run import write_workspace

from stroi.pipeline.params.load import RunParams, load_run
from stroi.pipeline.workspace import Workspace


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a finished run called ``small-xsub``; written once, only to be copied."""
    folder = tmp_path_factory.mktemp("small-run")
    write_workspace(folder)
    return folder


@pytest.fixture
def workspace(written: Path, tmp_path: Path) -> Workspace:
    """A copy of that project, free to change."""
    shutil.copytree(written, tmp_path, dirs_exist_ok=True)
    return Workspace(tmp_path)


@pytest.fixture
def run(workspace: Workspace) -> RunParams:
    """The params of that run."""
    return load_run(workspace.root, "small-xsub")
