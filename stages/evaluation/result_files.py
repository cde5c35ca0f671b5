"""The files of stage ``ensemble``, and the table as text."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from stroi.cache.files.atomic import write_atomic
from stroi.cache.percent import percent
from stroi.pipeline.index.table import csv_bytes
from stroi.pipeline.params.profile import EnsembleParams
from stroi.stages.evaluation.predictions import RunPredictions, TableResults
from stroi.stages.evaluation.table import GroundTruth, Result
from stroi.trainer.metrics.ensemble import ALPHAS

_HEADER = ("number", "method", "skeleton", "rgb", "accuracy", "spread", "low", "high",
           "test_clips", "chance", "alphas")  # fmt: skip
_PAIR_HEADER = ("pair", "first", "second", "first_clips", "second_clips")


def write_results(
    out: Path, answers: RunPredictions, found: TableResults, params: EnsembleParams
) -> None:
    """Write all of stage ``ensemble``'s files to `out`: see docs/results.md."""
    truth = answers.truth
    table = {
        "test_clips": len(truth.ids),
        "test_part": {
            "listed": truth.listed,
            "seen": truth.seen,
            "left_out": dict(truth.left_out),
        },
        "classes": list(truth.classes),
        "chance": 100 / len(truth.classes),
        "interval": "wilson" if len(answers.seeds) == 1 else "bootstrap",
        "rows": [asdict(result) for result in found.results],
        "pairs": {name: asdict(pair) for name, pair in found.pairs.items()},
        "comparisons": [asdict(each) for each in found.comparisons],
        "gains": [asdict(each) for each in found.gains],
        "alpha": _alpha(answers, params),
    }
    write_atomic(out / "table.json", json_bytes(table))
    lines = (_line(each, table) for each in found.results)
    write_atomic(out / "table.csv", csv_bytes(_HEADER, lines))
    write_atomic(out / "comparisons.csv", csv_bytes(*_comparisons(found, answers.seeds)))
    names = [f"row{result.row.number}" for result in found.results]
    write_atomic(out / "pairs.csv", csv_bytes((*_PAIR_HEADER, *names, "note"), _pairs(found)))
    write_atomic(
        out / "per_class.csv",
        csv_bytes(
            ("class", "test_clips", *names, "gain", "gain_low", "gain_high"), _classes(truth, found)
        ),
    )
    write_atomic(
        out / "predictions.csv", csv_bytes(("id", "actual", *names), _predictions(answers))
    )


def _alpha(answers: RunPredictions, params: EnsembleParams) -> dict[str, Any]:
    """How the weight of the RGB branch came about."""
    if not answers.choices:
        return {"rule": "given", "value": params.alpha}
    return {
        "rule": "validation",
        "grid": list(ALPHAS),
        "validation_clips": answers.held,
        "rows": {
            str(number): [
                {"seed": seed, **asdict(choice)}
                for seed, choice in zip(answers.seeds, choices, strict=True)
            ]
            for number, choices in answers.choices.items()
        },
    }


def _line(result: Result, table: Mapping[str, Any]) -> tuple[object, ...]:
    row = result.row
    spread = "" if result.spread is None else percent(result.spread, 2)
    return (row.number, row.method, row.skeleton, row.rgb, percent(result.accuracy, 2), spread,
            *_ends(result.interval), table["test_clips"], f"{table['chance']:.2f}",
            " ".join(f"{alpha:.4g}" for alpha in result.alphas))  # fmt: skip


def _comparisons(
    found: TableResults, seeds: Sequence[int]
) -> tuple[tuple[str, ...], Iterator[tuple[object, ...]]]:
    own = (f"{what}_seed{seed}" for seed in seeds for what in ("gained", "lost", "p"))
    header = ("first", "second", "gain", "low", "high", "median_p", *own)
    lines = (
        (each.first, each.second, percent(each.gain, 2), *_ends(each.interval),
         f"{each.median_p:.4g}",
         *(value for own in each.seeds for value in (own.gained, own.lost, f"{own.p:.4g}")))
        for each in found.comparisons
    )  # fmt: skip
    return header, lines


