"""Stage ``gcn``: train the graph network on the skeletons and score the test clips (row 1)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from stroi.cache.files.digests import sha256_file
from stroi.cache.scores import Scores
from stroi.pipeline.index.splits import SplitIds
from stroi.pipeline.index.table import Index, read_index
from stroi.pipeline.params.load import RunParams, load_run
from stroi.pipeline.workspace import Workspace
from stroi.stages.training.command import training
from stroi.stages.training.configs import Resources, gcn_config
from stroi.stages.training.inputs import InputClips, open_clips
from stroi.stages.training.outputs import (
    checkpoint,
    clips_to_score,
    seed_folder,
    write_seed_scores,
)
from stroi.stages.training.run_split import split_clips
from stroi.stages.training.training_log import LogFolders, write_curve
from stroi.trainer.config import Stream
from stroi.trainer.data.prepared_clips import PreparedClips
from stroi.trainer.metrics.ensemble import sum_streams
from stroi.trainer.models.graph_net import GraphNet
from stroi.trainer.network_files.network_file import save_gcn
from stroi.trainer.plugins import origin
from stroi.trainer.run.progress import EpochRecord
from stroi.trainer.run.run_options import RunOptions
from stroi.trainer.score_gcn import score_gcn
from stroi.trainer.train_gcn import train_gcn

VERSION = 3
"""Raise it when the same input would give another result; versions.yaml tracks it."""

STAGE_PARAMS = ("seeds", "gcn", "splits")


def train_seed(
    workspace: Workspace,
    run: RunParams,
    clips: InputClips,
    index: Index,
    seed: int,
    resources: Resources,
) -> None:
    """Train the networks of one seed, one per stream; the leader writes and scores them.

    Raises:
        StroiError: If the training cannot be carried through.
    """
    params = run.profile.gcn
    split = split_clips(index, run, clips.ids)
    out = workspace.run(run.name, "gcn")
    is_leader = resources.world.is_leader
    if is_leader:
        drop_other_streams(seed_folder(out, seed), params.streams)
    digests: list[str] = []
    scores: dict[str, list[Scores]] = {file: [] for file in clips_to_score(split)}
    for number, stream in enumerate(params.streams):
        name = stream if number else ""
        model, records = train_stream(workspace, run, clips, index, split, stream, seed, resources)
        if not is_leader:
            continue
        save_gcn(checkpoint(out, seed, name), model)
        write_curve(seed_folder(out, seed), records, name)
        for file, ids in clips_to_score(split).items():
            scores[file].append(
                score_gcn(
                    model, clips, ids, threads=resources.threads, tta_copies=params.tta_copies
                )
            )
        digests.append(sha256_file(checkpoint(out, seed, name)))
    if not is_leader:
        return
    further = {"streams": digests[1:]} if len(digests) > 1 else {}
    write_seed_scores(
        out,
        seed,
        {file: sum_streams(streams, params.stream_weights) for file, streams in scores.items()},
        split=split,
        params=params.model_dump(mode="json"),
        producer={"checkpoint": digests[0], "seed": seed, "split": split.digest}
        | further
        | origin("graph_nets", params.model),
    )


def train_stream(
    workspace: Workspace,
    run: RunParams,
    clips: InputClips,
    index: Index,
    split: SplitIds,
    stream: Stream,
    seed: int,
    resources: Resources,
) -> tuple[GraphNet, list[EpochRecord]]:
    """Train the network of one stream.

    Returns:
        The network, and the record of every epoch; none if this process is not the leader.

    Raises:
        StroiError: If the training cannot be carried through.
    """
    params = run.profile.gcn
    schedule = params.schedule
    records: list[EpochRecord] = []
    label = f"gcn, seed {seed}" + (f", {stream}" if len(params.streams) > 1 else "")
    name = f"{run.name}-gcn-seed-{seed}" + (f"-{stream}" if stream != params.streams[0] else "")
    with resources.log_epochs(records, schedule.epochs, label, name) as on_epoch:
        model = train_gcn(
            clips,
            index.labels(split.train),
            index.classes,
            config=gcn_config(params, stream, resources.device),
            schedule=schedule,
            run=RunOptions(
                seed,
                resources.device,
                resources.threads,
                checkpoints=workspace.store / "training",
                on_epoch=on_epoch,
                world=resources.world,
            ),
            validation=index.labels(split.validation),
            start=None if params.start == "none" else Path(params.start),
            start_sha256=params.start_sha256,
        )
    return model, records


def drop_other_streams(folder: Path, streams: Sequence[str]) -> None:
    """Remove the files of further streams of an earlier run."""
    for kind in ("checkpoint-*.safetensors", "curve-*.csv"):
        for path in folder.glob(kind):
            if path.stem.partition("-")[2] not in streams[1:]:
                path.unlink()


def run_gcn(
    workspace: Workspace, run: str, device: str, tensorboard: Path | None, threads: int
) -> None:
    """Train the graph network of one run."""
    params = load_run(workspace.root, run, workspace.settings)
    logs = LogFolders(workspace.store / "times", tensorboard)
    with training(workspace, params, "gcn") as world:
        caches = open_clips(workspace, params, threads=threads, world=world)
        clips = PreparedClips(caches, caches.ids, scratch=workspace.store)
        index = read_index(workspace.index(params.run.dataset))
        resources = Resources(threads, world, world.device(device), logs)
        for seed in params.profile.seeds:
            train_seed(workspace, params, clips, index, seed, resources)
