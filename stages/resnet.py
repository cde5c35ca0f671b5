"""Stage ``resnet``: train an image network on the mosaics, plain or weighted (rows 2, 3, 4)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from stroi.cache.files.atomic import write_atomic
from stroi.cache.files.digests import digest, sha256_file
from stroi.cache.mosaics import MosaicCache
from stroi.cache.rois import rows_to_json
from stroi.cache.weights import Weights, read_weights
from stroi.pipeline.index.table import Index, read_index
from stroi.pipeline.params.load import RunParams, load_run
from stroi.pipeline.params.profile import ResnetParams
from stroi.pipeline.workspace import Workspace
from stroi.stages.training.command import training
from stroi.stages.training.configs import Resources, resnet_config
from stroi.stages.training.inputs import (
    InputClips,
    compute_run_weights,
    open_clips,
    require_profile_people,
    require_verified_once,
)
from stroi.stages.training.outputs import (
    checkpoint,
    clips_to_score,
    scores_folder,
    seed_folder,
    write_seed_scores,
)
from stroi.stages.training.run_split import check_same_split, split_clips
from stroi.stages.training.training_log import LogFolders, write_curve
from stroi.trainer.config import Mode
from stroi.trainer.data.input_digests import clips_digest
from stroi.trainer.data.prepared_clips import PreparedClips
from stroi.trainer.models.graph_net import GraphNet
from stroi.trainer.network_files.imagenet import imagenet_weights
from stroi.trainer.network_files.network_file import load_gcn, save_resnet
from stroi.trainer.plugins import origin
from stroi.trainer.run.distributed import SINGLE_PROCESS, World
from stroi.trainer.run.progress import EpochRecord
from stroi.trainer.run.run_key import VERSION as TRAINER_VERSION
from stroi.trainer.run.run_options import RunOptions
from stroi.trainer.score_resnet import score_resnet
from stroi.trainer.train_resnet import train_resnet

VERSION = 4
"""Raise it when the same input would give another result; versions.yaml tracks it."""

STAGE_PARAMS = ("seeds", "weights", "resnet", "splits")

SCALES = "scales"
"""Folder of the store: a file per graph network, with the divisor of the row weights."""


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
    clips: InputClips | None


def open_data(
    workspace: Workspace,
    run: RunParams,
    mode: Mode,
    *,
    threads: int = 1,
    world: World = SINGLE_PROCESS,
) -> Data:
    """Open the caches that the mode needs.

    Args:
        workspace: The project.
        run: The run.
        mode: The mode.
        threads: CPU threads.
        world: The processes that open them together.

    Raises:
        RefusedInput: If the index, the mosaics or the skeletons are damaged; ``PEOPLE_OTHER``.
    """
    clips = None
    if mode == "end-to-end":
        cache = open_clips(workspace, run, threads=threads, world=world)
        clips = PreparedClips(cache, cache.ids, scratch=workspace.store)
    folder = workspace.mosaics(run.run.dataset)
    require_verified_once(workspace, folder, MosaicCache.KINDS, threads, world)
    index, mosaics = read_index(workspace.index(run.run.dataset)), MosaicCache(folder, verify=False)
    require_profile_people(run, mosaics, "the stages skeletons and mosaics")
    return Data(index, mosaics, clips)


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


def joint_weight_scale(
    workspace: Workspace,
    run: RunParams,
    data: Data,
    gcn: GraphNet,
    gcn_sha256: str,
    threads: int,
) -> float | None:
    """Divisor of the row weights in end-to-end mode, from the network that training starts from.

    It equals `weight_scale` in the weights' manifest. The store keeps it: a finished training
    depends on it, and is then found without a pass over all clips.

    Args:
        workspace: The project.
        run: The run.
        data: Its caches.
        gcn: The graph network.
        gcn_sha256: SHA-256 of its file.
        threads: CPU threads.

    Returns:
        The divisor; None if each clip scales its own weights.

    Raises:
        StroiError: ``CLIP_EMPTY``.
    """
    params, clips = run.profile.weights, data.clips
    if params.scale == "clip" or clips is None:
        return None
    training = split_clips(data.index, run, clips.ids).train
    rows = data.mosaics.rows
    made_from = [
        TRAINER_VERSION, torch.__version__, threads, gcn_sha256, clips_digest(clips, training),
        params.model_dump(mode="json"), rows_to_json(rows),
    ]  # fmt: skip
    note = workspace.store / SCALES / f"{digest(made_from)}.json"
    with suppress(OSError, ValueError):
        return float(json.loads(note.read_bytes()))
    scale = compute_run_weights(params, rows, gcn, clips, training, training, threads)[1]
    write_atomic(note, json.dumps(scale).encode())
    return scale


def start_file(params: ResnetParams, store: Path) -> Path | None:
    """The weights file that training starts from; None from scratch.

    Raises:
        StroiError: ``IMAGENET_PACKAGE`` if ImageNet's weights are not installed.
        RefusedInput: ``START_DIGEST`` if the package has another file.
    """
    if params.start == "none":
        return None
    if params.start == "imagenet":
        return imagenet_weights(store / "imagenet")
    return Path(params.start)


def usable(
    mosaics: Sequence[str],
    *,
    weights: Weights | None = None,
    clips: InputClips | None = None,
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
    scale = None
    if mode == "end-to-end":
        scale = joint_weight_scale(workspace, run, data, side["gcn"], digests["gcn"], threads)
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
            pretrained=start_file(params, workspace.store),
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


def run_resnet(
    workspace: Workspace, run: str, mode: Mode, tensorboard: Path | None, threads: int
) -> None:
    """Train the ResNet of one run in one mode."""
    params = load_run(workspace.root, run, workspace.settings)
    logs = LogFolders(workspace.store / "times", tensorboard)
    with training(workspace, params, f"resnet-{mode}") as world:
        data = open_data(workspace, params, mode, threads=threads, world=world)
        resources = Resources(threads, world, logs=logs)
        for seed in params.profile.seeds:
            train_seed(workspace, params, data, mode, seed, resources)
