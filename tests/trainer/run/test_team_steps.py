"""What processes send one another: gradients once a step, statistics of clips that there are."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from processes import together
from torch import Tensor, nn
from torch.distributed import GradBucket
from torch.distributed.algorithms.ddp_comm_hooks.default_hooks import allreduce_hook
from torch.futures import Future
from torch.nn.parallel import DistributedDataParallel
from training_loop import KEY, Rows

from stroi.trainer.config import Schedule
from stroi.trainer.data.epoch_order import split
from stroi.trainer.loop import fit
from stroi.trainer.run.checkpointer import Checkpointer
from stroi.trainer.run.distributed import World
from stroi.trainer.run.resume_point import TrainState
from stroi.trainer.run.run_options import RunOptions
from stroi.trainer.runtime import deterministic

COUNT = 26
SCHEDULES = {
    1: Schedule(epochs=3, batch_size=5, lr=0.1),
    2: Schedule(epochs=3, batch_size=5, lr=0.1, accumulate=2),
    4: Schedule(epochs=3, batch_size=5, lr=0.1, accumulate=4),
    99: Schedule(epochs=3, batch_size=5, lr=0.1, accumulate=99),
}
"""Five batches an epoch, the last of six clips, by how many make a step."""
SENT = {1: 5, 2: 2, 4: 1, 99: 0}
"""Steps of an epoch that a whole accumulation ends: each sends its gradients in its last backward
pass. What is left at the end of an epoch is sent after it."""


class Trained(NamedTuple):
    """A network and how often gradients were sent in its backward passes."""

    values: dict[str, np.ndarray]
    sent: int


def _trained(one: World, schedule: Schedule) -> Trained:
    """A network without normalisation, in float64, trained by `fit`."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, 3)).double()
    x, y = torch.randn(COUNT, 5).double(), torch.randint(0, 3, (COUNT,))
    state, sent = TrainState.create(net, schedule, one), []
    if isinstance(state.network, DistributedDataParallel):
        # No function of ours: torch asks for annotations that are no strings.
        state.network.register_comm_hook(sent, lambda sent, bucket: _counted(sent, bucket))

    def epoch_batches(epoch: int, skip: int) -> Generator[Rows, None, None]:
        order = np.random.default_rng((epoch,)).permutation(COUNT)
        for index in split(order, schedule.batch_size)[skip:]:
            yield Rows(index)

    def compute_loss(batch: Rows) -> tuple[Tensor, Tensor]:
        rows = torch.from_numpy(batch.index[one.shard_slice(batch.size)])
        logits = state.network(x[rows])
        loss = nn.functional.cross_entropy(logits, y[rows])
        return one.reduce_loss(net, loss, (logits.argmax(1) == y[rows]).sum(), batch.size)

    with deterministic(0, 1):
        fit(
            state, epoch_batches, compute_loss, Checkpointer(state, KEY), schedule=schedule,
            run=RunOptions(0),
        )  # fmt: skip
    return Trained({name: value.numpy() for name, value in net.state_dict().items()}, len(sent))


def _counted(sent: list[int], bucket: GradBucket) -> Future[Tensor]:
    sent.append(bucket.index())
    return allreduce_hook(None, bucket)


def _all(one: World, given: None) -> dict[int, Trained]:
    return {number: _trained(one, schedule) for number, schedule in SCHEDULES.items()}


@pytest.fixture(scope="module")
def both() -> list[dict[int, Trained]]:
    """What two processes found."""
    return together(_all, [None, None])


@pytest.mark.parametrize("number", SCHEDULES)
def test_gradients_are_sent_once_a_step(both: list[dict[int, Trained]], number: int) -> None:
    for one in both:
        assert one[number].sent == 3 * SENT[number]


@pytest.mark.parametrize("number", SCHEDULES)
def test_accumulated_steps_of_two_processes_are_those_of_one(
    both: list[dict[int, Trained]], number: int
) -> None:
    """Also where an epoch ends inside an accumulation."""
    alone = _trained(World(), SCHEDULES[number]).values
    for one in both:
        for name, value in alone.items():
            np.testing.assert_allclose(one[number].values[name], value, rtol=1e-12, atol=1e-14)
    for name, value in both[0][number].values.items():
        np.testing.assert_array_equal(both[1][number].values[name], value)


def _running(one: World, given: None) -> dict[str, Any]:
    """Running statistics of a step over two clips."""
    net = nn.Sequential(nn.BatchNorm1d(3, momentum=1.0)).double()
    net(_two_clips()[one.shard_slice(2)])
    one.reduce_loss(net, torch.tensor(0.0).double(), torch.tensor(0), 2)
    return {name: value.numpy() for name, value in net[0].named_buffers()}


def _two_clips() -> Tensor:
    return torch.arange(30.0).view(2, 3, 5).square().double()


@pytest.mark.nightly
def test_a_process_without_a_clip_adds_nothing_to_running_statistics() -> None:
    """Of three processes the first has none, and sees the second one's."""
    x = _two_clips()
    for one in together(_running, [None] * 3):
        np.testing.assert_allclose(one["running_mean"], x.mean((0, 2)), rtol=1e-12)
        np.testing.assert_allclose(one["running_var"], x.var(2).mean(0), rtol=1e-12)
