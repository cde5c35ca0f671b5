"""The one training loop of every network here."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Generator, Sequence
from contextlib import closing, nullcontext
from dataclasses import replace
from typing import Protocol, TypeVar

import torch
from torch import Tensor

from stroi.cache.errors import ParamsError
from stroi.trainer.config import Schedule
from stroi.trainer.run.checkpointer import Checkpointer
from stroi.trainer.run.ema import copy_tensors
from stroi.trainer.run.progress import EpochProgress, EpochRecord, GpuUtilisation
from stroi.trainer.run.resume_point import TrainState
from stroi.trainer.run.run_options import RunOptions
from stroi.trainer.runtime import evaluating

SYNC_EVERY = 16
"""Steps between checks of the losses: each waits for a GPU and for the other processes."""


class Batch(Protocol):
    """Clips of one step."""

    @property
    def size(self) -> int:
        """How many there are, over all processes."""


B = TypeVar("B", bound=Batch)
EpochBatches = Callable[[int, int], Generator[B, None, None]]
"""Batches of an epoch, counted from 0, without as many of its first ones."""
LossFn = Callable[[B], tuple[Tensor, Tensor]]
"""Scalar loss of a batch, to minimise, and the number of correct predictions in it."""
Validate = Callable[[], tuple[float, float]]
"""Loss and accuracy, 0 to 1, of the network as it is at that moment."""


def fit(
    state: TrainState,
    epoch_batches: EpochBatches[B],
    compute_loss: LossFn[B],
    checkpointer: Checkpointer,
    *,
    schedule: Schedule,
    run: RunOptions,
    validate: Validate | None = None,
) -> list[EpochRecord]:
    """Train the network in place by SGD; interrupted and resumed equals uninterrupted.

    A run that the checkpointer finds goes on from there; a finished one is loaded and not redone.
    Each of several processes makes this very call.

    Args:
        state: Network, optimiser, moving average and best weights.
        epoch_batches: The loader's batches.
        compute_loss: Forward pass of a batch and its loss.
        checkpointer: Of `state`.
        schedule: Epochs, rates, accumulation.
        run: What dropout draws in an epoch depends on its seed and the epoch's number alone.
        validate: Called after every epoch; the steps are the same with and without it.

    Returns:
        One record per epoch.

    Raises:
        ParamsError: ``KEEP_BEST``, ``PATIENCE`` if the best epoch is to be kept or waited for and
            there is no validation.
        StroiError: ``LOSS_NOT_FINITE`` or ``WEIGHTS_NOT_FINITE`` naming epoch and learning rate.
    """
    _require_validation(schedule, validate)
    model, optimizer, world = state.model, state.optimizer, state.world
    on_epoch = run.on_epoch or (lambda record: None)
    gpu = GpuUtilisation(state.device)
    point = checkpointer.load()
    records, resumed = list(point.records), point.progress
    for record in records:
        on_epoch(record)

    while not _finished(records, schedule):
        epoch = len(records)
        lr = learning_rate(schedule, epoch)
        for group in optimizer.param_groups:
            group["lr"] = lr * group["lr_factor"]
        world.seed_epoch(run.seed, epoch)
        if resumed is not None:
            checkpointer.restore_rng(point)
        progress, resumed = resumed or EpochProgress(), None

        model.train()
        pending = 0  # clips whose gradients wait for their step
        with closing(epoch_batches(epoch, progress.batches)) as batches:
            while (batch := progress.next_batch(batches)) is not None:
                if pending == 0:
                    optimizer.zero_grad(set_to_none=True)
                steps = (progress.batches + 1) % schedule.accumulate == 0
                with nullcontext() if steps else world.no_sync(state.network):
                    loss, correct = compute_loss(batch)
                    progress.add(loss, correct, batch.size)
                    # Accumulated gradients are sums over clips: how many clips the last step of
                    # an epoch gets is not known before.
                    summed = loss * batch.size if schedule.accumulate > 1 else loss
                    summed.backward()  # type: ignore[no-untyped-call]
                pending += batch.size
                if not steps:
                    continue
                _step(state, schedule, pending)
                pending = 0
                synced = progress.batches // schedule.accumulate % SYNC_EVERY == 0
                if synced:
                    gpu.sample()
                    progress.require_finite(epoch, lr)
                checkpointer.maybe_save(records, progress, lr, synced=synced)
        if pending:
            world.average_gradients(model)
            _step(state, schedule, pending)
        progress.require_finite(epoch, lr)
        checkpointer.require_finite(epoch, lr)

        record = progress.record(epoch, lr, gpu.pop_mean())
        if validate is not None:
            record = validate_epoch(record, records, state, validate)
        records.append(record)
        checkpointer.save_after_epoch(records, finished=_finished(records, schedule))
        on_epoch(record)

    if state.best is not None:
        state.best.restore(model)
    elif state.ema is not None:
        state.ema.copy_to(model)
    return records


def learning_rate(schedule: Schedule, epoch: int) -> float:
    """Learning rate of an epoch, counted from 0: a function of the schedule alone."""
    if epoch < schedule.warmup:
        return schedule.lr * (epoch + 1) / schedule.warmup
    if schedule.decay == "cosine":
        done = (epoch - schedule.warmup) / max(1, schedule.epochs - schedule.warmup)
        return schedule.lr * 0.5 * (1 + math.cos(math.pi * done))
    return schedule.lr * schedule.gamma ** bisect_right(sorted(schedule.milestones), epoch)


def _step(state: TrainState, schedule: Schedule, clips: int) -> None:
    """One step of the optimiser by the gradients of `clips` clips, and of the moving average."""
    if schedule.accumulate > 1:
        for value in state.model.parameters():
            if value.grad is not None:
                value.grad.div_(clips)
    state.optimizer.step()
    if state.ema is not None:
        state.ema.update(state.model)


def validate_epoch(
    record: EpochRecord, before: Sequence[EpochRecord], state: TrainState, validate: Validate
) -> EpochRecord:
    """Validate the network, or its moving average, and keep it if no epoch before was better.

    Args:
        record: Of the epoch.
        before: Of the epochs before it.
        state: The network; it is left as it was.
        validate: Runs in the first process, in evaluation mode.

    Returns:
        The record with validation loss and accuracy.
    """
    model = state.model
    trained = None if state.ema is None else copy_tensors(model)
    if state.ema is not None:
        state.ema.copy_to(model)
    with evaluating(model), torch.no_grad():
        loss, accuracy = state.world.on_leader(validate)
    if state.best is not None and all(
        accuracy > (each.validation_accuracy or 0.0) for each in before
    ):
        state.best.capture(model)
    if trained is not None:
        model.load_state_dict(trained)
    return replace(
        record,
        validation_loss=loss if math.isfinite(loss) else None,
        validation_accuracy=accuracy,
    )


def _finished(records: Sequence[EpochRecord], schedule: Schedule) -> bool:
    """Whether no epoch follows: all are done, or none was better for `patience` epochs."""
    accuracies = [record.validation_accuracy or 0.0 for record in records]
    if schedule.patience and accuracies:
        since_best = len(accuracies) - 1 - accuracies.index(max(accuracies))
        if since_best >= schedule.patience:
            return True
    return len(records) >= schedule.epochs


def _require_validation(schedule: Schedule, validate: Validate | None) -> None:
    if validate is not None:
        return
    if schedule.keep == "best":
        raise ParamsError(
            "KEEP_BEST",
            "the best epoch cannot be kept: there are no validation clips",
            remedy="give the split a validation part, or set schedule.keep to last",
        )
    if schedule.patience:
        raise ParamsError(
            "PATIENCE",
            "training cannot stop early: there are no validation clips",
            remedy="give the split a validation part, or set schedule.patience to 0",
        )