def _ends(interval: tuple[float, float] | None) -> tuple[str, str]:
    return ("", "") if interval is None else (percent(interval[0], 2), percent(interval[1], 2))


def _pairs(found: TableResults) -> Iterator[tuple[object, ...]]:
    for name, pair in found.pairs.items():
        values = (result.pairs[name] for result in found.results)
        shown = ("" if value is None else percent(value, 2) for value in values)
        yield (name, *pair.classes, *pair.test_clips, *shown, pair.note)


def _classes(truth: GroundTruth, found: TableResults) -> Iterator[tuple[object, ...]]:
    for label, name in enumerate(truth.classes):
        gain = found.gains[label]
        yield (
            name,
            int((truth.labels == label).sum()),
            *(result.per_class[label] for result in found.results),
            "" if gain.gain is None else percent(gain.gain, 2),
            *_ends(gain.interval),
        )


def _predictions(answers: RunPredictions) -> Iterator[tuple[object, ...]]:
    truth, predicted = answers.truth, answers.predicted
    for at, name in enumerate(truth.ids):
        said = (truth.classes[labels[at]] for labels in predicted.values())
        yield (name, truth.classes[truth.labels[at]], *said)


def json_bytes(value: object) -> bytes:
    """`value` as JSON with sorted keys."""
    return (json.dumps(value, indent=1, sort_keys=True, allow_nan=False) + "\n").encode()


def format_table(answers: RunPredictions, found: TableResults) -> str:
    """The seven rows as text, and how pairs of classes are told apart on their own."""
    truth, seeds = answers.truth, len(answers.seeds)
    wide = max(20, *(len(row.method) for row in answers.rows))
    lines = [
        f"{'#':>2}  {'Method':<{wide}} {'Skeleton':<9} {'RGB':<6} {'Accuracy (%)':<13} "
        "95 % interval"
    ]
    for result in found.results:
        row = result.row
        spread = "" if result.spread is None else f" +- {percent(result.spread)}"
        low, high = map(percent, result.interval)
        lines.append(
            f"{row.number:>2}  {row.method:<{wide}} {row.skeleton:<9} {row.rgb:<6} "
            f"{f'{percent(result.accuracy):>5}{spread}':<13} {low:>5} - {high:>5}"
        )
    lines.append(
        f"{len(truth.ids)} test clips, {len(truth.classes)} classes, chance "
        f"{100 / len(truth.classes):.1f} %, {seeds} {'seed' if seeds == 1 else 'seeds'}"
    )
    return "\n".join([*lines, *left_out(truth), *_pair_lines(found)])


def left_out(truth: GroundTruth) -> Iterator[str]:
    """A line that says which clips the rows lack; none if they lack none."""
    lost = [f"{count} by {stage}" for stage, count in truth.left_out.items() if count]
    own = f"; row 1 on the graph network's own page, which needs no mosaic: {truth.seen} clips"
    if lost:
        yield (
            f"of {truth.listed} in the split; lost by stages: {', '.join(lost)}"
            f"{own * (truth.seen > len(truth.ids))}"
        )


def _pair_lines(found: TableResults) -> Iterator[str]:
    if not found.pairs:
        return
    wide = max(len("Pair (%, chance 50)"), *map(len, found.pairs))
    heads = (f"row {result.row.number}" for result in found.results)
    yield f"{'Pair (%, chance 50)':<{wide}} " + " ".join(f"{head:>6}" for head in heads)
    for name, pair in found.pairs.items():
        values = (result.pairs[name] for result in found.results)
        shown = " ".join(f"{'-' if each is None else percent(each):>6}" for each in values)
        yield f"{name:<{wide}} {shown}  {pair.note}".rstrip()
