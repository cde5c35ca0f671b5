"""A small network and a task for the training loop."""

from __future__ import annotations

from collections.abc import Callable, Generator

import numpy as np
import torch
from torch import Tensor, nn

from stroi.trainer.config import Schedule
from stroi.trainer.data.epoch_order import Batch, epoch_batches

SCHEDULE = Schedule(epochs=6, batch_size=4, lr=0.1, milestones=(2, 4), warmup=1)


KEY = "k" * 64


def small_net(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(5, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 3))


def task_of(net: nn.Module, *, count: int = 11, poison: float = 1.0) -> tuple[Callable, Callable]:
    random = np.random.default_rng(0)
    x = torch.from_numpy(random.normal(0, 1, (count, 5)).astype(np.float32)) * poison
    y = torch.from_numpy(random.integers(0, 3, count))

    def feed(epoch: int, skip: int) -> Generator[Batch, None, None]:
        for rows in epoch_batches(count, 4, seed=0, epoch=epoch)[skip:]:
            yield Batch(rows)

    def step(batch: Batch) -> tuple[Tensor, Tensor]:
        rows = torch.from_numpy(batch.rows)
        logits = net(x[rows])
        loss = nn.functional.cross_entropy(logits, y[rows])
        return loss, (logits.argmax(1) == y[rows]).sum()

    return feed, step


def same_tensors(one: dict[str, Tensor], two: dict[str, Tensor]) -> bool:
    return one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)


def copy_tensors(net: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in net.state_dict().items()}
