"""A small project with everything trained, for the tests of ``import stroi``."""

from __future__ import annotations

from pathlib import Path

import pytest
import trained_project

from stroi.stages.ensemble import build_table


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with data set ``d`` and run ``r``, trained with seed 0; only to be read."""
    folder = tmp_path_factory.mktemp("trained")
    workspace, run = trained_project.project(folder)
    trained_project.train_gcn(workspace, run)
    for mode in ("plain", "fixed", "end-to-end"):
        trained_project.train_resnet(workspace, run, mode)
    build_table(workspace, run)
    return folder
