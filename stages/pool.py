"""Stage ``pool``: the test clips of several runs as one test, such as those of all folds."""

from __future__ import annotations

import click

from stroi.cache.errors import ParamsError
from stroi.cache.files.atomic import write_atomic
from stroi.cache.files.locks import lock
from stroi.pipeline.completion import complete_pool
from stroi.pipeline.options import as_stage
from stroi.pipeline.params.load import RunParams, check_name, load_project, load_run
from stroi.pipeline.workspace import Workspace
from stroi.stages.ensemble import predict_run, write_metrics
from stroi.stages.evaluation.predictions import concatenate_folds
from stroi.stages.evaluation.result_files import write_results
from stroi.stages.evaluation.table import Table, make_pooled_table
from stroi.stages.evaluation.table_text import format_table
from stroi.stages.report_page.pool_page import pool_page

VERSION = 1
"""Raise it when the same input would give another result; versions.yaml tracks it."""

STAGE_PARAMS = ("seeds", "ensemble", "splits")


def build_pool(workspace: Workspace, name: str) -> Table:
    """Write table, page and metrics of a pool below ``runs/NAME``; equal bytes for equal inputs.

    The scores are the copies that stage ``ensemble`` makes for the whole data set.

    Raises:
        ParamsError: ``PARAMS_POOL`` if params.yaml has no such pool.
        RefusedInput: If scores are missing, or the runs cannot be one test.
    """
    runs = load_pool(workspace, name)
    folds = {
        each: predict_run(workspace, run, workspace.scores(run.run.dataset, each))
        for each, run in runs.items()
    }
    first = next(iter(runs.values()))
    table = make_pooled_table(folds, first.profile.ensemble)
    labels = concatenate_folds(folds).labels()
    folder = workspace.run(name, "ensemble")
    write_results(folder, table, labels)
    write_metrics(workspace.run(name, "metrics.json"), table)
    page = pool_page(name, list(runs.values()), table, labels)
    write_atomic(workspace.run(name, "report.html"), page.encode())
    return table


def load_pool(workspace: Workspace, name: str) -> dict[str, RunParams]:
    """The runs of a pool, by name.

    Raises:
        ParamsError: ``PARAMS_POOL`` if params.yaml has no such pool; as `load_run`.
    """
    pools = load_project(workspace.root).pools
    check_name(name)
    if name not in pools:
        known = ", ".join(sorted(pools)) or "none; `stroi init --all` adds one"
        raise ParamsError(
            "PARAMS_POOL",
            f"{workspace.root / 'params.yaml'} has no pool {name!a}",
            remedy=f"its pools are: {known}",
        )
    return {run: load_run(workspace.root, run, workspace.settings) for run in pools[name].runs}


@click.command(
    help="Take the test clips of all runs of POOL as one test: prints the table and writes it and"
    " a page below runs/POOL. params.yaml lists the pools."
)
@click.argument("pool", shell_complete=complete_pool)
@as_stage
def command(workspace: Workspace, pool: str) -> None:
    """Build the table and the page of one pool."""
    load_pool(workspace, pool)
    with lock(workspace.lock("pool", pool)):
        table = build_pool(workspace, pool)
    click.echo(f"{pool}:\n{format_table(table)}")
    click.echo(f"{pool}: {workspace.run(pool, 'report.html')}")
