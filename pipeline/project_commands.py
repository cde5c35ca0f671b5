"""Commands about the project as a whole: ``new``, ``check``, ``params`` and ``upgrade``."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from stroi.pipeline.datasets.outlook import project_notes
from stroi.pipeline.options import in_project
from stroi.pipeline.params.describe import describe_profile, param_list
from stroi.pipeline.params.load import check_project
from stroi.pipeline.project.create import create_project
from stroi.pipeline.project.template import stroi_version
from stroi.pipeline.project.upgrade import SAVED, changes
from stroi.pipeline.project.upgrade import upgrade as take_over
from stroi.pipeline.versions import check_versions
from stroi.pipeline.workspace import Workspace


@click.command(
    help="Make the folder DIR a project, in which `stroi init` adds data and `dvc repro` runs all "
    "stages: dvc.yaml, params.yaml, profiles/, and a DVC repository in a git repository. DIR may "
    "be new, or a folder or repository without a project."
)
@click.argument("folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
@click.option("--demo", is_flag=True, help="With the rendered demo, which needs no videos.")
@click.option("--no-scm", is_flag=True, help="Without git, as `dvc init --no-scm`.")
def new(folder: Path, demo: bool, no_scm: bool) -> None:
    """Make a project."""
    for note in create_project(folder, demo=demo, scm=not no_scm):
        click.echo(f"note: {note}")
    click.echo(f"{folder}: a project of stroi {stroi_version()}; its README.md says what to do")
    enter = "" if folder.resolve() == Path.cwd() else f"cd {shlex.quote(str(folder))} && "
    click.echo(f"next: {enter}{'dvc repro' if demo else 'stroi init NAME --videos DIR'}")


@click.command(
    help="Validate params.yaml and every profile it names; list all mistakes, and what will end or "
    "weaken a run of the data sets that are there."
)
@in_project
def check(workspace: Workspace) -> None:
    """Validate the project."""
    project = check_project(workspace.root)
    check_versions(workspace.root)
    for line in changes(workspace.root):
        click.echo(f"note: `stroi upgrade` would change {line}")
    for note in project_notes(workspace, project):
        click.echo(f"note: {note}")
    datasets, runs = (", ".join(names) or "none" for names in (project.datasets, project.runs))
    click.echo(f"data sets: {datasets}; runs: {runs}; all params are valid")


@click.command(help="Print a profile with every param, its default and its meaning.")
@click.option("--names", is_flag=True, help="Only KEY=DEFAULT, as --set of the stages takes it.")
def params(names: bool) -> None:
    """Print all params."""
    click.echo(param_list() if names else describe_profile().rstrip())


@click.command(
    help="Write the stages and versions of this stroi into dvc.yaml, versions.yaml and "
    "params.yaml. `dvc repro` then runs the stages whose version changed. Stages and plots of your "
    "own stay."
)
@in_project
@click.option("--dry-run", is_flag=True, help="Say what would change, and write nothing.")
def upgrade(workspace: Workspace, dry_run: bool) -> None:
    """Bring a project up to date."""
    lines = changes(workspace.root) if dry_run else take_over(workspace.root)
    for line in lines:
        click.echo(line)
    if any(line.startswith("dvc.yaml") for line in lines) and not dry_run:
        click.echo(f"dvc.yaml: written; {SAVED} is the file before")
    done = "would be upgraded" if dry_run else "upgraded"
    click.echo(
        f"{workspace.root}: {f'{done} to' if lines else 'up to date:'} stroi {stroi_version()}"
    )
