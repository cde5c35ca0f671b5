"""Commands that only look at params: are they right, and which are there."""

from __future__ import annotations

import click

from stroi.pipeline.options import in_project, say
from stroi.pipeline.params.describe import describe_profile
from stroi.pipeline.params.load import check_project
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
