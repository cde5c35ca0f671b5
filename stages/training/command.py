"""What the commands of both trainings do around their seeds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import click
import numpy as np

from stroi.cache.files.locks import lock
from stroi.cache.percent import percent
from stroi.cache.scores import match_classes, read_scores
from stroi.pipeline.index.table import read_index
from stroi.pipeline.params.load import RunParams
from stroi.pipeline.workspace import Workspace
from stroi.stages.training.outputs import (
    TEST,
    commit_hint,
    drop_other_seeds,
    scores_folder,
)
from stroi.stages.training.run_split import split_clips
from stroi.trainer.metrics.accuracy import accuracy
from stroi.trainer.run.distributed import World, join_world


@contextmanager
def training(workspace: Workspace, run: RunParams, stage: str) -> Iterator[World]:
    """Join the processes of a training, lock its output, and print what was done.

    Args:
        workspace: The project.
        run: The run.
        stage: Folder of the stage in the run, such as ``resnet-plain``.

    Yields:
        The processes. Only the leader holds the lock, removes other seeds and prints.

    Raises:
        StroiError: ``TEAM_PARAMS`` if the processes have different params.
    """
    seeds = run.profile.seeds
    with (
        join_world() as world,
        lock(workspace.lock(stage, run.name)) if world.is_leader else nullcontext(),
    ):
        check_params(world, run)
        if world.is_leader:
            drop_other_seeds(workspace.run(run.name, stage), seeds)
        yield world
    if world.is_leader:
        count = f"{len(seeds)} {'seed' if len(seeds) == 1 else 'seeds'}"
        accuracy = describe_test(workspace, run, stage)
        click.echo(f"{stage.replace('-', ' ', 1)} {run.name}: trained with {count}; {accuracy}")
        if hint := commit_hint(workspace, f"{stage}@{run.name}"):
            click.echo(hint)


def check_params(world: World, run: RunParams) -> None:
    """Refuse processes with different params: they would train different networks together.

    Raises:
        StroiError: ``TEAM_PARAMS``, in every process.
    """
    world.require_equal(
        "TEAM_PARAMS",
        f"has other params of run {run.name}",
        [run.run.model_dump(mode="json"), run.profile.model_dump(mode="json")],
        "give all machines the same params.yaml and profiles",
    )


def describe_test(workspace: Workspace, run: RunParams, stage: str) -> str:
    """Test accuracy of the networks of a stage, and chance, in words.

    It is the accuracy of all clips that the networks scored: the table leaves out those that
    another branch lost.

    Raises:
        RefusedInput: If the scores are damaged.
    """
    index = read_index(workspace.index(run.run.dataset))
    folders = [scores_folder(workspace.run(run.name, stage), seed) for seed in run.profile.seeds]
    values = []
    for folder in folders:
        scores = match_classes(read_scores(folder, TEST), index.classes, stage)
        labels = index.labels(scores.ids)
        actual = np.array([labels[name] for name in scores.ids], np.int64)
        values.append(100 * accuracy(scores.logits, actual))
    listed = split_clips(index, run, [sample.id for sample in index.samples]).test
    scored = len(scores.ids)
    clips = f"{scored} clips" if scored == len(listed) else f"{scored} of {len(listed)} clips"
    each = f"each seed {', '.join(map(percent, values))} %; " if len(values) > 1 else ""
    return (
        f"test accuracy {percent(float(np.mean(values)))} %"
        f" ({each}{clips}, chance {percent(100 / len(index.classes))} %)"
    )
