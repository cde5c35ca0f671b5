"""Training the RGB branch in the three modes of Tables I and II (Algorithm 1, step 5)."""

from __future__ import annotations

import copy
from collections.abc import Callable, Generator, Mapping
from contextlib import closing, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stroi.cache.files import digest, sha256_file
from stroi.cache.mosaics import MosaicCache
from stroi.cache.weights import Weights
from stroi.trainer.augment import draws_of_epoch
from stroi.trainer.backbones import GraphNet
from stroi.trainer.batch_norm import Whole, synchronised
from stroi.trainer.batches import Batch, MosaicBatch
from stroi.trainer.compiled import compile_network
from stroi.trainer.config import (
    Augment,
    BatchNorm,
    Feeding,
    Mode,
    ResNetConfig,
    Schedule,
    told,
)
from stroi.trainer.feed import Feed, network_cells
from stroi.trainer.fused import FusedNet
from stroi.trainer.infer_resnet import score_resnet
from stroi.trainer.judging import verdict
from stroi.trainer.keys import array_digest, label_array, model_digest, mosaic_digest, run_key
from stroi.trainer.loop import SAVE_MINUTES, OnEpoch, fit
from stroi.trainer.resnet import load_backbone
from stroi.trainer.rows import Companions, companions
from stroi.trainer.runtime import deterministic, pick_device
from stroi.trainer.skeletons import ClipSource
from stroi.trainer.steps import Forward, joint_augment, training_step
from stroi.trainer.team import ALONE, Team

PLAIN = Feeding()


