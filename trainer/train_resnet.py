"""Training the RGB branch in the three modes of Tables I and II (Algorithm 1, step 5)."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import torch
from torch import Tensor, nn

from stroi.cache.mosaics import MosaicCache
from stroi.cache.rois import mirrored_rows
from stroi.cache.weights import Weights
from stroi.trainer.config import LoaderConfig, Mode, ResNetConfig, Schedule
from stroi.trainer.data.epoch_order import label_array
from stroi.trainer.data.mosaic_augment import augment_batch, augment_params_of_epoch
from stroi.trainer.data.mosaic_batches import MosaicBatch
from stroi.trainer.data.mosaic_loader import MosaicLoader, cell_grid
from stroi.trainer.data.side_inputs import SideInputs, check_mode_inputs, load_side_inputs
from stroi.trainer.data.skeleton_input import ClipSource
from stroi.trainer.loop import fit
from stroi.trainer.models.graph_net import GraphNet
from stroi.trainer.models.weighted_mosaic_net import WeightedMosaicNet
from stroi.trainer.network_files.network_file import load_pretrained
from stroi.trainer.run.checkpointer import Checkpointer
from stroi.trainer.run.losses import branch_loss, loss_and_accuracy
from stroi.trainer.run.resume_point import TrainState
from stroi.trainer.run.run_key import (
    loader_inputs,
    mosaic_inputs,
    run_key,
    used_resnet,
    used_schedule,
)
from stroi.trainer.run.run_options import RunOptions
from stroi.trainer.runtime import (
    autocast,
    compile_network,
    deterministic,
    pick_device,
    to_device,
)
from stroi.trainer.score_resnet import score_resnet

DEFAULT_LOADER = LoaderConfig()


def train_resnet(
    mode: Mode,
    mosaics: MosaicCache,
    labels: Mapping[str, int],
    classes: tuple[str, ...],
    *,
    weights: Weights | None = None,
    gcn: GraphNet | None = None,
    clips: ClipSource | None = None,
    pretrained: Path | None = None,
    pretrained_sha256: str | None = None,
    config: ResNetConfig,
    schedule: Schedule,
    loader_config: LoaderConfig = DEFAULT_LOADER,
    run: RunOptions,
    validation: Mapping[str, int] | None = None,
) -> WeightedMosaicNet:
    """Train an image network on the mosaics that `labels` names.

    In ``fixed`` mode the weights come from a file and no graph network takes part. In
    ``end-to-end`` mode a copy of `gcn` is trained too, on skeletons augmented as its own settings
    say. Its features weigh the rows (eq. 4, 5) with gradients, and its own classification is the
    first term of eq. 6; accuracy counts the RGB branch.

    Args:
        mode: ``plain``, ``fixed`` or ``end-to-end``.
        mosaics: The mosaics; others than those of `labels` and `validation` are not touched.
        labels: Class number of every training sample.
        classes: Class names.
        weights: Row weights, fixed mode.
        gcn: Trained graph network to start from, end-to-end mode; left as it is.
        clips: Skeletons by sample id, end-to-end mode.
        pretrained: Local weights file of the same network to start from, under its published names.
        pretrained_sha256: What that file's digest must be; None takes any file.
        config: Loss, weights, augmentation, precision.
        schedule: Optimiser and rates.
        loader_config: How mosaics reach the network, and what compiles it.
        run: Seed, device, checkpoints, processes.
        validation: Class number of clips to validate every epoch on; no step depends on them.

    Returns:
        The trained network in evaluation mode.

    Raises:
        ParamsError: ``MODE_INPUTS`` if what the mode needs is not given, ``DEVICE``,
            ``COMPILE``, ``KEEP_BEST``, ``PATIENCE``; ``ROWS_MIRROR`` if clips are to be mirrored
            and a row has no other side.
        StroiError: ``TRAIN_TOO_FEW``, ``LOSS_NOT_FINITE``, ``WEIGHTS_NOT_FINITE``,
            ``CLIP_EMPTY``, ``TEAM_RUN``.
        RefusedInput: ``LABEL_RANGE``, ``ID_UNKNOWN``, ``WEIGHTS_IDS``, ``ROWS_OTHER``,
            ``PEOPLE_OTHER``, or a refused file.
    """
    if config.flip > 0:
        mirrored_rows(mosaics.rows)
    device, world = pick_device(run.device), run.world
    gcn_config = None if gcn is None else gcn.config
    check_mode_inputs(mode, weights=weights, clips=clips, gcn=gcn_config)
    ids, unseen = tuple(sorted(labels)), tuple(sorted(validation or ()))
    targets = label_array(labels, ids, classes)

    @cache
    def side_of(names: tuple[str, ...]) -> SideInputs:
        # Only when a batch needs it: a training that is finished needs none.
        return load_side_inputs(
            mode, mosaics, names, weights=weights, clips=clips, gcn=gcn_config,
            missing=config.missing,
        )  # fmt: skip

    with deterministic(run.seed, run.threads):
        own_gcn = copy.deepcopy(gcn) if mode == "end-to-end" else None
        model = WeightedMosaicNet(
            classes, cell_grid(mosaics, config.cell), config, mode=mode, gcn=own_gcn,
            rows=mosaics.rows,
        )  # fmt: skip
    if pretrained is not None:
        load_pretrained(model.resnet, pretrained, sha256=pretrained_sha256)
    model.to(device)
    inputs = mosaic_inputs(model, mosaics, ids, targets, weights, clips)
    inputs |= loader_inputs(mosaics, ids, loader_config, pretrained)
    if validation:
        truth = label_array(validation, unseen, classes)
        further = mosaic_inputs(model, mosaics, unseen, truth, weights, clips)
        inputs |= {f"validation {name}": value for name, value in further.items()}
    local_batch_norm = world.synchronise_batch_norm(model, run.batch_norm)
    if world.size > 1 and not local_batch_norm:
        inputs["batch_norm"] = "synchronised"
    key = run_key(
        mode, used_resnet(config, mode), used_schedule(schedule), run, device=device,
        classes=classes, inputs=inputs,
    )  # fmt: skip
    world.check_run(key)

    loader = MosaicLoader(
        mosaics, ids, schedule.batch_size, run.seed, device, loader_config,
        lambda epoch: augment_params_of_epoch(model, len(ids), seed=run.seed, epoch=epoch),
        world.shard_slice,
    )  # fmt: skip
    compile_network(model.resnet, loader_config.compile, device)
    state = TrainState.create(model, schedule, world, model.lr_factors())

    def compute_loss(batch: MosaicBatch) -> tuple[Tensor, Tensor]:
        loss, correct = rgb_loss(
            model, batch, side_of(ids), torch.from_numpy(targets), network=state.network
        )
        return world.reduce_loss(model, loss, correct, batch.size, average_running=local_batch_norm)

    def validate() -> tuple[float, float]:
        scores = score_resnet(
            model,
            mosaics,
            unseen,
            side=side_of(unseen),
            threads=run.threads,
        )
        return loss_and_accuracy(scores, validation or {}, config.loss)

    with deterministic(run.seed, run.threads):
        fit(
            state, loader.epoch, compute_loss, Checkpointer.create(state, key, run),
            schedule=schedule, run=run, validate=validate if validation else None,
        )  # fmt: skip
    # A copy is not compiled: whoever scores it gets what its file gives.
    return (model if loader_config.compile == "none" else copy.deepcopy(model)).eval()


def rgb_loss(
    model: WeightedMosaicNet,
    batch: MosaicBatch,
    side: SideInputs,
    targets: Tensor,
    *,
    network: nn.Module | None = None,
) -> tuple[Tensor, Tensor]:
    """Loss of a training batch: eq. 6, its second term alone outside end-to-end mode.

    Args:
        model: The network, in training mode.
        batch: Mosaics on the network's device.
        side: Weights or skeletons of all N clips.
        targets: (N,) class numbers of all clips, on the CPU.
        network: `model` wrapped by DistributedDataParallel, if it is.

    Returns:
        Scalar loss, mean over the clips of this process, and how many of them the RGB branch
        classified correctly.
    """
    config, device = model.config, batch.mosaics.device
    labels = to_device(targets[torch.from_numpy(batch.index)], device)
    mosaics, side, flip_mask = augment_batch(
        model, batch.mosaics, side.select(batch.index, batch.columns), batch.augment
    )
    side = side.to(device)
    with autocast(device, config.precision):
        rgb, skeleton = (network or model)(
            mosaics, side.row_weights, side.skeletons, person_count=side.person_count,
            cell_valid=side.cell_valid, flip_mask=flip_mask,
        )  # fmt: skip
    loss = branch_loss(rgb.float(), labels, config.loss)
    if skeleton is not None:
        loss = loss + branch_loss(skeleton.float(), labels, config.loss)
    return loss, (rgb.argmax(1) == labels).sum()
