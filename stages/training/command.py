"""What the commands of both trainings do around their seeds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import click

from stroi.cache.files.locks import lock
from stroi.pipeline.params.load import RunParams
from stroi.pipeline.workspace import Workspace
from stroi.stages.training.outputs import commit_hint, drop_other_seeds
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
        click.echo(f"{stage.replace('-', ' ', 1)} {run.name}: trained with {count}")
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
