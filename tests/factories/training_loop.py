"""A small network and a task for the training loop."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from stroi.trainer.config import Schedule
from stroi.trainer.data.epoch_order import shuffled_batches
from stroi.trainer.loop import fit
from stroi.trainer.run.checkpointer import Checkpointer
from stroi.trainer.run.progress import EpochRecord
from stroi.trainer.run.resume_point import TrainState
from stroi.trainer.run.run_options import SAVE_EVERY, SAVE_MINUTES, OnEpoch, RunOptions
from stroi.trainer.runtime import deterministic

SCHEDULE = Schedule(epochs=6, batch_size=4, lr=0.1, milestones=(2, 4), warmup=1)


KEY = "k" * 64


@dataclass(frozen=True)
class Rows:
    """A batch: (B,) positions."""

    index: NDArray[np.int64]

    @property
    def size(self) -> int:
        return len(self.index)


def small_net(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(5, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 3))


def task_of(net: nn.Module, *, count: int = 11, poison: float = 1.0) -> tuple[Callable, Callable]:
    random = np.random.default_rng(0)
    x = torch.from_numpy(random.normal(0, 1, (count, 5)).astype(np.float32)) * poison
    y = torch.from_numpy(random.integers(0, 3, count))

    def epoch_batches(epoch: int, skip: int) -> Generator[Rows, None, None]:
        for index in shuffled_batches(count, 4, seed=0, epoch=epoch)[skip:]:
            yield Rows(index)

    def compute_loss(batch: Rows) -> tuple[Tensor, Tensor]:
        rows = torch.from_numpy(batch.index)
        logits = net(x[rows])
        loss = nn.functional.cross_entropy(logits, y[rows])
        return loss, (logits.argmax(1) == y[rows]).sum()

    return epoch_batches, compute_loss


def train(
    net: nn.Module,
    epoch_batches: Callable,
    compute_loss: Callable,
    *,
    schedule: Schedule = SCHEDULE,
    seed: int = 0,
    key: str = KEY,
    folder: Path | None = None,
    save_every: int = SAVE_EVERY,
    save_minutes: float = SAVE_MINUTES,
    on_epoch: OnEpoch | None = None,
    **more: Any,
) -> list[EpochRecord]:
    """Train by `fit` as the trainings of the package do, with checkpoints in a folder."""
    state = TrainState.create(net, schedule)
    run = RunOptions(
        seed, checkpoints=folder, save_every=save_every, save_minutes=save_minutes,
        on_epoch=on_epoch,
    )  # fmt: skip
    with deterministic(seed, 1):
        return fit(
            state, epoch_batches, compute_loss, Checkpointer.create(state, key, run),
            schedule=schedule, run=run, **more,
        )  # fmt: skip


def same_tensors(one: dict[str, Tensor], two: dict[str, Tensor]) -> bool:
    return one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)


def copy_tensors(net: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in net.state_dict().items()}
