"""Training the RGB branch in the three modes of Tables I and II (Algorithm 1, step 5)."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path

import torch
from torch import Tensor

from stroi.cache.mosaics import MosaicCache
from stroi.cache.weights import Weights
from stroi.trainer.config import BatchNorm, LoaderConfig, Mode, ResNetConfig, Schedule
from stroi.trainer.data.epoch_order import label_array
from stroi.trainer.data.mosaic_loader import Feed, network_cells
from stroi.trainer.data.side_inputs import load_side_inputs
from stroi.trainer.data.skeleton_input import ClipSource
from stroi.trainer.loop import SAVE_MINUTES, OnEpoch, fit
from stroi.trainer.models.graph_net import GraphNet
from stroi.trainer.models.weighted_mosaic_net import WeightedMosaicNet
from stroi.trainer.network_files.network_file import load_pretrained_resnet
from stroi.trainer.parts import PartBatch, part_batches
from stroi.trainer.run.batch_norm import Whole, synchronised
from stroi.trainer.run.distributed import SINGLE_PROCESS, World
from stroi.trainer.run.judging import loss_and_accuracy
from stroi.trainer.run.resnet_inputs import input_digests, judged_digest
from stroi.trainer.run.run_key import run_key
from stroi.trainer.run.used_settings import used_resnet, used_schedule
from stroi.trainer.runtime import compile_network, deterministic, pick_device
from stroi.trainer.score_resnet import score_resnet
from stroi.trainer.steps import Forward, training_step

PLAIN = LoaderConfig()


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
    feeding: LoaderConfig = PLAIN,
    seed: int,
    device: str = "auto",
    threads: int = 1,
    state: Path | None = None,
    save_every: int = 5,
    save_minutes: float = SAVE_MINUTES,
    validation: Mapping[str, int] | None = None,
    on_epoch: OnEpoch | None = None,
    world: World = SINGLE_PROCESS,
    batch_norm: BatchNorm = "synchronised",
) -> WeightedMosaicNet:
    """Train a ResNet on the mosaics that `labels` names.

    In ``fixed`` mode the weights come from a file and no graph network takes part. In ``joint``
    mode a copy of `gcn` is trained along, on clips changed as its own settings say: its features
    weigh the rows (eq. 4, 5) with gradients, and its own classification is the first term of
    eq. 6; accuracy counts the RGB branch.

    Args:
        mode: ``plain``, ``fixed`` or ``joint``.
        mosaics: The mosaics; others than those of `labels` and `validation` are not
            touched.
        labels: Class number of every training sample.
        classes: Class names.
        weights: Row weights, fixed mode.
        gcn: Trained graph network to start from, joint mode; left as it is.
        clips: Skeletons by sample id, joint mode.
        pretrained: Local weights file of torchvision's network of that depth to start from, or
            None.
        pretrained_sha256: What that file's digest must be; None takes any file.
        config: Loss, place of the weights, augmentation, precision.
        schedule: Optimiser and rates.
        feeding: How mosaics reach the network, and what compiles it.
        seed: Seed of initial weights, order and augmentation, from 0.
        device: See `stroi.trainer.runtime.pick_device`.
        threads: CPU threads.
        state: Folder for resuming; it may be deleted at any time.
        save_every: Epochs between two saves.
        save_minutes: Least minutes between two saves inside an epoch.
        validation: Class number of clips to judge every epoch by; no step depends on them.
        on_epoch: Told about every epoch.
        world: The processes that train together, each with this very call.
        batch_norm: Whether a batch normalisation of several processes measures the whole batch,
            ``synchronised``, or each process its own part, ``local``.

    Returns:
        The trained network in evaluation mode.

    Raises:
        ParamsError: ``MODE_INPUTS`` if what the mode needs is not given, ``DEVICE``,
            ``COMPILE``, ``KEEP_BEST``.
        StroiError: ``TRAIN_TOO_FEW``, ``LOSS_NOT_FINITE``, ``WEIGHTS_NOT_FINITE``,
            ``CLIP_EMPTY``, ``TEAM_RUN``.
        RefusedInput: ``LABEL_RANGE``, ``ID_UNKNOWN``, ``WEIGHTS_IDS``, or a refused file.
    """
    where = pick_device(device)
    ids = tuple(sorted(labels))
    truth = label_array(labels, ids, classes)
    targets = torch.from_numpy(truth)
    form = gcn.config.preparation if gcn is not None else {}
    beside = load_side_inputs(
        mode, mosaics, ids, weights=weights, clips=clips, missing=config.missing, **form
    )
    with deterministic(seed, threads):
        own = copy.deepcopy(gcn) if mode == "joint" else None
        model = WeightedMosaicNet(
            classes, network_cells(mosaics, config), config, mode=mode, gcn=own
        )
    if pretrained is not None:
        load_pretrained_resnet(model.resnet, pretrained, sha256=pretrained_sha256)
    model.to(where)
    local = batch_norm == "local"
    held = dict(validation or {})
    inputs = input_digests(model, mosaics, ids, truth, beside, feeding, pretrained)
    if held:
        inputs["validation"] = judged_digest(model, mosaics, held, weights, clips)
    if local and world.size > 1:
        inputs["batch_norm"] = batch_norm
    key = run_key(
        mode, used_resnet(config, mode), used_schedule(schedule), seed=seed, threads=threads,
        device=where, classes=classes, inputs=inputs, processes=world.size,
    )  # fmt: skip
    world.check_run(key)
    through = world.wrap_ddp(Forward(model))
    whole = Whole()
    source = Feed(model, mosaics, ids, feeding, schedule.batch_size, seed=seed, device=where)

    feed = part_batches(source, model, beside, world, count=len(ids), seed=seed)
    compile_network(model.resnet, feeding.compile, where)

    def step(batch: PartBatch) -> tuple[Tensor, Tensor]:
        count = len(batch.rows)
        whole.clips = count
        loss, hits = training_step(
            model, batch.own, beside, targets, through=through, world=world, clips=count
        )
        return world.reduce_loss(model, loss, hits, count, measured=local)

    def validate() -> tuple[float, float]:
        scores = score_resnet(
            model, mosaics, tuple(held), weights=weights, clips=clips, threads=threads
        )
        return loss_and_accuracy(scores, held, config.loss)

    with nullcontext() if local else synchronised(model, world, whole):
        fit(
            model, feed, step, schedule=schedule, seed=seed, key=key, threads=threads,
            state=state, save_every=save_every, save_minutes=save_minutes,
            validate=validate if held else None, on_epoch=on_epoch, world=world, trained=through,
        )  # fmt: skip
    # A copy is not compiled: whoever scores it gets what its file gives.
    return (model if feeding.compile == "none" else copy.deepcopy(model)).eval()
