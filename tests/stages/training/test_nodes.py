"""Training stages on two machines whose folders are not the same: both end at once."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from resnet_team import free_port
from small_inputs import mosaic_cache
from trained_project import RUN, project


def _more_seeds(root: Path) -> None:
    profile = root / "profiles" / "d.yaml"
    profile.write_text(profile.read_text().replace("seeds: [0]", "seeds: [0, 1]"))


def _other_mosaics(root: Path) -> None:
    folder = next(root.glob("**/mosaics-00000.h5")).parent
    mosaic_cache(folder, seed=6)


@pytest.mark.parametrize(
    ("command", "change", "refusal"),
    [
        (["gcn", RUN], _more_seeds, "TEAM_PARAMS: process 1 has other params of run r than"),
        pytest.param(
            ["resnet", RUN, "plain"], _more_seeds, "TEAM_PARAMS: process 1 has other params",
            marks=pytest.mark.nightly,
        ),
        pytest.param(
            ["resnet", RUN, "plain"], _other_mosaics, "TEAM_RUN: process 1 trains on other data",
            marks=pytest.mark.nightly,
        ),
    ],
)  # fmt: skip
def test_machines_that_differ_end_at_once_and_tell_why(
    tmp_path: Path, command: list[str], change: Callable[[Path], None], refusal: str
) -> None:
    """Processes of two launchers: neither ends the other, as torchrun would on one machine."""
    roots = [tmp_path / "first", tmp_path / "second"]
    for root in roots:
        project(root)
    change(roots[1])
    place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "WORLD_SIZE": "2"}
    started = [
        subprocess.Popen(
            [Path(sys.executable).with_name("stroi"), *command, "--threads", "1", "--root", root],
            env=os.environ | place | {"RANK": str(rank)},
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )
        for rank, root in enumerate(roots)
    ]  # fmt: skip
    try:
        errors = [child.communicate(timeout=100)[1] for child in started]
    finally:
        for child in started:
            child.kill()
    for child, text in zip(started, errors, strict=True):
        assert refusal in text.splitlines()[-1], text
        assert child.returncode == 1
    assert not list(tmp_path.glob("*/runs/**/checkpoint*"))