@dataclass(frozen=True)
class PartBatch(Batch):
    """Clips that one step of all processes sees.

    Attributes:
        own: Those of them that this process sees, with their mosaics.
    """

    own: MosaicBatch


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
    feeding: Feeding = PLAIN,
    seed: int,
    device: str = "auto",
    threads: int = 1,
    state: Path | None = None,
    save_every: int = 5,
    save_minutes: float = SAVE_MINUTES,
    validation: Mapping[str, int] | None = None,
    on_epoch: OnEpoch | None = None,
    team: Team = ALONE,
    batch_norm: BatchNorm = "synchronised",
) -> FusedNet:
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
        team: The processes that train together, each with this very call.
        batch_norm: Whether a batch normalisation of several processes measures the whole batch,
            ``synchronised``, or each process its own part, ``local``.

    Returns:
        The trained network in evaluation mode.

    Raises:
        ParamsError: ``MODE_INPUTS`` if what the mode needs is not given, ``DEVICE``,
            ``COMPILE``, ``KEEP_BEST``.
        StroiError: ``TRAIN_TOO_FEW``, ``LOSS_NOT_FINITE``, ``CLIP_EMPTY``.
        RefusedInput: ``LABEL_RANGE``, ``ID_UNKNOWN``, ``WEIGHTS_IDS``, or a refused file.
    """
    where = pick_device(device)
    ids = tuple(sorted(labels))
    truth = label_array(labels, ids, classes)
    targets = torch.from_numpy(truth)
    form = gcn.config.preparation if gcn is not None else {}
    beside = companions(
        mode, mosaics, ids, weights=weights, clips=clips, missing=config.missing, **form
    )
    with deterministic(seed, threads):
        own = copy.deepcopy(gcn) if mode == "joint" else None
        model = FusedNet(classes, network_cells(mosaics, config), config, mode=mode, gcn=own)
    if pretrained is not None:
        load_backbone(model.resnet, pretrained, sha256=pretrained_sha256)
    model.to(where)
    through = team.wrapped(Forward(model))
    local = batch_norm == "local"
    whole = Whole()

    source = Feed(
        model, mosaics, ids, beside, feeding, schedule.batch_size, seed=seed, device=where
    )

    feed = _feed(source, model, beside, team, count=len(ids), seed=seed)
    compile_network(model, feeding.compile, where)

    def step(batch: PartBatch) -> tuple[Tensor, Tensor]:
        count = len(batch.rows)
        whole.counts = team.weight(count) > 0
        loss, hits = training_step(
            model, batch.own, beside, targets, through=through, team=team, clips=count
        )
        return team.united(model, loss, hits, count, measured=local)

    held = dict(validation or {})

    def judge() -> tuple[float, float]:
        scores = score_resnet(
            model, mosaics, tuple(held), weights=weights, clips=clips, threads=threads
        )
        return verdict(scores, held, config.loss)

    inputs = beside.digests | {
        "labels": array_digest(truth),
        "mosaics": mosaic_digest(mosaics, ids),
        "pretrained": "" if pretrained is None else sha256_file(pretrained),
        "gcn": "" if own is None else model_digest(own),
    }
    inputs |= _since(model, mosaics, ids, feeding)
    if held:
        inputs["validation"] = _judged_digest(model, mosaics, held, weights, clips)
    if local and team.size > 1:
        inputs["batch_norm"] = batch_norm
    key = run_key(
        mode, config, schedule, seed=seed, threads=threads, device=where, classes=classes,
        inputs=inputs, processes=team.size,
    )  # fmt: skip
    with nullcontext() if local else synchronised(model, team, whole):
        fit(
            model, feed, step, schedule=schedule, seed=seed, key=key, threads=threads,
            state=state, save_every=save_every, save_minutes=save_minutes,
            judge=judge if held else None, on_epoch=on_epoch, team=team,
        )  # fmt: skip
    # A copy is not compiled: whoever scores it gets what its file gives.
    return (model if feeding.compile == "none" else copy.deepcopy(model)).eval()


def _feed(
    source: Feed, model: FusedNet, beside: Companions, team: Team, *, count: int, seed: int
) -> Callable[[int, int], Generator[PartBatch, None, None]]:
    """What `stroi.trainer.loop.fit` asks for batches: this process's part of each.

    Args:
        source: The batches of the whole training set.
        model: The network.
        beside: What goes with the mosaics.
        team: The processes that train together.
        count: N, clips of the training set.
        seed: Seed of the run.
    """
    changed = model.gcn is not None and joint_augment(model.gcn) != Augment()

    def own_batches(
        epoch: int, parts: list[NDArray[np.int64]]
    ) -> Generator[MosaicBatch, None, None]:
        batches = source.batches(epoch, parts)
        if not changed or beside.x is None:
            return batches
        frames, joints = beside.x.shape[2:4]
        return _with_draws(
            batches, draws_of_epoch(count, frames=frames, joints=joints, seed=seed, epoch=epoch)
        )

    def feed(epoch: int, skip: int) -> Generator[PartBatch, None, None]:
        parts = list(source.parts(epoch))[skip:]
        if not parts:
            return
        own = [rows[team.part(len(rows))] for rows in parts]
        with closing(own_batches(epoch, own)) as batches:
            for rows, batch in zip(parts, batches, strict=True):
                yield PartBatch(rows, batch)

    return feed


def _judged_digest(
    model: FusedNet,
    mosaics: MosaicCache,
    held: Mapping[str, int],
    weights: Weights | None,
    clips: ClipSource | None,
) -> str:
    """Digest of the clips that judge every epoch: their mosaics, labels and what goes with them."""
    ids = tuple(sorted(held))
    form = model.gcn.config.preparation if model.gcn is not None else {}
    beside = companions(
        model.mode, mosaics, ids, weights=weights, clips=clips, missing=model.config.missing,
        **form,
    )  # fmt: skip
    truth = array_digest(label_array(held, ids, model.classes))
    return digest([beside.digests, mosaic_digest(mosaics, ids), truth])


def _with_draws(
    batches: Generator[MosaicBatch, None, None], draws: Tensor
) -> Generator[MosaicBatch, None, None]:
    """The same batches, with the rows of (N, ...) `draws` that belong to their clips."""
    with closing(batches):
        for batch in batches:
            yield replace(batch, draws=draws[torch.from_numpy(batch.rows)])


def _since(
    model: FusedNet, mosaics: MosaicCache, ids: tuple[str, ...], feeding: Feeding
) -> dict[str, str]:
    """What else a result depends on; empty for all runs there could be before this mattered."""
    more = {}
    if feeding.order == "windowed":
        more["order"] = f"{feeding.window} of {array_digest(mosaics.stored(ids))}"
    if feeding.compile != "none":
        more["compile"] = feeding.compile
    if model.cells.columns < mosaics.columns:
        more["columns"] = f"{model.cells.columns} of {mosaics.columns}"
    if model.mode == "joint" and model.config.flip > 0:
        more["flip"] = "skeletons too"
    if model.gcn is not None and joint_augment(model.gcn) != Augment():
        more["augment"] = digest(told(joint_augment(model.gcn)))
    return more
