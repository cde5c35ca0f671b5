"""The RGB branch in two processes that torchrun starts: what one process would do."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from resnet_team import main, torchrun_command
from small_inputs import mosaic_cache
from torch import Tensor

from stroi.trainer.checkpoint import read_tensors


def torchrun(*words: object) -> None:
    """Run the tests' program in two processes.

    Raises:
        AssertionError: With what it said, if it fails.
    """
    done = subprocess.run(
        [str(word) for word in (*torchrun_command(), *words)],
        env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=900,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]


JOBS: dict[str, tuple[str, dict[str, Any]]] = {
    "plain": ("plain", {"double": True}),
    "joint": ("joint", {"double": True}),
    "accumulated": ("fixed", {"double": True, "batch_size": 3, "accumulate": 2}),
    "single": ("plain", {"lr": 1e-4}),
    "local": ("plain", {"batch_norm": "local", "epochs": 1}),
}
"""Trainings by name. A rectifier that is nearly 0 may fall to the other side with the order of a
sum: float64 says that the step is the same, float32 that rounding stays small at small steps."""


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results of all trainings, by one process and by two."""
    folder = tmp_path_factory.mktemp("team")
    mosaics = folder / "mosaics"
    mosaics.mkdir()
    mosaic_cache(mosaics)
    for number in ("one", "two"):
        (folder / number).mkdir()
        jobs = [(mode, str(folder / number / name), more) for name, (mode, more) in JOBS.items()]
        if number == "two":
            torchrun(mosaics, json.dumps(jobs))
        else:
            with double_kept():
                main(str(mosaics), json.dumps(jobs))
    return folder


@contextmanager
def double_kept() -> Iterator[None]:
    """Put the default type of floats back afterwards."""
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


class Result(NamedTuple):
    """What a process left."""

    losses: NDArray[np.float64]
    network: dict[str, Tensor]


def _result(out: Path, number: str, name: str, rank: int = 0) -> Result:
    folder = out / number / name
    losses = json.loads((folder / f"losses-{rank}.json").read_text(encoding="utf-8"))
    return Result(np.array(losses), read_tensors(folder / f"network-{rank}.safetensors")[0])


@pytest.mark.parametrize("name", [name for name in JOBS if name != "local"])
def test_two_processes_lose_what_one_loses(out: Path, name: str) -> None:
    """Six steps, mirrored and shifted mosaics, parts of 3, 2 and 1 clips."""
    one, two = _result(out, "one", name), _result(out, "two", name)
    assert len(set(one.losses[:, 0])) == 3
    np.testing.assert_allclose(two.losses, one.losses, rtol=0, atol=1e-5)
    assert one.network.keys() == two.network.keys()
    for tensor, value in one.network.items():
        np.testing.assert_allclose(two.network[tensor], value, rtol=0, atol=1e-5, err_msg=tensor)


@pytest.mark.parametrize("name", JOBS)
def test_both_processes_hold_the_same_network(out: Path, name: str) -> None:
    first, second = _result(out, "two", name), _result(out, "two", name, rank=1)
    np.testing.assert_array_equal(first.losses, second.losses)
    for tensor, value in first.network.items():
        assert torch.equal(second.network[tensor], value), tensor


def test_local_normalisation_is_another_training(out: Path) -> None:
    one, two = _result(out, "one", "local"), _result(out, "two", "local")
    assert abs(one.losses[0, 0] - two.losses[0, 0]) > 1e-3
