"""The RGB branch in two processes that torchrun starts: what one process would do.

On CPUs a batch normalisation normalises the slice of each process by itself. The one process that
the two are compared with does so too.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from resnet_team import free_port, main, node_command, torchrun_command
from small_inputs import mosaic_cache
from torch import Tensor, nn

from stroi.trainer.network_files.safetensors_io import read_tensors
from stroi.trainer.run.distributed import World


def run_all(commands: Sequence[Sequence[object]]) -> None:
    """Run commands side by side to their ends.

    Raises:
        AssertionError: With what it said, if one fails.
    """
    started = [
        subprocess.Popen(
            [str(word) for word in command], env=os.environ | {"OMP_NUM_THREADS": "1"},
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )
        for command in commands
    ]  # fmt: skip
    try:
        said = [child.communicate(timeout=900)[1] for child in started]
    finally:
        for child in started:
            child.kill()
    for child, text in zip(started, said, strict=True):
        assert child.returncode == 0, text[-3000:]


pytestmark = pytest.mark.nightly

JOBS: dict[str, tuple[str, dict[str, Any]]] = {
    "plain": ("plain", {"double": True}),
    "end-to-end": ("end-to-end", {"double": True}),
    "accumulated": ("fixed", {"double": True, "batch_size": 3, "accumulate": 2}),
    "single": ("plain", {"lr": 1e-4}),
}
"""Trainings by name. A rectifier that is nearly 0 may fall to the other side with the order of a
sum: float64 says that the step is the same, float32 that rounding stays small at small steps."""


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results of all trainings, by one process and by two, and of one that normalises as usual."""
    folder = tmp_path_factory.mktemp("team")
    mosaics = folder / "mosaics"
    mosaics.mkdir()
    mosaic_cache(mosaics)
    jobs = {
        number: [(mode, str(folder / number / name), more) for name, (mode, more) in JOBS.items()]
        for number in ("one", "two", "usual")
    }
    for number in jobs:
        (folder / number).mkdir()
    run_all([[*torchrun_command(), mosaics, json.dumps(jobs["two"])]])
    with double_kept(), normalising_slices():
        main(str(mosaics), json.dumps(jobs["one"]))
    with double_kept():
        main(str(mosaics), json.dumps(jobs["usual"][:1]))
    return folder


@contextmanager
def double_kept() -> Iterator[None]:
    """Put the default type of floats back afterwards."""
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


@contextmanager
def normalising_slices() -> Iterator[None]:
    """Batch normalisation of mosaics as two processes do it, each on its slice."""
    usual = nn.BatchNorm2d.forward

    def forward(layer: nn.BatchNorm2d, x: Tensor) -> Tensor:
        if not layer.training:
            return usual(layer, x)
        assert layer.num_batches_tracked is not None
        worlds, running = (World(0, 2), World(1, 2)), (layer.running_mean, layer.running_var)
        start, parts = [value.clone() for value in running], []
        mean = [torch.zeros_like(value) for value in running]
        for world in worlds:
            # Past autograd, as `World.reduce_loss` does it.
            for value, before in zip(running, start, strict=True):
                value.data.copy_(before)
            parts.append(usual(layer, x[world.shard_slice(len(x))]))
            for value, own in zip(mean, running, strict=True):
                value.add_(own, alpha=world.shard_share(len(x)))
        for value, both in zip(running, mean, strict=True):
            value.data.copy_(both)
        layer.num_batches_tracked.sub_(1)
        return torch.cat(parts)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nn.BatchNorm2d, "forward", forward)
        yield


class Result(NamedTuple):
    """What a process left."""

    losses: NDArray[np.float64]
    network: dict[str, Tensor]


def _result(out: Path, number: str, name: str, rank: int = 0) -> Result:
    folder = out / number / name
    losses = json.loads((folder / f"losses-{rank}.json").read_text(encoding="utf-8"))
    return Result(np.array(losses), read_tensors(folder / f"network-{rank}.safetensors")[0])


@pytest.mark.parametrize("name", [name for name in JOBS if name != "end-to-end"])
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


def test_slices_normalised_by_themselves_are_another_training(out: Path) -> None:
    usual, two = _result(out, "usual", "plain"), _result(out, "two", "plain")
    assert abs(usual.losses[0, 0] - two.losses[0, 0]) > 1e-3


@pytest.mark.nightly
def test_two_nodes_train_what_two_processes_of_one_train(out: Path) -> None:
    """Each node has a launcher of its own, and on each the process is its machine's first."""
    (out / "nodes").mkdir()
    jobs = json.dumps([("plain", str(out / "nodes" / "single"), JOBS["single"][1])])
    port = free_port()
    run_all([[*node_command(rank, 2, port), out / "mosaics", jobs] for rank in (0, 1)])
    for rank in (0, 1):
        two, nodes = _result(out, "two", "single", rank), _result(out, "nodes", "single", rank)
        np.testing.assert_array_equal(nodes.losses, two.losses)
        for tensor, value in two.network.items():
            assert torch.equal(nodes.network[tensor], value), tensor
