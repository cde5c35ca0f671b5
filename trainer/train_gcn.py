"""Training the graph network (paper, Algorithm 1, step 1)."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from stroi.cache.files.digests import digest, sha256_file
from stroi.cache.layouts import BODY_25
from stroi.cache.own_layouts import layout_json
from stroi.trainer.config import GcnConfig, Schedule
from stroi.trainer.data.epoch_order import label_array, shuffled_batches
from stroi.trainer.data.input_digests import array_digest, clips_digest
from stroi.trainer.data.prepared_clips import kept
from stroi.trainer.data.skeleton_augment import augment_skeletons, epoch_draws
from stroi.trainer.data.skeleton_input import ClipSource, layout_of
from stroi.trainer.loop import fit
from stroi.trainer.models.graph_net import GraphNet
from stroi.trainer.network_files.network_file import start_gcn
from stroi.trainer.run.checkpointer import Checkpointer
from stroi.trainer.run.losses import branch_loss, loss_and_accuracy
from stroi.trainer.run.resume_point import TrainState
from stroi.trainer.run.run_key import run_key, used_gcn, used_schedule
from stroi.trainer.run.run_options import RunOptions
from stroi.trainer.runtime import autocast, deterministic, pick_device
from stroi.trainer.score_gcn import score_gcn


@dataclass(frozen=True)
class ClipBatch:
    """Clips of one step, as far as this process sees them.

    Attributes:
        x: (B, M, T, V, 3) prepared clips, augmented as the settings say.
        present: (B, M) bool, which persons there are.
        labels: (B,) int64 class numbers.
        size: Clips of the step over all processes.
    """

    x: Tensor
    present: Tensor
    labels: Tensor
    size: int


def train_gcn(
    clips: ClipSource,
    labels: Mapping[str, int],
    classes: tuple[str, ...],
    *,
    config: GcnConfig,
    schedule: Schedule,
    run: RunOptions,
    validation: Mapping[str, int] | None = None,
    start: Path | None = None,
    start_sha256: str | None = None,
) -> GraphNet:
    """Train the graph network on the clips that `labels` names.

    Args:
        clips: Skeletons by sample id; others than those of `labels` and `validation` are not
            touched. `PreparedClips` are prepared once for several trainings.
        labels: Class number of every training sample.
        classes: Class names.
        config: Shape of the network.
        schedule: Optimiser and rates.
        run: Seed, device, checkpoints, processes.
        validation: Class number of clips to validate every epoch on; no step depends on them.
        start: File of a graph network to start from, but for its classifier.
        start_sha256: What its digest must be; None takes any.

    Returns:
        The trained network in evaluation mode.

    Raises:
        ParamsError: ``DEVICE``, ``KEEP_BEST``, ``PATIENCE``.
        StroiError: ``CLIP_EMPTY``, ``TRAIN_TOO_FEW``, ``LOSS_NOT_FINITE``, ``WEIGHTS_NOT_FINITE``,
            ``TEAM_RUN``.
        RefusedInput: ``LABEL_RANGE``; a refused file.
    """
    device, world = pick_device(run.device), run.world
    clips, ids = kept(clips), tuple(sorted(labels))
    targets = torch.from_numpy(label_array(labels, ids, classes))
    layout = layout_of(clips[ids[0]]) if ids else BODY_25
    with deterministic(run.seed, run.threads):
        model = GraphNet(classes, config, layout)
    if start is not None:
        start_gcn(model, start, sha256=start_sha256)
    model.to(device)
    named = layout_json(layout)
    inputs = {
        "clips": clips_digest(clips, ids),
        "layout": named if isinstance(named, str) else digest(named),
        "labels": array_digest(targets.numpy()),
    }
    if start is not None:
        inputs["start"] = sha256_file(start)
    if validation:
        unseen = tuple(sorted(validation))
        inputs["validation"] = clips_digest(clips, unseen)
        inputs["validation labels"] = array_digest(label_array(validation, unseen, classes))
    key = run_key(
        "gcn", used_gcn(config, layout), used_schedule(schedule), run, device=device,
        classes=classes, inputs=inputs,
    )  # fmt: skip
    world.check_run(key)
    state = TrainState.create(model, schedule, world)

    def epoch_batches(epoch: int, skip: int) -> Generator[ClipBatch, None, None]:
        # Only here: a training that is finished needs no clip.
        data = clips.prepare(ids, **config.preparation)
        x, present = torch.from_numpy(data.x), torch.from_numpy(data.present)
        count, _, frames, joints, _ = x.shape
        draws = epoch_draws(count, frames=frames, joints=joints, seed=run.seed, epoch=epoch)
        batches = shuffled_batches(count, schedule.batch_size, seed=run.seed, epoch=epoch)
        for index in batches[skip:]:
            own = torch.from_numpy(index[world.shard_slice(len(index))])
            changed = augment_skeletons(x[own], draws[own], config.augment, layout)
            yield ClipBatch(changed, present[own], targets[own], len(index))

    def compute_loss(batch: ClipBatch) -> tuple[Tensor, Tensor]:
        labels = batch.labels.to(device)
        with autocast(device, config.precision):
            logits, _ = state.network(batch.x.to(device), batch.present.to(device))
        loss = branch_loss(logits.float(), labels, config.loss, smoothing=config.smoothing)
        correct = (logits.argmax(1) == labels).sum()
        return world.reduce_loss(model, loss, correct, batch.size)

    def validate() -> tuple[float, float]:
        scores = score_gcn(model, clips, tuple(validation or ()), threads=run.threads)
        return loss_and_accuracy(scores, validation or {}, config.loss)

    with deterministic(run.seed, run.threads):
        fit(
            state, epoch_batches, compute_loss, Checkpointer.create(state, key, run),
            schedule=schedule, run=run, validate=validate if validation else None,
        )  # fmt: skip
    return model.eval()
