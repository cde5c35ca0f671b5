"""Several processes that train one network: the same step, the same network everywhere."""

from __future__ import annotations

import multiprocessing
import os
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from resnet_team import free_port
from small_inputs import CLASSES, IDS, LABELS, QUICK, SMALL_GCN, clips
from torch import nn
from trainings import gcn_trained

from stroi.cache.errors import ParamsError
from stroi.cache.weights import Weights
from stroi.trainer.models.graph_net import GraphNet
from stroi.trainer.run.distributed import World, join_world
from stroi.trainer.run.progress import EpochRecord
from stroi.trainer.run.run_key import model_digest
from stroi.trainer.score_gcn import compute_weights

SIZE = 2
CONFIG = SMALL_GCN.replace(dropout=0.0)
SCHEDULE = QUICK.replace(batch_size=8)


class Seen(NamedTuple):
    """What one of the processes found."""

    rank: int
    gradients: dict[int, torch.Tensor]
    losses: dict[int, tuple[float, int]]
    digests: list[str]
    records: list[EpochRecord]
    weights: Weights
    running: dict[int, dict[str, Any]]


@given(count=st.integers(1, 40), size=st.integers(1, 9))
def test_parts_name_every_clip_once(count: int, size: int) -> None:
    members = [World(rank, size) for rank in range(size)]
    seen = [range(count)[one.shard_slice(count)] for one in members if one.shard_share(count)]
    assert [clip for part in seen for clip in part] == list(range(count))
    assert max(map(len, seen)) - min(map(len, seen)) <= 1
    for one in members:
        part = range(count)[one.shard_slice(count)]
        assert len(part) >= 1
        assert one.shard_share(count) in (0, len(part) / count)


@pytest.mark.parametrize("said", [("1", "1"), ("x", "2"), ("0", ""), ("-1", "2")])
def test_what_torchrun_says_must_make_sense(said: tuple[str, str]) -> None:
    rank, size = said
    expected = re.escape(f"TORCHRUN: RANK is {rank!a} and WORLD_SIZE {size!a} in the environment")
    with (
        pytest.raises(ParamsError, match=expected),
        join_world({"RANK": rank, "WORLD_SIZE": size}),
    ):
        pass


def test_alone_by_default() -> None:
    with join_world({}) as one:
        assert one == World(0, 1)
    net = nn.Linear(2, 2)
    assert one.wrap_ddp(net) is net


