"""Stage ``report``: one self-contained HTML page that shows a run."""

from __future__ import annotations

from pathlib import Path

import click

from stroi.cache.files.atomic import write_atomic
from stroi.cache.files.locks import lock
from stroi.pipeline.options import in_project
from stroi.pipeline.params.load import RunParams, load_run
from stroi.pipeline.params.profile import Profile
from stroi.pipeline.workspace import Workspace
from stroi.stages.report_page.run_page import run_page

VERSION = 3
"""Raise it when the same input would give another result; versions.yaml tracks it."""

STAGE_PARAMS = tuple(section for section in Profile.model_fields if section != "skeletons3d")
"""The page shows all params; those of skeletons3d are in their manifest, if there are any."""


def build_report(workspace: Workspace, run: RunParams) -> Path:
    """Write ``runs/RUN/report.html``; equal bytes for equal inputs.

    Returns:
        Path of the page.

    Raises:
        RefusedInput: If what a stage wrote is missing, damaged, or does not belong together.
    """
    path = workspace.run(run.name, "report.html")
    write_atomic(path, run_page(workspace, run).encode())
    return path


@click.command(help="Write runs/RUN/report.html: results, mosaics, weights and losses of RUN.")
@click.argument("run")
@in_project
def command(workspace: Workspace, run: str) -> None:
    """Write the page of one run."""
    params = load_run(workspace.root, run)
    with lock(workspace.lock("report", run)):
        path = build_report(workspace, params)
    click.echo(f"{run}: {path}")
