"""A small finished run for the tests of the page."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from stroi.pipeline.params import RunParams, load_run
from stroi.pipeline.workspace import Workspace

sys.path.insert(0, str(Path(__file__).parent))
from small_run import write_workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """A finished run called ``small-xsub``."""
    return write_workspace(tmp_path)


@pytest.fixture
def run(workspace: Workspace) -> RunParams:
    """The params of that run."""
    return load_run(workspace.root, "small-xsub")
