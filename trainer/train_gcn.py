"""Training the graph network (paper, Algorithm 1, step 1)."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from stroi.trainer.config import GcnConfig, Schedule
from stroi.trainer.data.epoch_order import Batch, epoch_batches, label_array
from stroi.trainer.data.input_digests import array_digest, skeleton_digest
from stroi.trainer.data.skeleton_augment import augment_skeletons, epoch_draws
from stroi.trainer.data.skeleton_input import ClipSource, prepare_all
from stroi.trainer.loop import SAVE_MINUTES, OnEpoch, fit
from stroi.trainer.models.graph_net import GraphNet
from stroi.trainer.run.distributed import SINGLE_PROCESS, World
from stroi.trainer.run.judging import loss_and_accuracy
from stroi.trainer.run.losses import branch_loss
from stroi.trainer.run.run_key import run_key
from stroi.trainer.run.used_settings import used_gcn, used_schedule
from stroi.trainer.runtime import autocast, deterministic, pick_device
from stroi.trainer.score_gcn import score_gcn


@dataclass(frozen=True)
class ClipBatch(Batch):
    """Clips that one step sees, as it sees them.

    Attributes:
        x: (B, M, T, V, 3) prepared clips that this process sees of them, changed at random as the
            settings say.
    """

    x: Tensor


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
    save_minutes: float = SAVE_MINUTES,
    validation: Mapping[str, int] | None = None,
    on_epoch: OnEpoch | None = None,
    world: World = SINGLE_PROCESS,
) -> GraphNet:
    """Train the graph network on the clips that `labels` names.

    Args:
        clips: Skeletons by sample id; others than those of `labels` and `validation` are not
            touched.
        labels: Class number of every training sample.
        classes: Class names.
        config: Shape of the network.
        schedule: Optimiser and rates.
        seed: Seed of initial weights, order, augmentation and dropout, from 0.
        device: See `stroi.trainer.runtime.pick_device`.
        threads: CPU threads.
        state: Folder for resuming; it may be deleted at any time.
        save_every: Epochs between two saves.
        save_minutes: Least minutes between two saves inside an epoch.
        validation: Class number of clips to judge every epoch by; no step depends on them.
        on_epoch: Told about every epoch.
        world: The processes that train together, each with this very call.

    Returns:
        The trained network in evaluation mode.

    Raises:
        ParamsError: ``KEEP_BEST``.
        StroiError: ``CLIP_EMPTY``, ``TRAIN_TOO_FEW``, ``LOSS_NOT_FINITE``, ``WEIGHTS_NOT_FINITE``,
            ``TEAM_RUN``.
        RefusedInput: ``LABEL_RANGE``.
    """
    where = pick_device(device)
    data = prepare_all(clips, tuple(labels), **config.preparation)
    truth = label_array(labels, data.ids, classes)
    with deterministic(seed, threads):
        model = GraphNet(classes, config, data.layout).to(where)
    x, present = torch.from_numpy(data.x), torch.from_numpy(data.present)
    targets = torch.from_numpy(truth)
    held = dict(validation or {})
    inputs = {
        "skeletons": skeleton_digest(data),
        "layout": data.layout.name,
        "labels": array_digest(truth),
    }
    if held:
        judged = prepare_all(clips, tuple(held), **config.preparation)
        inputs["validation"] = skeleton_digest(judged)
        inputs["validation labels"] = array_digest(label_array(held, judged.ids, classes))
    key = run_key(
        "gcn", used_gcn(config, data.layout), used_schedule(schedule), seed=seed,
        threads=threads, device=where, classes=classes, inputs=inputs, processes=world.size,
    )  # fmt: skip
    world.check_run(key)
    trained = world.wrap_ddp(model)

    def feed(epoch: int, skip: int) -> Generator[ClipBatch, None, None]:
        draws = epoch_draws(
            len(data.ids), frames=x.shape[2], joints=x.shape[3], seed=seed, epoch=epoch
        )
        parts = epoch_batches(len(data.ids), schedule.batch_size, seed=seed, epoch=epoch)
        for rows in parts[skip:]:
            own = rows[world.shard_slice(len(rows))]
            yield ClipBatch(
                rows, augment_skeletons(x[own], draws[own], config.augment, data.layout)
            )

    def step(batch: ClipBatch) -> tuple[Tensor, Tensor]:
        rows = torch.from_numpy(batch.rows[world.shard_slice(len(batch.rows))])
        wanted = targets[rows].to(where)
        with autocast(where, config.precision):
            logits = trained(batch.x.to(where), present[rows].to(where))[0].float()
        loss = branch_loss(logits, wanted, config.loss, smoothing=config.smoothing)
        hits = (logits.argmax(1) == wanted).sum()
        return world.reduce_loss(model, loss, hits, len(batch.rows))

    def validate() -> tuple[float, float]:
        scores = score_gcn(model, clips, tuple(held), threads=threads)
        return loss_and_accuracy(scores, held, config.loss)

    fit(
        model, feed, step, schedule=schedule, seed=seed, key=key, threads=threads, state=state,
        save_every=save_every, save_minutes=save_minutes, validate=validate if held else None,
        on_epoch=on_epoch, world=world, trained=trained,
    )  # fmt: skip
    return model.eval()
