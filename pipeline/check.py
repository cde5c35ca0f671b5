"""Commands that only look: are the params right, is a cache what it says it is."""

from __future__ import annotations

from pathlib import Path

import click

from stroi.cache.errors import RefusedInput
from stroi.cache.verify import verify
from stroi.pipeline.knobs import describe_profile
from stroi.pipeline.options import in_project, say
from stroi.pipeline.params import check_project
from stroi.pipeline.workspace import Workspace


@click.command(help="Validate params.yaml and every profile it names; all mistakes at once.")
@in_project
def command(workspace: Workspace) -> None:
    """Validate the whole project."""
    plan = check_project(workspace.root)
    say(
        f"data sets: {', '.join(plan.datasets)}; runs: {', '.join(plan.runs)}; all params are valid"
    )


@click.command(help="Print a profile with every param, its default and its meaning.")
def params_command() -> None:
    """Print all params."""
    say(describe_profile().rstrip())


@click.command(help="Check every file of a cache FOLDER against its manifest.")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
def verify_command(folder: Path) -> None:
    """Verify one folder of shards, weights or scores."""
    problems = verify(folder)
    if problems:
        raise RefusedInput(
            "DIGEST",
            f"{folder}: {problems[0]}",
            remedy="rerun the stage that made it, or fetch it again",
            details=tuple(problems[1:]),
        )
    say(f"{folder}: complete and untouched")
