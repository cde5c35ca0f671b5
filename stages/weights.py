"""Stage ``weights``: dump the joint weights of eq. 4 for every clip."""

from __future__ import annotations

from collections.abc import Sequence

import click

from stroi.cache.files.digests import sha256_file
from stroi.cache.files.locks import lock
from stroi.cache.manifest import read_manifest
from stroi.cache.own_layouts import layout_json
from stroi.cache.skeletons import SkeletonCache
from stroi.cache.skeletons3d import JointCache
from stroi.cache.weights import write_weights
from stroi.pipeline.index.table import read_index
from stroi.pipeline.params.load import RunParams, load_run
from stroi.pipeline.workspace import Workspace
from stroi.stages.training.inputs import compute_run_weights, open_clips
from stroi.stages.training.outputs import checkpoint, drop_other_seeds, scores_folder, seed_folder
from stroi.stages.training.run_split import split_clips
from stroi.trainer.network_files.network_file import load_gcn

VERSION = 1
"""Raise it when the same input would give another result; versions.yaml tracks it."""

STAGE_PARAMS = ("seeds", "mosaics", "weights", "splits")


def dump_seed(
    workspace: Workspace, run: RunParams, clips: SkeletonCache | JointCache, seed: int, threads: int
) -> None:
    """Write the weights of one seed's network.

    Raises:
        RefusedInput: If the checkpoint is damaged.
    """
    params, gcn = run.profile.weights, workspace.run(run.name, "gcn")
    path = checkpoint(gcn, seed)
    scored_by = read_manifest(scores_folder(gcn, seed)).producer
    model = load_gcn(path)
    training = training_clips(workspace, run, clips.ids) if params.scale == "training" else ()
    weights, scale = compute_run_weights(
        params, run.profile.mosaics.rows, model, clips, clips.ids, training, threads
    )
    write_weights(
        seed_folder(workspace.run(run.name, "weights"), seed),
        weights,
        params=params.model_dump(mode="json"),
        producer={
            "checkpoint": sha256_file(path),
            "seed": seed,
            "split": scored_by.get("split", ""),
            "layout": layout_json(model.layout),
        }
        | ({} if scale is None else {"weight_scale": scale}),
    )


def training_clips(workspace: Workspace, run: RunParams, usable: Sequence[str]) -> tuple[str, ...]:
    """Ids of the run's training clips."""
    return split_clips(read_index(workspace.index(run.run.dataset)), run, usable).train


def run_weights(workspace: Workspace, run: str, threads: int) -> None:
    """Dump the joint weights of one run."""
    params = load_run(workspace.root, run, workspace.settings)
    seeds = params.profile.seeds
    with lock(workspace.lock("weights", run)):
        drop_other_seeds(workspace.run(run, "weights"), seeds)
        clips = open_clips(workspace, params, threads=threads)
        for seed in seeds:
            dump_seed(workspace, params, clips, seed, threads)
    click.echo(f"weights {run}: {len(clips.ids)} clips, {len(seeds)} files")
