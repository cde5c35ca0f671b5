"""Stage ``resnet``: train a ResNet on the mosaics, plain or weighted (rows 2, 3 and 4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from stroi.cache.files.digests import sha256_file
from stroi.cache.mosaics import MosaicCache
from stroi.cache.skeletons import SkeletonCache
from stroi.cache.skeletons3d import JointCache
from stroi.cache.weights import Weights, read_weights
from stroi.pipeline.index.table import Index, read_index
from stroi.pipeline.options import in_project, with_threads
from stroi.pipeline.params.load import RunParams, load_run
from stroi.pipeline.workspace import Workspace
from stroi.stages.training.command import training
from stroi.stages.training.configs import Resources, resnet_config
from stroi.stages.training.inputs import compute_run_weights, open_clips
from stroi.stages.training.outputs import (
    checkpoint,
    clips_to_score,
    scores_folder,
    seed_folder,
    write_seed_scores,
)
from stroi.stages.training.run_split import check_same_split, split_clips
from stroi.stages.training.training_log import LogFolders, with_tensorboard, write_curve
from stroi.trainer.config import Mode
from stroi.trainer.models.graph_net import GraphNet
from stroi.trainer.network_files.network_file import load_gcn, save_resnet
from stroi.trainer.plugins import origin
from stroi.trainer.run.progress import EpochRecord
from stroi.trainer.run.run_options import RunOptions
from stroi.trainer.score_resnet import score_resnet
from stroi.trainer.train_resnet import train_resnet

VERSION = 3
"""Raise it when the same input would give another result; versions.yaml tracks it."""

STAGE_PARAMS = ("seeds", "weights", "resnet", "splits")


@dataclass(frozen=True)
class Data:
    """Caches that all seeds share, opened and checked once.

    Attributes:
        index: The data set's index.
        mosaics: Its mosaics.
        clips: Input of the graph network; None except in end-to-end mode.
    """

    index: Index
    mosaics: MosaicCache
    clips: SkeletonCache | JointCache | None


def open_data(workspace: Workspace, run: RunParams, mode: Mode) -> Data:
    """Open the caches that the mode needs.

    Raises:
        RefusedInput: If the index, the mosaics or the skeletons are damaged.
    """
    clips = open_clips(workspace, run) if mode == "end-to-end" else None
    dataset = run.run.dataset
    return Data(
        read_index(workspace.index(dataset)), MosaicCache(workspace.mosaics(dataset)), clips
    )


def side_inputs(
    workspace: Workspace, run: RunParams, data: Data, mode: Mode, seed: int
) -> tuple[dict[str, Any], dict[str, str]]:
    """Inputs of the mode besides the mosaics, and the digest of their file."""
    if mode == "fixed":
        folder = seed_folder(workspace.run(run.name, "weights"), seed)
        return {"weights": read_weights(folder)}, {"weights": sha256_file(folder / "weights.h5")}
    if mode == "end-to-end":
        path = checkpoint(workspace.run(run.name, "gcn"), seed)
        return {"gcn": load_gcn(path), "clips": data.clips}, {"gcn": sha256_file(path)}
    return {}, {}


def joint_weight_scale(run: RunParams, data: Data, gcn: GraphNet, threads: int) -> float | None:
    """Divisor of the row weights in end-to-end mode, from the network that training starts from.

    It equals `weight_scale` in the weights' manifest; None if each clip scales its own weights.

    Raises:
        StroiError: ``CLIP_EMPTY``.
    """
    params, clips = run.profile.weights, data.clips
    if params.scale == "clip" or clips is None:
        return None
    training = split_clips(data.index, run, clips.ids).train
    return compute_run_weights(params, gcn, clips, training, training, threads)[1]


def usable(
    mosaics: Sequence[str],
    *,
    weights: Weights | None = None,
    clips: SkeletonCache | JointCache | None = None,
    gcn: GraphNet | None = None,
) -> tuple[str, ...]:
    """The clips that have a mosaic and the mode's other inputs: a sensor may miss some."""
    others = (set(each.ids) for each in (weights, clips) if each is not None)
    return tuple(sorted(set(mosaics).intersection(*others)))


def train_seed(
    workspace: Workspace,
    run: RunParams,
    data: Data,
    mode: Mode,
    seed: int,
    resources: Resources,
) -> None:
    """Train the network of one seed; the leader writes and scores it.

    Raises:
        RefusedInput: If the weights or the checkpoint are damaged; ``SPLIT_OTHER`` if they come
            from a network that trained on another split.
        StroiError: If the training cannot be carried through.
    """
    params, mosaics, index = run.profile.resnet, data.mosaics, data.index
    schedule, world, threads = params.schedule, resources.world, resources.threads
    device = world.device(params.device)  # before anything asks the GPU what it can do
    side, digests = side_inputs(workspace, run, data, mode, seed)
    split = split_clips(index, run, usable(mosaics.ids, **side))
    if mode == "fixed":
        check_same_split(seed_folder(workspace.run(run.name, "weights"), seed), split, "weights")
    if mode == "end-to-end":
        check_same_split(scores_folder(workspace.run(run.name, "gcn"), seed), split, "gcn")
    scale = joint_weight_scale(run, data, side["gcn"], threads) if mode == "end-to-end" else None
    config = resnet_config(params, run.profile.weights, mode, scale)
    records: list[EpochRecord] = []
    label, name = f"resnet {mode}, seed {seed}", f"{run.name}-resnet-{mode}-seed-{seed}"
    with resources.log_epochs(records, schedule.epochs, label, name) as on_epoch:
        model = train_resnet(
            mode,
            mosaics,
            index.labels(split.train),
            index.classes,
            **side,
            pretrained=Path(params.start) if params.start else None,
            pretrained_sha256=params.start_sha256,
            config=config,
            schedule=schedule,
            loader_config=params,
            run=RunOptions(
                seed,
                device,
                threads,
                checkpoints=workspace.store / "training",
                on_epoch=on_epoch,
                world=world,
                batch_norm=params.batch_norm,
            ),
            validation=index.labels(split.validation),
        )
    if not world.is_leader:
        return
    out = workspace.run(run.name, f"resnet-{mode}")
    save_resnet(checkpoint(out, seed), model)
    write_curve(seed_folder(out, seed), records)
    side.pop("gcn", None)
    write_seed_scores(
        out,
        seed,
        {
            file: score_resnet(model, mosaics, ids, **side, threads=threads)
            for file, ids in clips_to_score(split).items()
        },
        split=split,
        params=params.model_dump(mode="json"),
        producer={"checkpoint": sha256_file(checkpoint(out, seed)), "seed": seed, **digests}
        | origin("rgb_nets", params.model),
    )


@click.command(
    help="Train the ResNet of RUN into runs/RUN/resnet-MODE, once per seed. MODE: plain mosaics "
    "(row 2), weights with the graph network fixed (row 4) or trained end to end (row 3)."
)
@click.argument("run")
@click.argument("mode", type=click.Choice(["plain", "fixed", "end-to-end"]))
@in_project
@with_tensorboard
@with_threads
def command(
    workspace: Workspace, run: str, mode: Mode, tensorboard: Path | None, threads: int
) -> None:
    """Train the ResNet of one run in one mode."""
    params = load_run(workspace.root, run)
    logs = LogFolders(workspace.store / "times", tensorboard)
    with training(workspace, params, f"resnet-{mode}") as world:
        data = open_data(workspace, params, mode)
        resources = Resources(threads, world, logs=logs)
        for seed in params.profile.seeds:
            train_seed(workspace, params, data, mode, seed, resources)
