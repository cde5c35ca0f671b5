"""Stage ``gcn``: train the graph network on the skeletons and score the test clips (row 1)."""

from __future__ import annotations

import click

from stroi.cache.digests import sha256_file
from stroi.cache.joints import JointCache
from stroi.cache.locks import lock
from stroi.cache.scores import write_scores
from stroi.cache.skeletons import SkeletonCache
from stroi.pipeline.index import Index, read_index
from stroi.pipeline.options import in_project, say, with_threads
from stroi.pipeline.params import RunParams, load_run
from stroi.pipeline.workspace import Workspace
from stroi.stages.training import (
    TEST,
    checkpoint,
    drop_other_seeds,
    epochs,
    gcn_config,
    open_clips,
    parts_of,
    schedule_of,
    scores_folder,
    seed_folder,
    write_curve,
)
from stroi.trainer.infer_gcn import score_gcn
from stroi.trainer.models_io import save_gcn
from stroi.trainer.state import EpochRecord
from stroi.trainer.train_gcn import train_gcn

GROUPS = ("seeds", "gcn", "splits")


def train_seed(
    workspace: Workspace,
    run: RunParams,
    clips: SkeletonCache | JointCache,
    index: Index,
    seed: int,
    threads: int,
) -> None:
    """Train, keep and score the network of one seed.

    Raises:
        StroiError: If the training cannot be carried through.
    """
    params = run.profile.gcn
    parts = parts_of(index, run, clips.ids)
    schedule = schedule_of(params.schedule)
    records: list[EpochRecord] = []
    with epochs(schedule, f"gcn, seed {seed}", records) as tell:
        model = train_gcn(
            clips,
            index.labels(parts.train),
            index.classes,
            config=gcn_config(params),
            schedule=schedule,
            seed=seed,
            threads=threads,
            state=workspace.store / "training",
            on_epoch=tell,
        )
    out = workspace.run(run.name, "gcn")
    save_gcn(checkpoint(out, seed), model)
    write_curve(seed_folder(out, seed), records)
    write_scores(
        scores_folder(out, seed),
        TEST,
        score_gcn(model, clips, parts.test, threads=threads),
        params=params.model_dump(mode="json"),
        producer={"checkpoint": sha256_file(checkpoint(out, seed)), "seed": seed},
    )


@click.command(help="Train the graph network of RUN into runs/RUN/gcn, once per seed.")
@click.argument("run")
@in_project
@with_threads
def command(workspace: Workspace, run: str, threads: int) -> None:
    """Train the graph network of one run."""
    params = load_run(workspace.root, run)
    seeds = params.profile.seeds
    with lock(workspace.lock("gcn", run)):
        drop_other_seeds(workspace.run(run, "gcn"), seeds)
        clips = open_clips(workspace, params)
        index = read_index(workspace.index(params.run.dataset))
        for seed in seeds:
            train_seed(workspace, params, clips, index, seed, threads)
    say(f"gcn {run}: trained with {len(seeds)} {'seed' if len(seeds) == 1 else 'seeds'}")
