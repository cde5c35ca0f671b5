"""Stage ``ensemble``: sum the branches' scores by id and write the rows of the table."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import click

from stroi.cache.files.atomic import os_errors_as_ours, write_atomic
from stroi.cache.files.locks import lock
from stroi.cache.percent import percent
from stroi.cache.scores import Scores, read_scores
from stroi.pipeline.completion import complete_run
from stroi.pipeline.index.table import read_index
from stroi.pipeline.options import as_stage
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
from stroi.stages.evaluation.result_files import write_results
from stroi.stages.evaluation.table import Table, make_table
from stroi.stages.evaluation.table_text import format_table
from stroi.stages.training.outputs import TEST, VALIDATION, left_out, scores_folder
from stroi.stages.training.run_split import split_clips

VERSION = 4
"""Raise it when the same input would give another result; versions.yaml tracks it."""

STAGE_PARAMS = ("seeds", "ensemble", "splits")


def build_table(workspace: Workspace, run: RunParams) -> str:
    """Write the results of `run`, and copy the scores that they are made of.

    Returns:
        The rows as text.

    Raises:
        RefusedInput: If score files do not belong together.
        ParamsError: If alpha must be chosen and the split has no validation clips.
    """
    predictions = predict_run(workspace, run)
    table = make_table(predictions, run.profile.ensemble)
    write_results(workspace.run(run.name, "ensemble"), table, predictions.labels())
    write_metrics(workspace.run(run.name, "metrics.json"), table)
    _copy_scores(workspace, run, streams_of(predictions.methods))
    return format_table(table)


def _copy_scores(workspace: Workspace, run: RunParams, streams: Sequence[str]) -> None:
    """Copy all scores of `run` to the folder of its data set, for pools of runs.

    DVC takes no list of folders from params.yaml, but a stage may depend on the folder above.
    """
    source, target = workspace.networks(run.name), workspace.scores(run.run.dataset, run.name)
    with os_errors_as_ours(target):
        shutil.rmtree(target, ignore_errors=True)
        for folder in score_folders(source, run, *streams):
            # Only the content: what DVC has checked out is read-only.
            copy = target / folder.relative_to(source)
            shutil.copytree(folder, copy, copy_function=shutil.copyfile)


def predict_run(workspace: Workspace, run: RunParams, folder: Path | None = None) -> RunPredictions:
    """The scores of every row for the test clips of `run`.

    An alpha that must be chosen is chosen before any score of a test clip is read.

    Args:
        workspace: The project.
        run: The run.
        folder: Where its score folders are; by default where its trainings wrote them.

    Raises:
        RefusedInput: If score files do not belong together.
        ParamsError: If alpha must be chosen and the split has no validation clips.
    """
    params = run.profile.ensemble
    folder = folder or workspace.networks(run.name)
    methods = run_methods(params.methods)
    streams = streams_of(methods)
    index = read_index(workspace.index(run.run.dataset))
    lost = lost_clips(folder, run, streams)
    anywhere = set().union(*lost.values())
    split = split_clips(index, run, [sample.id for sample in index.samples])
    chosen = None
    if params.alpha == "validation":
        validation = ground_truth(index, split.validation, lost, "validation")
        weighed = streams_of(method for method in methods if method.has_alpha)
        scores = read_streams(folder, run, VALIDATION, anywhere, weighed)
        chosen = choose_alphas(scores, validation, params, methods)
    truth = ground_truth(index, split.test, lost)
    named = named_methods(
        network_name(graph_network_name, score_folders(folder, run, SKELETON_STREAM)),
        network_name(resnet_name, score_folders(folder, run, *STREAMS[1:])),
        methods,
    )
    scores = read_streams(folder, run, TEST, anywhere, streams)
    return predict_rows(scores, truth, params, chosen=chosen, methods=named)


def lost_clips(
    folder: Path, run: RunParams, streams: Sequence[str] = STREAMS
) -> dict[str, set[str]]:
    """Test and validation clips that each branch could not score, by the stage that lost them.

    The manifests of the scores list them: no cache is needed.

    Raises:
        RefusedInput: If a manifest is missing or damaged.
    """
    rgb = [stream for stream in streams if stream != SKELETON_STREAM]
    branches = {run.run.input: [SKELETON_STREAM], "mosaics": rgb}
    return {
        stage: set[str]().union(*map(left_out, score_folders(folder, run, *networks)))
        for stage, networks in branches.items()
    }


def read_streams(
    folder: Path,
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
            stage: without(read_scores(scores_folder(folder / stage, seed), name), lost)
            for stage in streams
        }
        for seed in run.profile.seeds
    }


def without(scores: Scores, lost: set[str]) -> Scores:
    """`scores` of the clips that are not `lost`."""
    kept = [at for at, clip in enumerate(scores.ids) if clip not in lost]
    return Scores(tuple(scores.ids[at] for at in kept), scores.logits[kept], scores.classes)


def score_folders(folder: Path, run: RunParams, *stages: str) -> list[Path]:
    """Score folders of all seeds of some stages."""
    return [scores_folder(folder / stage, seed) for stage in stages for seed in run.profile.seeds]


def write_metrics(path: Path, table: Table) -> None:
    """Write the accuracies that ``dvc metrics`` shows."""
    metrics = {f"row{row.method.number}": float(percent(row.accuracy, 2)) for row in table.rows}
    metrics |= {"test_clips": table.test_clips, "chance": round(table.chance, 2)}
    text = json.dumps(metrics, indent=1, sort_keys=True, allow_nan=False)
    write_atomic(path, f"{text}\n".encode())


@click.command(help="Sum the scores of RUN; print the rows and write runs/RUN/ensemble.")
@click.argument("run", shell_complete=complete_run)
@as_stage
def command(workspace: Workspace, run: str) -> None:
    """Build the table of one run."""
    params = load_run(workspace.root, run, workspace.settings)
    with lock(workspace.lock("ensemble", run)):
        table = build_table(workspace, params)
    click.echo(f"{run}:\n{table}")
