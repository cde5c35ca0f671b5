"""The one training loop of every network here."""

from __future__ import annotations

import math
import time
from bisect import bisect_right
from collections.abc import Callable, Generator
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import SGD

from stroi.cache.errors import ParamsError, StroiError
from stroi.trainer.average import Average
from stroi.trainer.batches import Batch
from stroi.trainer.config import Schedule
from stroi.trainer.judging import Best, Judge, judged_epoch
from stroi.trainer.runtime import deterministic
from stroi.trainer.state import EpochRecord, load_state, save_state, state_path

CHECK_EVERY = 16
"""Steps between looks at the losses: each look waits for a GPU to catch up."""


B = TypeVar("B", bound=Batch)
Feed = Callable[[int], Generator[B, None, None]]
"""Yields the batches of an epoch, counted from 0."""
Step = Callable[[B], tuple[Tensor, Tensor]]
"""Takes a batch; gives the scalar loss to minimise and the number of clips that were right."""
OnEpoch = Callable[[EpochRecord], None]


def learning_rate(schedule: Schedule, epoch: int) -> float:
    """Learning rate of an epoch, counted from 0: a function of the schedule alone."""
    if epoch < schedule.warmup:
        return schedule.lr * (epoch + 1) / schedule.warmup
    if schedule.decay == "cosine":
        done = (epoch - schedule.warmup) / max(1, schedule.epochs - schedule.warmup)
        return schedule.lr * 0.5 * (1 + math.cos(math.pi * done))
    return schedule.lr * schedule.gamma ** bisect_right(sorted(schedule.milestones), epoch)


def fit(
    model: nn.Module,
    feed: Feed[B],
    step: Step[B],
    *,
    schedule: Schedule,
    seed: int,
    key: str,
    threads: int,
    state: Path | None = None,
    save_every: int = 5,
    judge: Judge | None = None,
    on_epoch: OnEpoch | None = None,
) -> list[EpochRecord]:
    """Train `model` in place by SGD; interrupted and resumed equals uninterrupted.

    With a state folder the run is saved every `save_every` epochs and at its end; a run found
    there under the same key goes on from there, and a finished one is loaded and not redone.

    Args:
        model: The network, on its device.
        feed: Batches of an epoch.
        step: Loss and hits of a batch.
        schedule: Epochs, rates, momentum.
        seed: Seed; the noise of an epoch depends on it and the epoch's number only.
        key: Digest of everything the result depends on.
        threads: CPU threads.
        state: Folder of the run's state, or None to keep none.
        save_every: Epochs between two saves.
        judge: Asked after every epoch; the steps are the same with and without it.
        on_epoch: Told the record of every epoch, those restored from `state` included.

    Returns:
        One record per epoch.

    Raises:
        ParamsError: ``KEEP_BEST`` if the best epoch is to be kept and nobody judges them.
        StroiError: ``LOSS_NOT_FINITE`` naming epoch, batch and learning rate.
    """
    tell = on_epoch or (lambda record: None)
    optimizer = SGD(
        _groups(model, schedule),
        lr=schedule.lr,
        momentum=schedule.momentum,
        nesterov=schedule.nesterov,
        weight_decay=schedule.weight_decay,
    )
    if schedule.keep == "best" and judge is None:
        raise ParamsError(
            "KEEP_BEST",
            "the best epoch cannot be kept: no clips are held out to judge it by",
            remedy="give the split a validation part, or set schedule.keep to last",
        )
    path = None if state is None else state_path(state, key)
    average = Average(model, schedule.average) if schedule.average else None
    best = Best(model) if schedule.keep == "best" else None
    beside = {"average": average, "best": best}
    copies = {name: copy.values for name, copy in beside.items() if copy is not None}
    records = load_state(path, key, model, optimizer, copies) if path else []
    for record in records:
        tell(record)
    with deterministic(seed, threads):
        for epoch in range(len(records), schedule.epochs):
            record = _epoch(model, optimizer, feed, step, schedule, seed, epoch, average)
            if judge is not None:
                record = judged_epoch(record, records, model, judge, average, best)
            records.append(record)
            done = epoch + 1
            if path and (done % save_every == 0 or done == schedule.epochs):
                save_state(path, key, model, optimizer, records, copies)
            tell(record)
    chosen = best or average
    if chosen is not None:
        chosen.take(model)
    return records


def _groups(model: nn.Module, schedule: Schedule) -> list[dict[str, Any]]:
    """Every parameter, and those of one axis without weight decay if the schedule says so."""
    if schedule.decay_all:
        return [{"params": list(model.parameters())}]
    several = [value for value in model.parameters() if value.ndim > 1]
    single = [value for value in model.parameters() if value.ndim <= 1]
    return [{"params": several}, {"params": single, "weight_decay": 0.0}]


def _epoch(
    model: nn.Module,
    optimizer: SGD,
    feed: Feed[B],
    step: Step[B],
    schedule: Schedule,
    seed: int,
    epoch: int,
    average: Average | None,
) -> EpochRecord:
    torch.manual_seed(int(np.random.default_rng((seed, epoch, 1)).integers(2**62)))
    rate = learning_rate(schedule, epoch)
    for group in optimizer.param_groups:
        group["lr"] = rate
    model.train()
    started, clips = time.perf_counter(), 0
    losses: list[Tensor] = []
    hits: list[Tensor] = []
    sizes: list[int] = []
    with closing(feed(epoch)) as batches:
        for batch in batches:
            loss, correct = step(batch)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            if average is not None:
                average.add(model)
            losses.append(loss.detach())
            hits.append(correct)
            sizes.append(len(batch.rows))
            if len(losses) % CHECK_EVERY == 0:
                _check(losses, epoch, rate)
    found = _check(losses, epoch, rate)
    clips, seconds = sum(sizes), time.perf_counter() - started
    return EpochRecord(
        epoch=epoch,
        loss=float(np.dot(found, sizes)) / clips,
        accuracy=int(torch.stack(hits).sum()) / clips,
        lr=rate,
        seconds=seconds,
        samples_per_second=clips / seconds,
    )


def _check(losses: list[Tensor], epoch: int, rate: float) -> list[float]:
    """The losses of an epoch so far as numbers, all of them finite."""
    found: list[float] = torch.stack(losses).tolist()
    for batch, loss in enumerate(found):
        if not math.isfinite(loss):
            raise StroiError(
                "LOSS_NOT_FINITE",
                f"the loss is {loss} in epoch {epoch}, batch {batch}, at learning rate {rate:g}",
                remedy="lower the learning rate or add warm-up epochs; look for damaged input",
            )
    return found
