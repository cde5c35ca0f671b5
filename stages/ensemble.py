"""Stage ``ensemble``: sum the branches' scores by id and write the rows of the table."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import click

from stroi.cache.files.atomic import write_atomic
from stroi.cache.files.locks import lock
from stroi.cache.percent import percent
from stroi.cache.scores import Scores, read_scores
from stroi.pipeline.index.table import read_index
from stroi.pipeline.options import in_project
from stroi.pipeline.params.load import RunParams, load_run
from stroi.pipeline.workspace import Workspace
from stroi.stages.evaluation.ground_truth import ground_truth
from stroi.stages.evaluation.methods import (
    SKELETON_STREAM,
    STREAMS,
    graph_network_name,
    named_methods,
    network_name,
    resnet_name,
    run_methods,
    streams_of,
)
from stroi.stages.evaluation.predictions import (
    RunPredictions,
    StreamScores,
    choose_alphas,
    predict_rows,
)
from stroi.stages.evaluation.result_files import format_table, write_results
from stroi.stages.evaluation.table import Table, make_table
from stroi.stages.training.outputs import TEST, VALIDATION, left_out, scores_folder
from stroi.stages.training.run_split import split_clips

VERSION = 3
"""Raise it when the same input would give another result; versions.yaml tracks it."""

STAGE_PARAMS = ("seeds", "ensemble", "splits")


def build_table(workspace: Workspace, run: RunParams) -> str:
    """Write the results of `run`.

    Returns:
        The rows as text.

    Raises:
        RefusedInput: If score files do not belong together.
        ParamsError: If alpha must be chosen and the split has no validation clips.
    """
    predictions = predict_run(workspace, run)
    table = make_table(predictions, run.profile.ensemble)
    write_results(workspace.run(run.name, "ensemble"), table, predictions.labels())
    _write_metrics(workspace.run(run.name, "metrics.json"), table)
    return format_table(table)


def predict_run(workspace: Workspace, run: RunParams) -> RunPredictions:
    """The scores of every row for the test clips of `run`.

    An alpha that must be chosen is chosen before any score of a test clip is read.

    Raises:
        RefusedInput: If score files do not belong together.
        ParamsError: If alpha must be chosen and the split has no validation clips.
    """
    params = run.profile.ensemble
    methods = run_methods(params.methods)
    streams = streams_of(methods)
    index = read_index(workspace.index(run.run.dataset))
    lost = lost_clips(workspace, run, streams)
    anywhere = set().union(*lost.values())
    split = split_clips(index, run, [sample.id for sample in index.samples])
    chosen = None
    if params.alpha == "validation":
        validation = ground_truth(index, split.validation, lost, "validation")
        weighed = streams_of(method for method in methods if method.has_alpha)
        scores = read_streams(workspace, run, VALIDATION, anywhere, weighed)
        chosen = choose_alphas(scores, validation, params, methods)
    truth = ground_truth(index, split.test, lost)
    named = named_methods(
        network_name(graph_network_name, score_folders(workspace, run, SKELETON_STREAM)),
        network_name(resnet_name, score_folders(workspace, run, *STREAMS[1:])),
        methods,
    )
    scores = read_streams(workspace, run, TEST, anywhere, streams)
    return predict_rows(scores, truth, params, chosen=chosen, methods=named)


def lost_clips(
    workspace: Workspace, run: RunParams, streams: Sequence[str] = STREAMS
) -> dict[str, set[str]]:
    """Test and validation clips that each branch could not score, by the stage that lost them.

    The manifests of the scores list them: no cache is needed.

    Raises:
        RefusedInput: If a manifest is missing or damaged.
    """
    rgb = [stream for stream in streams if stream != SKELETON_STREAM]
    branches = {run.run.input: [SKELETON_STREAM], "mosaics": rgb}
    return {
        stage: set[str]().union(*map(left_out, score_folders(workspace, run, *networks)))
        for stage, networks in branches.items()
    }


def read_streams(
    workspace: Workspace,
    run: RunParams,
    name: str,
    lost: set[str],
    streams: Sequence[str] = STREAMS,
) -> dict[int, StreamScores]:
    """Scores by seed and by stage, without the clips that were lost in any branch.

    Raises:
        RefusedInput: If a score file is missing or damaged.
    """
    return {
        seed: {
            stage: without(
                read_scores(scores_folder(workspace.run(run.name, stage), seed), name), lost
            )
            for stage in streams
        }
        for seed in run.profile.seeds
    }


def without(scores: Scores, lost: set[str]) -> Scores:
    """`scores` of the clips that are not `lost`."""
    kept = [at for at, clip in enumerate(scores.ids) if clip not in lost]
    return Scores(tuple(scores.ids[at] for at in kept), scores.logits[kept], scores.classes)


def score_folders(workspace: Workspace, run: RunParams, *stages: str) -> list[Path]:
    """Score folders of all seeds of some stages."""
    return [
        scores_folder(workspace.run(run.name, stage), seed)
        for stage in stages
        for seed in run.profile.seeds
    ]


def _write_metrics(path: Path, table: Table) -> None:
    metrics = {f"row{row.method.number}": float(percent(row.accuracy, 2)) for row in table.rows}
    metrics |= {"test_clips": table.test_clips, "chance": round(table.chance, 2)}
    text = json.dumps(metrics, indent=1, sort_keys=True, allow_nan=False)
    write_atomic(path, f"{text}\n".encode())


@click.command(help="Sum the scores of RUN; print the rows and write runs/RUN/ensemble.")
@click.argument("run")
@in_project
def command(workspace: Workspace, run: str) -> None:
    """Build the table of one run."""
    params = load_run(workspace.root, run)
    with lock(workspace.lock("ensemble", run)):
        table = build_table(workspace, params)
    click.echo(f"{run}:\n{table}")
