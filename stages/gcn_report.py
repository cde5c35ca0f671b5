"""Stage ``gcn-report``: the page of the skeleton branch alone, without any mosaic."""

from __future__ import annotations

from pathlib import Path

import click

from stroi.cache.files.atomic import write_atomic
from stroi.cache.files.locks import lock
from stroi.cache.scores import read_scores
from stroi.pipeline.completion import complete_run
from stroi.pipeline.index.table import read_index
from stroi.pipeline.options import as_stage
from stroi.pipeline.params.load import RunParams, load_run
from stroi.pipeline.workspace import Workspace
from stroi.stages.evaluation.ground_truth import ground_truth
from stroi.stages.evaluation.methods import graph_network_name, network_name
from stroi.stages.report_page.skeleton_page import STAGE_PARAMS as PAGE_PARAMS
from stroi.stages.report_page.skeleton_page import skeleton_page
from stroi.stages.training.outputs import TEST, left_out, scores_folder
from stroi.stages.training.run_split import split_clips

VERSION = 3
"""Raise it when the same input would give another result; versions.yaml tracks it."""

STAGE_PARAMS = ("seeds", "splits", *PAGE_PARAMS)


def build_gcn_report(workspace: Workspace, run: RunParams) -> Path:
    """Write ``runs/RUN/gcn-report.html``; equal bytes for equal inputs.

    Returns:
        Path of the page.

    Raises:
        RefusedInput: If what a stage wrote is missing, damaged, or does not belong together.
    """
    index = read_index(workspace.index(run.run.dataset))
    split = split_clips(index, run, [sample.id for sample in index.samples])
    folders = [scores_folder(workspace.run(run.name, "gcn"), seed) for seed in run.profile.seeds]
    lost = set[str]().union(*map(left_out, folders))
    truth = ground_truth(index, split.test, {run.run.input: lost})
    scores = tuple(read_scores(folder, TEST) for folder in folders)
    name = network_name(graph_network_name, folders)
    path = workspace.run(run.name, "gcn-report.html")
    write_atomic(path, skeleton_page(workspace, run, truth, scores, name).encode())
    return path


@click.command(
    help="Write runs/RUN/gcn-report.html: accuracy of RUN's graph network, weights and losses; "
    "for data without pictures, or before there are mosaics."
)
@click.argument("run", shell_complete=complete_run)
@as_stage
def command(workspace: Workspace, run: str) -> None:
    """Write the page of one run's skeleton branch."""
    params = load_run(workspace.root, run, workspace.settings)
    with lock(workspace.lock("gcn-report", run)):
        path = build_gcn_report(workspace, params)
    click.echo(f"{run}: {path}")
