"""Stage ``ensemble``: sum the branches' scores by id and write the seven rows."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from stroi.cache.files import write_atomic
from stroi.cache.locks import lock
from stroi.cache.scores import Scores, read_scores
from stroi.pipeline.index import Index, csv_bytes, read_index
from stroi.pipeline.ledger import read_ledger
from stroi.pipeline.options import in_project, say
from stroi.pipeline.params import RunParams, load_run
from stroi.pipeline.workspace import Workspace
from stroi.stages.rows import ROWS, STREAMS, Result, Truth, evaluate, format_table, row_scores
from stroi.stages.training import TEST, clips_folder, parts_of, scores_folder

GROUPS = ("seeds", "ensemble", "splits")


def held_out(index: Index, test: Sequence[str], excused: set[str]) -> Truth:
    """The test clips that no ledger quarantined."""
    ids = tuple(sorted(set(test) - excused))
    labels = index.labels(ids)
    return Truth(ids, np.array([labels[name] for name in ids], np.int64), index.classes)


def excused_clips(workspace: Workspace, run: RunParams) -> set[str]:
    """Clips that one branch or the other lost on the way; every row is measured on the rest.

    Raises:
        RefusedInput: If a ledger is missing or malformed.
    """
    dataset = run.run.dataset
    folders = {
        clips_folder(workspace, run), workspace.skeletons(dataset), workspace.mosaics(dataset)
    }  # fmt: skip
    return {lost.id for folder in folders for lost in read_ledger(folder).quarantined}


def without(scores: Scores, excused: set[str]) -> Scores:
    """`scores` less the clips that a ledger quarantined in another branch."""
    kept = [at for at, name in enumerate(scores.ids) if name not in excused]
    return Scores(tuple(scores.ids[at] for at in kept), scores.logits[kept], scores.classes)


def write_results(
    out: Path, results: Sequence[Result], truth: Truth, predicted: Mapping[int, NDArray[np.int64]]
) -> None:
    """Write ``table.json``, ``table.csv``, ``per_class.csv`` and ``predictions.csv`` to `out`."""
    chance = 100 / len(truth.classes)
    table = {
        "test_clips": len(truth.ids),
        "classes": list(truth.classes),
        "chance": chance,
        "rows": [asdict(result) for result in results],
    }
    write_atomic(out / "table.json", _json(table))
    header = ("number", "method", "skeleton", "rgb", "accuracy", "spread", "low", "high",
              "test_clips", "chance")  # fmt: skip
    write_atomic(out / "table.csv", csv_bytes(header, (_line(each, table) for each in results)))
    names = [f"row{result.row.number}" for result in results]
    write_atomic(
        out / "per_class.csv",
        csv_bytes(
            ("class", "test_clips", *names),
            (
                (name, int((truth.labels == label).sum()), *(r.per_class[label] for r in results))
                for label, name in enumerate(truth.classes)
            ),
        ),
    )
    write_atomic(
        out / "predictions.csv",
        csv_bytes(
            ("id", "actual", *names),
            (
                (name, truth.classes[truth.labels[at]],
                 *(truth.classes[predicted[r.row.number][at]] for r in results))
                for at, name in enumerate(truth.ids)
            ),
        ),
    )  # fmt: skip


def _line(result: Result, table: Mapping[str, Any]) -> tuple[object, ...]:
    row = result.row
    spread = "" if result.spread is None else f"{result.spread:.2f}"
    low, high = result.interval
    return (row.number, row.method, row.skeleton, row.rgb, f"{result.accuracy:.2f}", spread,
            f"{low:.2f}", f"{high:.2f}", table["test_clips"], f"{table['chance']:.2f}")  # fmt: skip


def _json(value: object) -> bytes:
    return (json.dumps(value, indent=1, sort_keys=True, allow_nan=False) + "\n").encode()


def build_table(workspace: Workspace, run: RunParams) -> str:
    """Write the results of `run`.

    Returns:
        The seven rows as text.

    Raises:
        RefusedInput: If score files do not belong together.
    """
    dataset, params = run.run.dataset, run.profile.ensemble
    index = read_index(workspace.index(dataset))
    excused = excused_clips(workspace, run)
    everyone = [sample.id for sample in index.samples]
    parts = parts_of(index, run, everyone)
    truth = held_out(index, parts.test, excused)
    by_seed = [
        {
            name: without(
                read_scores(scores_folder(workspace.run(run.name, name), seed), TEST), excused
            )
            for name in STREAMS
        }
        for seed in run.profile.seeds
    ]
    results = [evaluate(row, by_seed, truth, params) for row in ROWS]
    predicted = {
        row.number: row_scores(row, by_seed[0], truth, params).argmax(axis=1) for row in ROWS
    }
    write_results(workspace.run(run.name, "ensemble"), results, truth, predicted)
    metrics = {f"row{each.row.number}": round(each.accuracy, 2) for each in results}
    metrics |= {"test_clips": len(truth.ids), "chance": round(100 / len(truth.classes), 2)}
    write_atomic(workspace.run(run.name, "metrics.json"), _json(metrics))
    return format_table(results, truth)


@click.command(help="Sum the scores of RUN; prints the seven rows and writes runs/RUN/ensemble.")
@click.argument("run")
@in_project
def command(workspace: Workspace, run: str) -> None:
    """Build the table of one run."""
    params = load_run(workspace.root, run)
    with lock(workspace.lock("ensemble", run)):
        table = build_table(workspace, params)
    say(f"{run}:\n{table}")
