"""Several batches per step, early stops, and what a key says of both."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.optim.optimizer import register_optimizer_step_post_hook
from training_loop import Rows, train

from stroi.cache.errors import ParamsError
from stroi.trainer.config import GcnConfig, Schedule
from stroi.trainer.data.epoch_order import split
from stroi.trainer.run.progress import EpochRecord
from stroi.trainer.run.run_key import run_key
from stroi.trainer.run.run_options import RunOptions

SCHEDULE = Schedule(epochs=3, lr=0.1, milestones=(2,))


def _trained(count: int, schedule: Schedule) -> tuple[nn.Module, list[EpochRecord], list[int]]:
    """A network without normalisation, its epochs and how many steps each had."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, 3))
    random = np.random.default_rng(0)
    x = torch.from_numpy(random.normal(0, 1, (count, 5)).astype(np.float32))
    y = torch.from_numpy(random.integers(0, 3, count))
    steps: list[int] = []

    def epoch_batches(epoch: int, skip: int) -> Generator[Rows, None, None]:
        steps.append(0)
        order = np.random.default_rng((epoch,)).permutation(count)
        for index in split(order, schedule.batch_size)[skip:]:
            yield Rows(index)

    def compute_loss(batch: Rows) -> tuple[Tensor, Tensor]:
        rows = torch.from_numpy(batch.index)
        logits = net(x[rows])
        return nn.functional.cross_entropy(logits, y[rows]), (logits.argmax(1) == y[rows]).sum()

    def counted(*_: Any) -> None:
        steps[-1] += 1

    handle = register_optimizer_step_post_hook(counted)
    try:
        records = train(net, epoch_batches, compute_loss, schedule=schedule)
    finally:
        handle.remove()
    return net, records, steps


@pytest.mark.parametrize("count", [32, 44, 41])
def test_two_batches_of_8_are_one_of_16(count: int) -> None:
    """Also where the last step of an epoch gets 12 clips, or 9, of batches that are not alike."""
    whole, records, steps = _trained(count, SCHEDULE.replace(batch_size=16))
    halves = SCHEDULE.replace(batch_size=8, accumulate=2)
    other, same, others = _trained(count, halves)
    assert steps == others == [-(-count // 16)] * 3
    for one, two in zip(whole.parameters(), other.parameters(), strict=True):
        np.testing.assert_allclose(two.detach(), one.detach(), rtol=0, atol=1e-6)
    for record, copy in zip(records, same, strict=True):
        assert copy.loss == pytest.approx(record.loss, abs=1e-6)
        assert copy.accuracy == record.accuracy


def test_more_batches_than_an_epoch_has_make_one_step() -> None:
    *_, steps = _trained(20, SCHEDULE.replace(batch_size=4, accumulate=99))
    assert steps == [1, 1, 1]


def _stopped(shares: list[float], patience: int, validate: Callable[..., Any] | None) -> int:
    net = nn.Linear(2, 2)
    schedule = Schedule(epochs=len(shares), lr=0.1, patience=patience)

    def epoch_batches(epoch: int, skip: int) -> Generator[Rows, None, None]:
        yield Rows(np.arange(4))

    def compute_loss(batch: Rows) -> tuple[Tensor, Tensor]:
        return net(torch.ones(4, 2)).square().mean(), torch.tensor(1)

    return len(train(net, epoch_batches, compute_loss, schedule=schedule, validate=validate))


@pytest.mark.parametrize(("patience", "epochs"), [(0, 8), (1, 3), (2, 6), (3, 7), (9, 8)])
def test_patience_ends_after_epochs_that_are_no_better(patience: int, epochs: int) -> None:
    shares = [0.2, 0.5, 0.5, 0.6, 0.1, 0.6, 0.2, 0.9]
    told = iter(shares)
    assert _stopped(shares, patience, lambda: (1.0, next(told))) == epochs


def test_nothing_stops_early_without_validation_clips() -> None:
    with pytest.raises(ParamsError) as caught:
        _stopped([0.5] * 8, 2, None)
    assert str(caught.value) == (
        "PATIENCE: training cannot stop early: there are no validation clips; "
        "give the split a validation part, or set schedule.patience to 0"
    )


def _key(schedule: Schedule) -> str:
    return run_key(
        "gcn", GcnConfig(), schedule, RunOptions(0), device=torch.device("cpu"),
        classes=("a", "b"), inputs={},
    )  # fmt: skip


def test_they_are_part_of_the_key() -> None:
    schedules = (Schedule(), Schedule(accumulate=2), Schedule(patience=2))
    assert len({_key(schedule) for schedule in schedules}) == 3
