"""Training the graph network (paper, Algorithm 1, step 1)."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from pathlib import Path

import torch
from torch import Tensor

from stroi.trainer.batches import Batch, epoch_batches
from stroi.trainer.config import GcnConfig, Schedule
from stroi.trainer.keys import array_digest, label_array, run_key, skeleton_digest
from stroi.trainer.loop import OnEpoch, fit
from stroi.trainer.losses import branch_loss
from stroi.trainer.runtime import autocast, deterministic, pick_device
from stroi.trainer.skeletons import ClipSource, prepare_all
from stroi.trainer.stgcn import StGcn


def train_gcn(
    clips: ClipSource,
    labels: Mapping[str, int],
    classes: tuple[str, ...],
    *,
    config: GcnConfig,
    schedule: Schedule,
    seed: int,
    device: str = "cpu",
    threads: int = 1,
    state: Path | None = None,
    save_every: int = 5,
    on_epoch: OnEpoch | None = None,
) -> StGcn:
    """Train the graph network on the clips that `labels` names.

    Args:
        clips: Skeletons by sample id; others than those of `labels` are not touched.
        labels: Class number of every training sample.
        classes: Class names.
        config: Shape of the network.
        schedule: Optimiser and rates.
        seed: Seed of initial weights, order and dropout, from 0.
        device: See `stroi.trainer.runtime.pick_device`.
        threads: CPU threads.
        state: Folder for resuming; it may be deleted at any time.
        save_every: Epochs between two saves.
        on_epoch: Told about every epoch.

    Returns:
        The trained network in evaluation mode.

    Raises:
        StroiError: ``CLIP_EMPTY``, ``TRAIN_TOO_FEW``, ``LOSS_NOT_FINITE``.
        RefusedInput: ``LABEL_RANGE``.
    """
    where = pick_device(device)
    data = prepare_all(clips, tuple(labels), frames=config.frames)
    truth = label_array(labels, data.ids, classes)
    with deterministic(seed, threads):
        model = StGcn(classes, config, layout=data.layout).to(where)
    x, present = torch.from_numpy(data.x), torch.from_numpy(data.present)
    targets = torch.from_numpy(truth)

    def feed(epoch: int) -> Generator[Batch, None, None]:
        for rows in epoch_batches(len(data.ids), schedule.batch_size, seed=seed, epoch=epoch):
            yield Batch(rows)

    def step(batch: Batch) -> tuple[Tensor, Tensor]:
        rows = torch.from_numpy(batch.rows)
        wanted = targets[rows].to(where)
        with autocast(where, config.precision):
            logits = model(x[rows].to(where), present[rows].to(where))[0].float()
        return branch_loss(logits, wanted, config.loss), (logits.argmax(1) == wanted).sum()

    inputs = {"skeletons": skeleton_digest(data), "labels": array_digest(truth)}
    key = run_key(
        "gcn", config, schedule, seed=seed, threads=threads, device=where, classes=classes,
        inputs=inputs,
    )  # fmt: skip
    fit(
        model, feed, step, schedule=schedule, seed=seed, key=key, threads=threads, state=state,
        save_every=save_every, on_epoch=on_epoch,
    )  # fmt: skip
    return model.eval()
