"""The files of stage ``ensemble``, and the table as text."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from stroi.cache.files import write_atomic
from stroi.pipeline.index import csv_bytes
from stroi.pipeline.profile import EnsembleParams
from stroi.stages.answers import Answers, Outcome
from stroi.stages.rows import Result, Truth
from stroi.trainer.fusion import ALPHAS

_HEADER = ("number", "method", "skeleton", "rgb", "accuracy", "spread", "low", "high",
           "test_clips", "chance", "alphas")  # fmt: skip


def write_results(out: Path, answers: Answers, found: Outcome, params: EnsembleParams) -> None:
    """Write all of stage ``ensemble``'s files to `out`: see docs/results.md."""
    truth = answers.truth
    table = {
        "test_clips": len(truth.ids),
        "classes": list(truth.classes),
        "chance": 100 / len(truth.classes),
        "interval": "wilson" if len(answers.seeds) == 1 else "bootstrap",
        "rows": [asdict(result) for result in found.results],
        "comparisons": [asdict(each) for each in found.comparisons],
        "gains": [asdict(each) for each in found.gains],
        "alpha": _alpha(answers, params),
    }
    write_atomic(out / "table.json", json_bytes(table))
    lines = (_line(each, table) for each in found.results)
    write_atomic(out / "table.csv", csv_bytes(_HEADER, lines))
    write_atomic(out / "comparisons.csv", csv_bytes(*_comparisons(found, answers.seeds)))
    names = [f"row{result.row.number}" for result in found.results]
    write_atomic(
        out / "per_class.csv",
        csv_bytes(
            ("class", "test_clips", *names, "gain", "gain_low", "gain_high"), _classes(truth, found)
        ),
    )
    write_atomic(
        out / "predictions.csv", csv_bytes(("id", "actual", *names), _predictions(answers))
    )


def _alpha(answers: Answers, params: EnsembleParams) -> dict[str, Any]:
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
    spread = "" if result.spread is None else f"{result.spread:.2f}"
    low, high = result.interval
    return (row.number, row.method, row.skeleton, row.rgb, f"{result.accuracy:.2f}", spread,
            f"{low:.2f}", f"{high:.2f}", table["test_clips"], f"{table['chance']:.2f}",
            " ".join(f"{alpha:.4g}" for alpha in result.alphas))  # fmt: skip


def _comparisons(
    found: Outcome, seeds: Sequence[int]
) -> tuple[tuple[str, ...], Iterator[tuple[object, ...]]]:
    own = (f"{what}_seed{seed}" for seed in seeds for what in ("gained", "lost", "p"))
    header = ("first", "second", "gain", "low", "high", "median_p", *own)
    lines = (
        (each.first, each.second, f"{each.gain:.2f}", *_ends(each.interval),
         f"{each.median_p:.4g}",
         *(value for own in each.seeds for value in (own.gained, own.lost, f"{own.p:.4g}")))
        for each in found.comparisons
    )  # fmt: skip
    return header, lines


def _ends(interval: tuple[float, float] | None) -> tuple[str, str]:
    return ("", "") if interval is None else (f"{interval[0]:.2f}", f"{interval[1]:.2f}")


def _classes(truth: Truth, found: Outcome) -> Iterator[tuple[object, ...]]:
    for label, name in enumerate(truth.classes):
        gain = found.gains[label]
        yield (
            name,
            int((truth.labels == label).sum()),
            *(result.per_class[label] for result in found.results),
            "" if gain.gain is None else f"{gain.gain:.2f}",
            *_ends(gain.interval),
        )


def _predictions(answers: Answers) -> Iterator[tuple[object, ...]]:
    truth, predicted = answers.truth, answers.predicted
    for at, name in enumerate(truth.ids):
        said = (truth.classes[labels[at]] for labels in predicted.values())
        yield (name, truth.classes[truth.labels[at]], *said)


def json_bytes(value: object) -> bytes:
    """`value` as JSON with sorted keys."""
    return (json.dumps(value, indent=1, sort_keys=True, allow_nan=False) + "\n").encode()


def format_table(results: Sequence[Result], truth: Truth) -> str:
    """The seven rows as text."""
    lines = [
        f"{'#':>2}  {'Method':<20} {'Skeleton':<9} {'RGB':<6} {'Accuracy (%)':<13} 95 % interval"
    ]
    for result in results:
        row = result.row
        spread = "" if result.spread is None else f" +- {result.spread:.1f}"
        low, high = result.interval
        lines.append(
            f"{row.number:>2}  {row.method:<20} {row.skeleton:<9} {row.rgb:<6} "
            f"{f'{result.accuracy:5.1f}{spread}':<13} {low:5.1f} - {high:5.1f}"
        )
    seeds = len(results[0].seeds)
    lines.append(
        f"{len(truth.ids)} test clips, {len(truth.classes)} classes, chance "
        f"{100 / len(truth.classes):.1f} %, {seeds} {'seed' if seeds == 1 else 'seeds'}"
    )
    return "\n".join(lines)
