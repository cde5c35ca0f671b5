"""The one training loop of every network here."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Generator, Sequence
from contextlib import closing, nullcontext
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from torch import Tensor, nn
from torch.optim import SGD

from stroi.cache.errors import ParamsError, StroiError
from stroi.trainer.config import Schedule
from stroi.trainer.data.epoch_order import Batch
from stroi.trainer.network_files.safetensors_io import DIVERGED
from stroi.trainer.run.checkpointer import Checkpointer
from stroi.trainer.run.distributed import SINGLE_PROCESS, World
from stroi.trainer.run.ema import BestWeights, WeightEma
from stroi.trainer.run.gpu import Usage
from stroi.trainer.run.judging import Validate, validate_epoch
from stroi.trainer.run.progress import EpochProgress
from stroi.trainer.run.state import EpochRecord, state_path
from stroi.trainer.runtime import deterministic

CHECK_EVERY = 16
"""Steps between looks at the losses: each look waits for a GPU and for the other processes."""
SAVE_MINUTES = 10.0
"""Least time between two saves inside an epoch: no kill costs more than that and a few steps."""


B = TypeVar("B", bound=Batch)
Feed = Callable[[int, int], Generator[B, None, None]]
"""Yields the batches of an epoch, counted from 0, without as many of its first ones."""
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
    save_minutes: float = SAVE_MINUTES,
    validate: Validate | None = None,
    on_epoch: OnEpoch | None = None,
    world: World = SINGLE_PROCESS,
    trained: nn.Module | None = None,
) -> list[EpochRecord]:
    """Train `model` in place by SGD; interrupted and resumed equals uninterrupted.

    With a state folder the run is saved every `save_every` epochs, inside epochs that are long,
    and at its end; a run found there under the same key goes on from there, and a finished one
    is loaded and not redone.

    Args:
        model: The network, on its device.
        feed: Batches of an epoch.
        step: Loss and hits of a batch.
        schedule: Epochs, rates, momentum.
        seed: Seed; the noise of an epoch depends on it and the epoch's number only.
        key: Digest of everything the result depends on.
        threads: CPU threads.
        state: Folder of the run's state, or None to keep none; all processes see the same.
        save_every: Epochs between two saves.
        save_minutes: Least minutes between two saves inside an epoch.
        judge: Asked after every epoch; the steps are the same with and without it.
        on_epoch: Told the record of every epoch, those restored from `state` included.
        world: The processes that train together, each with this very call.
        trained: `model` as `step` calls it, if that is what `World.wrap_ddp` gave.

    Returns:
        One record per epoch.

    Raises:
        ParamsError: ``KEEP_BEST``, ``PATIENCE`` if the best epoch is to be kept or waited for and
            nobody judges them.
        StroiError: ``LOSS_NOT_FINITE`` or ``WEIGHTS_NOT_FINITE`` naming epoch and learning rate.
    """
    _check_judge(schedule, validate)
    tell = on_epoch or (lambda record: None)
    optimizer = SGD(
        _groups(model, schedule),
        lr=schedule.lr,
        momentum=schedule.momentum,
        nesterov=schedule.nesterov,
        weight_decay=schedule.weight_decay,
    )
    average = WeightEma(model, schedule.ema) if schedule.ema else None
    best = BestWeights(model) if schedule.keep == "best" else None
    beside = {"average": average, "best": best}
    copies = {name: copy.values for name, copy in beside.items() if copy is not None}
    path = None if state is None else state_path(state, key)
    checkpointer = Checkpointer(
        path, key, model, optimizer, copies, world, save_every, save_minutes
    )
    at = checkpointer.load()
    records, within = list(at.records), at.within
    for record in records:
        tell(record)
    with deterministic(seed, threads):
        while not _finished(records, schedule):
            world.seed_epoch(seed, len(records))
            if within is not None:
                checkpointer.resume(at)
            record = _epoch(
                model, trained or model, optimizer, feed, step, schedule, records,
                within or EpochProgress(), average, checkpointer,
            )  # fmt: skip
            within = None
            if validate is not None:
                asked = partial(world.on_leader, validate)
                record = validate_epoch(record, records, model, asked, average, best)
            records.append(record)
            checkpointer.between(records, finished=_finished(records, schedule))
            tell(record)
    chosen = best or average
    if chosen is not None:
        chosen.take(model)
    return records


def _epoch(
    model: nn.Module,
    trained: nn.Module,
    optimizer: SGD,
    feed: Feed[B],
    step: Step[B],
    schedule: Schedule,
    records: list[EpochRecord],
    within: EpochProgress,
    average: WeightEma | None,
    checkpointer: Checkpointer,
) -> EpochRecord:
    """The epoch after `records`, or what is left of it after `within`."""
    epoch = len(records)
    rate = learning_rate(schedule, epoch)
    for group in optimizer.param_groups:
        group["lr"] = rate
    model.train()
    usage = Usage(next(model.parameters()).device)
    waiting = 0  # clips whose gradients wait for the step that takes them
    with closing(feed(epoch, within.batches)) as batches:
        for batch in within.timed(batches):
            if not waiting:
                optimizer.zero_grad(set_to_none=True)
            steps = (within.batches + 1) % schedule.accumulate == 0
            with nullcontext() if steps else checkpointer.world.apart(trained):
                loss, correct = step(batch)
                within.add(loss, correct, len(batch.rows))
                if schedule.accumulate > 1:
                    loss = loss * len(batch.rows)
                loss.backward()  # type: ignore[no-untyped-call]
            waiting += len(batch.rows)
            if not steps:
                continue
            _step(optimizer, schedule, waiting, average, model)
            waiting = 0
            looked = within.batches // schedule.accumulate % CHECK_EVERY == 0
            if looked:
                usage.sample()
                _check(within, epoch, rate)
            if checkpointer.due(looked):
                _check(within, epoch, rate)
                checkpointer.check(epoch, rate)
                checkpointer.inside(records, within)
    if waiting:
        checkpointer.world.average_gradients(model)
        _step(optimizer, schedule, waiting, average, model)
    _check(within, epoch, rate)
    checkpointer.check(epoch, rate)
    clips = sum(within.sizes)
    return EpochRecord(
        epoch=epoch,
        loss=float(np.dot(within.losses, within.sizes)) / clips,
        accuracy=within.hits / clips,
        lr=rate,
        seconds=within.seconds,
        samples_per_second=clips / within.seconds,
        wait=within.waited / within.seconds,
        gpu=usage.mean(),
    )


def _step(
    optimizer: SGD, schedule: Schedule, clips: int, average: WeightEma | None, model: nn.Module
) -> None:
    """One step of the optimiser by the gradients of `clips` clips."""
    if schedule.accumulate > 1:
        # They are sums over clips: how many the last step of an epoch gets is not known before.
        for group in optimizer.param_groups:
            for value in group["params"]:
                if value.grad is not None:
                    value.grad.div_(clips)
    optimizer.step()
    if average is not None:
        average.add(model)


def _check(within: EpochProgress, epoch: int, rate: float) -> None:
    """Refuse an epoch with a loss that is no finite number."""
    within.fetch()
    for batch, loss in enumerate(within.losses):
        if not math.isfinite(loss):
            raise StroiError(
                "LOSS_NOT_FINITE",
                f"the loss is {loss} in epoch {epoch}, batch {batch}, at learning rate {rate:g}",
                remedy=DIVERGED,
            )


def _finished(records: Sequence[EpochRecord], schedule: Schedule) -> bool:
    """Whether no epoch follows: all are done, or none was better for `patience` epochs."""
    shares = [record.validation_accuracy or 0.0 for record in records]
    if schedule.patience and shares:
        since = len(shares) - 1 - shares.index(max(shares))
        if since >= schedule.patience:
            return True
    return len(records) >= schedule.epochs


def _check_judge(schedule: Schedule, validate: Validate | None) -> None:
    if validate is not None:
        return
    if schedule.keep == "best":
        raise ParamsError(
            "KEEP_BEST",
            "the best epoch cannot be kept: no clips are held out to judge it by",
            remedy="give the split a validation part, or set schedule.keep to last",
        )
    if schedule.patience:
        raise ParamsError(
            "PATIENCE",
            "nothing tells when to stop early: no clips are held out to judge epochs by",
            remedy="give the split a validation part, or set schedule.patience to 0",
        )


def _groups(model: nn.Module, schedule: Schedule) -> list[dict[str, Any]]:
    """Every parameter, and those of one axis without weight decay if the schedule says so."""
    if schedule.decay_all:
        return [{"params": list(model.parameters())}]
    several = [value for value in model.parameters() if value.ndim > 1]
    single = [value for value in model.parameters() if value.ndim <= 1]
    return [{"params": several}, {"params": single, "weight_decay": 0.0}]
