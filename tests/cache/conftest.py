"""Shared by the tests of the formats."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from small_caches import make_mosaics, score_arrays, write_cache

from stroi.cache.mosaics import Mosaics
from stroi.cache.storage.formats import SCORES
from stroi.cache.storage.hdf5 import encode


@pytest.fixture
def shards() -> list[Mosaics]:
    """Two shards of 3 and 4 clips."""
    return [
        make_mosaics(("a-1", "a-2", "a-3"), seed=1),
        make_mosaics(("b-1", "b-2", "b-3", "b-4"), seed=2),
    ]


@pytest.fixture
def folder(tmp_path: Path, shards: list[Mosaics]) -> Path:
    """A complete mosaic cache of two shards."""
    return write_cache(tmp_path / "cache", shards)


@pytest.fixture
def child() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a Python script in a process of its own, with extra environment variables."""

    def run(script: str, *arguments: object, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", script, *map(str, arguments)],
            env={
                **os.environ,
                "PYTHONPATH": str(Path(__file__).parents[1] / "factories"),
                **variables,
            },
            capture_output=True,
            text=True,
            timeout=60,
        )

    return run


@pytest.fixture
def scores_file(tmp_path: Path) -> Path:
    """A good file of scores."""
    (tmp_path / "good.h5").write_bytes(encode(SCORES, score_arrays()))
    return tmp_path / "good.h5"
