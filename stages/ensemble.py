"""Stage ``ensemble``: sum the branches' scores by id and write the seven rows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import click

from stroi.cache.files.atomic import write_atomic
from stroi.cache.files.locks import lock
from stroi.cache.percent import percent
from stroi.cache.scores import Scores, read_scores
from stroi.pipeline.index.ledger import read_ledger
from stroi.pipeline.index.table import read_index
from stroi.pipeline.options import in_project
from stroi.pipeline.params.load import RunParams, load_run
from stroi.pipeline.workspace import Workspace
from stroi.stages.evaluation.predictions import RunPredictions, answer, outcome
from stroi.stages.evaluation.result_files import format_table, json_bytes, write_results
from stroi.stages.evaluation.table import STREAMS, chosen_alphas, held_out, named_rows
from stroi.stages.training.inputs import clips_folder
from stroi.stages.training.networks import graph_network_name, network_name, resnet_name
from stroi.stages.training.outputs import TEST, VALIDATION, scores_folder
from stroi.stages.training.run_split import parts_of

STAGE_PARAMS = ("seeds", "ensemble", "splits")
VERSION = 1
"""Raise it when the same input would give another result; dvc.yaml tracks it."""


def lost_clips(workspace: Workspace, run: RunParams) -> dict[str, set[str]]:
    """Clips that each stage lost, in the order that clips pass them; rows are measured on the rest.

    Raises:
        RefusedInput: If a ledger is missing or malformed.
    """
    dataset = run.run.dataset
    folders = {
        run.run.input: clips_folder(workspace, run),
        "skeletons": workspace.skeletons(dataset),
        "mosaics": workspace.mosaics(dataset),
    }
    return {
        stage: {lost.id for lost in read_ledger(folder).quarantined}
        for stage, folder in folders.items()
    }


def without(scores: Scores, excused: set[str]) -> Scores:
    """`scores` less the clips that a ledger quarantined in another branch."""
    kept = [at for at, name in enumerate(scores.ids) if name not in excused]
    return Scores(tuple(scores.ids[at] for at in kept), scores.logits[kept], scores.classes)


def streams_of(
    workspace: Workspace, run: RunParams, part: str, excused: set[str]
) -> list[Mapping[str, Scores]]:
    """Scores of one part by stage, one mapping per seed.

    Raises:
        RefusedInput: If a score file is missing or damaged.
    """
    return [
        {
            name: without(
                read_scores(scores_folder(workspace.run(run.name, name), seed), part), excused
            )
            for name in STREAMS
        }
        for seed in run.profile.seeds
    ]


def answers_of(workspace: Workspace, run: RunParams) -> RunPredictions:
    """What every row of `run` says about its test clips.

    A weight that is to be chosen is chosen before any score of a test clip is read.

    Raises:
        RefusedInput: If score files do not belong together.
        ParamsError: If the split has no clips to choose on.
    """
    params = run.profile.ensemble
    index = read_index(workspace.index(run.run.dataset))
    lost = lost_clips(workspace, run)
    excused = set().union(*lost.values())
    parts = parts_of(index, run, [sample.id for sample in index.samples])
    choices, held = {}, 0
    if params.alpha == "validation":
        known = held_out(index, parts.validation, lost, "validation")
        scores = streams_of(workspace, run, VALIDATION, excused)
        choices, held = chosen_alphas(scores, known, params), len(known.ids)
    truth = held_out(index, parts.test, lost)
    by_seed = streams_of(workspace, run, TEST, excused)
    rows = named_rows(
        network_name(graph_network_name, score_folders(workspace, run, "gcn")),
        network_name(resnet_name, score_folders(workspace, run, *STREAMS[1:])),
    )
    return answer(run.profile.seeds, by_seed, truth, params, choices, held, rows)


def score_folders(workspace: Workspace, run: RunParams, *stages: str) -> list[Path]:
    """Score folders of all seeds of some stages."""
    return [
        scores_folder(workspace.run(run.name, stage), seed)
        for stage in stages
        for seed in run.profile.seeds
    ]


def build_table(workspace: Workspace, run: RunParams) -> str:
    """Write the results of `run`.

    Returns:
        The seven rows as text.

    Raises:
        RefusedInput: If score files do not belong together.
        ParamsError: If the split has no clips to choose the weight of the RGB branch on.
    """
    params, answers = run.profile.ensemble, answers_of(workspace, run)
    found = outcome(answers, params)
    write_results(workspace.run(run.name, "ensemble"), answers, found, params)
    metrics = {f"row{each.row.number}": float(percent(each.accuracy, 2)) for each in found.results}
    chance = round(100 / len(answers.truth.classes), 2)
    metrics |= {"test_clips": len(answers.truth.ids), "chance": chance}
    write_atomic(workspace.run(run.name, "metrics.json"), json_bytes(metrics))
    return format_table(answers, found)


@click.command(help="Sum the scores of RUN; prints the seven rows and writes runs/RUN/ensemble.")
@click.argument("run")
@in_project
def command(workspace: Workspace, run: str) -> None:
    """Build the table of one run."""
    params = load_run(workspace.root, run)
    with lock(workspace.lock("ensemble", run)):
        table = build_table(workspace, params)
    click.echo(f"{run}:\n{table}")
