"""Commands about the project as a whole: ``stroi check``, ``stroi params``, ``stroi upgrade``."""

from __future__ import annotations

import click

from stroi.pipeline.datasets.outlook import project_notes
from stroi.pipeline.options import in_project
from stroi.pipeline.params.describe import describe_profile
from stroi.pipeline.params.load import check_project
from stroi.pipeline.versions import changed_versions, check_versions, versions_path, write_versions
from stroi.pipeline.workspace import Workspace


@click.command(
    help="Validate params.yaml and every profile it names; list all mistakes, and what will end or "
    "weaken a run of the data sets that are there."
)
@in_project
def check(workspace: Workspace) -> None:
    """Validate the project."""
    project = check_project(workspace.root)
    check_versions(workspace.root)
    for note in project_notes(workspace, project):
        click.echo(f"note: {note}")
    datasets, runs = ", ".join(project.datasets), ", ".join(project.runs)
    click.echo(f"data sets: {datasets}; runs: {runs}; all params are valid")


@click.command(help="Print a profile with every param, its default and its meaning.")
def params() -> None:
    """Print all params."""
    click.echo(describe_profile().rstrip())


@click.command(
    help="Write the versions of this stroi's stages into versions.yaml. `dvc repro` then runs the "
    "stages whose version changed."
)
@in_project
def upgrade(workspace: Workspace) -> None:
    """Bring versions.yaml up to date."""
    path, changed = versions_path(workspace.root), changed_versions(workspace.root)
    for line in changed:
        click.echo(line)
    if changed:
        write_versions(workspace.root)
    click.echo(f"{path}: {'written' if changed else 'up to date'}")
