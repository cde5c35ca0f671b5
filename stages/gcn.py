"""Stage ``gcn``: train the graph network on the skeletons and score the test clips (row 1)."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

import click

from stroi.cache.files.digests import sha256_file
from stroi.cache.files.locks import lock
from stroi.cache.scores import Scores
from stroi.cache.skeletons import SkeletonCache
from stroi.cache.skeletons3d import JointCache
from stroi.pipeline.index.table import Index, read_index
from stroi.pipeline.options import in_project, say, with_threads
from stroi.pipeline.params.load import RunParams, load_run
from stroi.pipeline.workspace import Workspace
from stroi.stages.training.configs import check_params, gcn_config
from stroi.stages.training.inputs import open_clips
from stroi.stages.training.loggers import UNLOGGED, Logs, with_tensorboard
from stroi.stages.training.outputs import (
    checkpoint,
    drop_other_seeds,
    keep_scores,
    scored,
    seed_folder,
)
from stroi.stages.training.progress import epochs, write_curve
from stroi.stages.training.run_split import parts_of
from stroi.trainer.config import Stream
from stroi.trainer.metrics.ensemble import sum_streams
from stroi.trainer.models.graph_net import GraphNet
from stroi.trainer.network_files.network_file import save_gcn
from stroi.trainer.run.distributed import SINGLE_PROCESS, World, join_world
from stroi.trainer.run.progress import EpochRecord
from stroi.trainer.run.run_options import RunOptions
from stroi.trainer.score_gcn import score_gcn
from stroi.trainer.train_gcn import train_gcn

STAGE_PARAMS = ("seeds", "gcn", "splits")


def train_seed(
    workspace: Workspace,
    run: RunParams,
    clips: SkeletonCache | JointCache,
    index: Index,
    seed: int,
    threads: int,
    world: World = SINGLE_PROCESS,
    device: str = "cpu",
    logs: Logs = UNLOGGED,
) -> None:
    """Train, keep and score the networks of one seed, one per stream.

    Of several processes the first keeps and scores.

    Raises:
        StroiError: If the training cannot be carried through.
    """
    params = run.profile.gcn
    parts = parts_of(index, run, clips.ids)
    out = workspace.run(run.name, "gcn")
    if world.is_leader:
        drop_other_streams(seed_folder(out, seed), params.streams)
    wanted, digests = scored(parts), []
    scores: dict[str, list[Scores]] = {name: [] for name in wanted}
    for number, stream in enumerate(params.streams):
        name = stream if number else ""
        model, records = train_stream(
            workspace, run, clips, index, stream, seed, threads, world, device, logs
        )
        if not world.is_leader:
            continue
        save_gcn(checkpoint(out, seed, name), model)
        write_curve(seed_folder(out, seed), records, name)
        for part, ids in wanted.items():
            found = score_gcn(model, clips, ids, threads=threads, tta_copies=params.tta_copies)
            scores[part].append(found)
        digests.append(sha256_file(checkpoint(out, seed, name)))
    if not world.is_leader:
        return
    further = {"streams": digests[1:]} if len(digests) > 1 else {}
    keep_scores(
        out,
        seed,
        {part: sum_streams(streams, params.stream_weights) for part, streams in scores.items()},
        params=params.model_dump(mode="json"),
        producer={"checkpoint": digests[0], "seed": seed, "division": parts.division} | further,
    )


def train_stream(
    workspace: Workspace,
    run: RunParams,
    clips: SkeletonCache | JointCache,
    index: Index,
    stream: Stream,
    seed: int,
    threads: int,
    world: World = SINGLE_PROCESS,
    device: str = "cpu",
    logs: Logs = UNLOGGED,
) -> tuple[GraphNet, list[EpochRecord]]:
    """Train the network of one stream; what every epoch gave comes with it.

    Raises:
        StroiError: If the training cannot be carried through.
    """
    params = run.profile.gcn
    parts = parts_of(index, run, clips.ids)
    schedule = params.schedule
    records: list[EpochRecord] = []
    label = f"gcn, seed {seed}" + (f", {stream}" if len(params.streams) > 1 else "")
    name = f"{run.name}-gcn-seed-{seed}" + (f"-{stream}" if stream != params.streams[0] else "")
    shown = epochs(schedule, label, records, logs, name) if world.is_leader else nullcontext()
    with shown as on_epoch:
        model = train_gcn(
            clips,
            index.labels(parts.train),
            index.classes,
            config=gcn_config(params, stream, device),
            schedule=schedule,
            run=RunOptions(
                seed,
                device,
                threads,
                checkpoints=workspace.store / "training",
                on_epoch=on_epoch,
                world=world,
            ),
            validation=index.labels(parts.validation),
        )
    return model, records


def drop_other_streams(folder: Path, streams: Sequence[str]) -> None:
    """Remove what an earlier run with other further streams left of them."""
    for kind in ("checkpoint-*.safetensors", "curve-*.csv"):
        for path in folder.glob(kind):
            if path.stem.partition("-")[2] not in streams[1:]:
                path.unlink()


@click.command(help="Train the graph network of RUN into runs/RUN/gcn, once per seed.")
@click.argument("run")
@in_project
@click.option(
    "--device",
    type=click.Choice(["cpu", "cuda", "auto"]),
    default="cpu",
    show_default=True,
    help="Where it trains; auto takes a GPU if there is one.",
)
@with_tensorboard
@with_threads
def command(
    workspace: Workspace, run: str, device: str, tensorboard: Path | None, threads: int
) -> None:
    """Train the graph network of one run."""
    params = load_run(workspace.root, run)
    logs = Logs(workspace.store / "times", tensorboard)
    seeds = params.profile.seeds
    with (
        join_world() as world,
        lock(workspace.lock("gcn", run)) if world.is_leader else nullcontext(),
    ):
        check_params(world, params)
        if world.is_leader:
            drop_other_seeds(workspace.run(run, "gcn"), seeds)
        clips = open_clips(workspace, params)
        index = read_index(workspace.index(params.run.dataset))
        place = world.device(device)
        for seed in seeds:
            train_seed(workspace, params, clips, index, seed, threads, world, place, logs)
        if not world.is_leader:
            return
    say(f"gcn {run}: trained with {len(seeds)} {'seed' if len(seeds) == 1 else 'seeds'}")
