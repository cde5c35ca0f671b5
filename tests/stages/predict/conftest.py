"""A trained run that the tests of this folder only read."""

from __future__ import annotations

from pathlib import Path

import pytest
from answering_run import trained_run


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project of the run."""
    return trained_run(tmp_path_factory.mktemp("answering") / "project")
