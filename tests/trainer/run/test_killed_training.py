"""A training that is killed inside an epoch goes on to the same bytes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from resnet_team import PROGRAM, torchrun_command
from small_inputs import mosaic_cache

from stroi.trainer.network_files.safetensors_io import read_meta, read_tensors

BATCHES = 4
CHANGES = {"batch_size": 2, "epochs": 3}
Start = tuple[str | Path, ...]


@pytest.fixture(scope="module")
def mosaics(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight small mosaics on disk."""
    folder = tmp_path_factory.mktemp("mosaics")
    mosaic_cache(folder)
    return folder


def _start(how: Start, mosaics: Path, mode: str, out: Path, more: dict[str, Any]) -> Any:
    words = [*how, mosaics, json.dumps([[mode, str(out), CHANGES | more]])]
    return subprocess.Popen(
        [str(word) for word in words], env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip


def _inside(state: Path) -> bool:
    """Whether the state on disk is one of the middle of the second epoch."""
    for path in state.glob("*.safetensors"):
        meta = read_meta(path)
        done = len(meta["progress"]["losses"]) if "progress" in meta else 0
        return len(meta["records"]) == 1 and 0 < done < BATCHES - 1
    return False


def _kill_inside(process: subprocess.Popen[bytes], state: Path) -> None:
    """Kill -9 the training, all its processes, inside its second epoch."""
    while not _inside(state):
        assert process.poll() is None, "it ended before it could be killed"
        time.sleep(0.005)
    # torchrun's processes have sessions of their own.
    for pid in (process.pid, *_children(process.pid)):
        os.kill(pid, signal.SIGKILL)
    assert process.wait(30) == -signal.SIGKILL
    assert _inside(state)


def _children(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for task in tasks for child in task.read_text("ascii").split()]


@pytest.mark.parametrize(
    ("mode", "how"),
    [
        ("plain", (sys.executable, PROGRAM)),
        pytest.param("end-to-end", tuple(torchrun_command()), marks=pytest.mark.nightly),
    ],
    ids=["alone", "two processes"],
)
def test_killed_inside_an_epoch_and_resumed_is_the_same_bytes(
    tmp_path: Path, mosaics: Path, mode: str, how: Start
) -> None:
    """Mosaics are mirrored and shifted at random; the end-to-end mode's graph network drops out."""
    more: dict[str, Any] = {"save_minutes": 0, "sync_every": 1, "dropout": 0.5}
    state = tmp_path / "state"
    assert _start(how, mosaics, mode, tmp_path / "whole", more).wait(600) == 0
    more["checkpoints"] = str(state)
    _kill_inside(_start(how, mosaics, mode, tmp_path / "killed", more), state)
    assert not (tmp_path / "killed").exists()
    assert _start(how, mosaics, mode, tmp_path / "resumed", more).wait(600) == 0
    for name in ("network-0.safetensors", "losses-0.json"):
        whole, resumed = tmp_path / "whole" / name, tmp_path / "resumed" / name
        assert whole.read_bytes() == resumed.read_bytes(), name
    (path,) = state.iterdir()
    meta = read_meta(path)
    assert meta["finished"]
    assert "progress" not in meta
    assert not any(name.startswith("momentum.") for name in read_tensors(path)[0])