def _linear() -> tuple[nn.Linear, torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    return nn.Linear(4, 3), torch.randn(7, 4), torch.randint(0, 3, (7,))


def _step(one: World, count: int) -> tuple[torch.Tensor, tuple[float, int]]:
    """Gradient, loss and hits of one step over `count` clips; a network without normalisation."""
    net, x, labels = _linear()
    part, trained = one.shard_slice(count), one.wrap_ddp(net)
    logits = trained(x[:count][part])
    loss = nn.functional.cross_entropy(logits, labels[:count][part])
    hits = (logits.argmax(1) == labels[:count][part]).sum()
    loss, hits = one.reduce_loss(net, loss, hits, count)
    loss.backward()
    assert net.weight.grad is not None
    return net.weight.grad, (float(loss.detach()), int(hits))


def _running(one: World, count: int) -> dict[str, Any]:
    """Running statistics after a step over `count` clips, each normalised by its own process."""
    net = nn.Sequential(nn.BatchNorm1d(3, momentum=0.5)).double()
    x = _uneven_clips()
    for _ in range(2):
        net(x[:count][one.shard_slice(count)])
        one.reduce_loss(net, torch.tensor(0.0).double(), torch.tensor(0), count)
    return {name: value.numpy() for name, value in net[0].named_buffers()}


def _uneven_clips() -> torch.Tensor:
    """Seven clips (7, 3 channels, 5 values) that differ in mean and spread."""
    torch.manual_seed(0)
    return (torch.randn(7, 3, 5) * torch.arange(1, 8)[:, None, None] + 3).double()


def _work(rank: int, port: int, folder: str, results: Any) -> None:
    """One of the processes."""
    said = {"RANK": str(rank), "WORLD_SIZE": str(SIZE)}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    torch.set_num_threads(1)
    with join_world(said) as one:
        steps = {count: _step(one, count) for count in (1, 2, 7)}
        running = {count: _running(one, count) for count in (1, 2, 7)}
        digests, records = [], []
        for _ in range(2):
            records.clear()
            net = _train(one, Path(folder), records)
            digests.append(model_digest(net))
        digests.append(model_digest(_train(one, None, [])))
        digests.append(model_digest(_train(one, None, [], dropout=0.5)))
    torch.manual_seed(0)
    weights = compute_weights(GraphNet(CLASSES, SMALL_GCN), clips(), IDS[rank::SIZE])[0]
    found = {count: step[0] for count, step in steps.items()}
    losses = {count: step[1] for count, step in steps.items()}
    arrays = {count: value.numpy() for count, value in found.items()}
    results.put(Seen(rank, arrays, losses, digests, records, weights, running))


def _train(
    one: World, folder: Path | None, records: list[EpochRecord], dropout: float = 0.0
) -> Any:
    return gcn_trained(
        clips(), LABELS, CLASSES, config=CONFIG.replace(dropout=dropout), schedule=SCHEDULE,
        seed=0, checkpoints=folder, on_epoch=records.append, world=one,
    )  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """State of the run that the processes share."""
    return tmp_path_factory.mktemp("state")


@pytest.fixture(scope="module")
def seen(folder: Path) -> Iterator[list[Seen]]:
    """What two processes found, by rank."""
    context = multiprocessing.get_context("spawn")
    port = free_port()
    results = context.Queue()
    processes = [
        context.Process(target=_work, args=(rank, port, str(folder), results))
        for rank in range(SIZE)
    ]
    for process in processes:
        process.start()
    try:
        yield sorted((results.get(timeout=100) for _ in processes), key=lambda one: one.rank)
    finally:
        for process in processes:
            process.join(10)
            process.kill()


@pytest.mark.parametrize("count", [1, 2, 7])
def test_step_is_that_of_the_whole_batch(seen: list[Seen], count: int) -> None:
    """Parts of 4 and 3 clips, and a process without any: clips count alike, not processes."""
    expected, (loss, hits) = _step(World(), count)
    for one in seen:
        np.testing.assert_allclose(one.gradients[count], expected.numpy(), rtol=1e-5, atol=1e-7)
        assert one.losses[count] == (pytest.approx(loss, rel=1e-6), hits)


@pytest.mark.parametrize(("count", "shares"), [(1, (0, 1)), (2, (0.5, 0.5)), (7, (3 / 7, 4 / 7))])
def test_running_statistics_are_averaged_by_clips(
    seen: list[Seen], count: int, shares: tuple[float, float]
) -> None:
    """A process that had no clip does not count, one that had more counts more."""
    x, cut = _uneven_clips()[:count], count // 2
    expected = {"running_mean": torch.zeros(3).double(), "running_var": torch.ones(3).double()}
    for part, share in zip((x[:cut], x[cut:]), shares, strict=True):
        if share:
            # Twice by half: a quarter of the start stays.
            expected["running_mean"] += share * 0.75 * part.mean((0, 2))
            expected["running_var"] += share * 0.75 * (part.var((0, 2)) - 1)
    for one in seen:
        for name, value in expected.items():
            np.testing.assert_allclose(one.running[count][name], value, rtol=1e-12, err_msg=name)


def test_every_process_holds_the_same_network(seen: list[Seen]) -> None:
    assert seen[0].digests == seen[1].digests
    assert [_timeless(record) for record in seen[0].records] == [
        _timeless(record) for record in seen[1].records
    ]


def test_same_again_and_resumed_is_the_same_bits(seen: list[Seen], folder: Path) -> None:
    first, resumed, again, dropped = seen[0].digests
    assert first == resumed == again
    assert dropped != first
    assert len(list(folder.iterdir())) == 1


@pytest.mark.nightly
def test_losses_are_close_to_those_of_one_process(seen: list[Seen]) -> None:
    """Not equal: each process normalises by its own 4 of the 8 clips.

    A normalisation by half of the clips moves a loss near log(2) by hundredths; the gradients
    themselves are averaged exactly, see above.
    """
    records: list[EpochRecord] = []
    _train(World(), None, records)
    assert len(records) == len(seen[0].records) == SCHEDULE.epochs
    for one, both in zip(records, seen[0].records, strict=True):
        assert both.loss == pytest.approx(one.loss, abs=0.1)
        assert both.loss != one.loss


@pytest.mark.nightly
def test_weights_of_halves_weighed_by_processes_are_those_of_the_whole(seen: list[Seen]) -> None:
    torch.manual_seed(0)
    whole = compute_weights(GraphNet(CLASSES, SMALL_GCN), clips(), IDS)[0]
    for one in seen:
        rows = [whole.ids.index(name) for name in one.weights.ids]
        np.testing.assert_array_equal(one.weights.joint_weights, whole.joint_weights[rows])
        np.testing.assert_array_equal(one.weights.row_weights, whole.row_weights[rows])


def _timeless(record: EpochRecord) -> EpochRecord:
    return replace(record, seconds=0.0, samples_per_second=0.0)
