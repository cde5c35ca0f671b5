"""The files of stage ``ensemble``, written and read, and the table as text."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from stroi.cache.errors import RefusedInput
from stroi.cache.files.atomic import write_atomic
from stroi.cache.ids import check_ids
from stroi.cache.percent import percent
from stroi.pipeline.index.csv import csv_bytes, iterate_csv
from stroi.stages.evaluation.predictions import PredictedLabels
from stroi.stages.evaluation.table import Table

REMEDY = "run `stroi ensemble` again, or `dvc repro`"

_HEADER = ("number", "method", "skeleton", "rgb", "accuracy", "spread", "low", "high",
           "test_clips", "chance", "alphas")  # fmt: skip


def write_results(folder: Path, table: Table, labels: PredictedLabels) -> None:
    """Write all files of stage ``ensemble``; docs/results.md describes them."""
    rows = _row_names(table)
    pair_header = ("pair", "first", "second", "first_clips", "second_clips", *rows, "note")
    class_header = ("class", "test_clips", *rows, "gain", "gain_low", "gain_high")
    write_atomic(folder / "table.json", f"{table.model_dump_json(indent=1)}\n".encode())
    for name, header, lines in (
        ("table", _HEADER, _rows(table)),
        ("comparisons", _comparison_header(table), _comparisons(table)),
        ("pairs", pair_header, _pairs(table)),
        ("per_class", class_header, _classes(table)),
        ("predictions", ("id", "actual", *rows), _labels(labels, table)),
    ):
        write_atomic(folder / f"{name}.csv", csv_bytes(header, lines))


def _row_names(table: Table) -> tuple[str, ...]:
    return tuple(f"row{row.method.number}" for row in table.rows)


def _rows(table: Table) -> Iterator[tuple[object, ...]]:
    for row in table.rows:
        method = row.method
        yield (
            method.number, method.name, method.skeleton, method.rgb,
            percent(row.accuracy, 2), _cell(row.spread), *_ends(row.interval),
            table.test_clips, f"{table.chance:.2f}",
            " ".join(f"{alpha:.4g}" for alpha in row.alphas),
        )  # fmt: skip


def _comparison_header(table: Table) -> tuple[str, ...]:
    own = (f"{what}_seed{seed}" for seed in table.seeds for what in ("gained", "lost", "p"))
    return ("first", "second", "gain", "low", "high", "median_p", *own)


def _comparisons(table: Table) -> Iterator[tuple[object, ...]]:
    for each in table.comparisons:
        own = (value for test in each.seeds for value in (test.gained, test.lost, f"{test.p:.4g}"))
        yield (
            each.first, each.second, percent(each.gain, 2), *_ends(each.interval),
            f"{each.median_p:.4g}", *own,
        )  # fmt: skip


def _pairs(table: Table) -> Iterator[tuple[object, ...]]:
    for name, pair in table.pairs.items():
        values = (_cell(row.pairs[name]) for row in table.rows)
        yield (name, *pair.classes, *pair.test_clips, *values, pair.note)


def _classes(table: Table) -> Iterator[tuple[object, ...]]:
    for label, (name, gain) in enumerate(zip(table.classes, table.gains, strict=True)):
        values = (row.per_class[label] for row in table.rows)
        yield (name, table.class_sizes[label], *values, _cell(gain.gain), *_ends(gain.interval))


def _labels(labels: PredictedLabels, table: Table) -> Iterator[tuple[str, ...]]:
    columns = (labels.actual, *labels.predicted.values())
    for clip, *own in zip(labels.ids, *columns, strict=True):
        yield (clip, *(table.classes[label] for label in own))


def _cell(value: float | None) -> str:
    return "" if value is None else percent(value, 2)


def _ends(interval: tuple[float, float] | None) -> tuple[str, str]:
    return ("", "") if interval is None else (percent(interval[0], 2), percent(interval[1], 2))


def read_table(folder: Path) -> Table:
    """Read ``table.json``.

    Raises:
        RefusedInput: ``TABLE_MISSING``; ``TABLE`` if stage ``ensemble`` did not write it like this.
    """
    path = folder / "table.json"
    try:
        return Table.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise RefusedInput("TABLE_MISSING", f"{path} does not exist", remedy=REMEDY) from None
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"])) or "file"
        raise stale_table(path, f"{field}: {first['msg']}") from None


def read_labels(folder: Path, table: Table) -> PredictedLabels:
    """Read ``predictions.csv``.

    Raises:
        RefusedInput: If it is missing, malformed or does not belong to `table`.
    """
    path = folder / "predictions.csv"
    columns = ("actual", *_row_names(table))
    label_of = {name: label for label, name in enumerate(table.classes)}
    rows = []
    for line, row in iterate_csv(path, required=("id", *columns)):
        for column in columns:
            if row[column] not in label_of:
                raise stale_table(path, f"line {line}: {row[column]!a} is no class of table.json")
        rows.append((row["id"], [label_of[row[column]] for column in columns]))
    rows.sort()
    if len(rows) != table.test_clips:
        raise stale_table(path, f"{len(rows)} clips, table.json has {table.test_clips}")
    ids = tuple(clip for clip, _ in rows)
    check_ids(ids)
    actual, *predicted = np.array([labels for _, labels in rows], np.int64).T
    numbers = (row.method.number for row in table.rows)
    return PredictedLabels(ids, actual, dict(zip(numbers, predicted, strict=True)))


def stale_table(path: Path, problem: str) -> RefusedInput:
    """The refusal of a result file that does not fit the rest of the run."""
    return RefusedInput("TABLE", f"{path}: {problem}", remedy=REMEDY)


def format_table(table: Table) -> str:
    """The rows as text, then the lost clips and the accuracies of pairs, if there are any."""
    width = max(20, *(len(row.method.name) for row in table.rows))
    lines = [
        f"{'#':>2}  {'Method':<{width}} {'Skeleton':<9} {'RGB':<6} {'Accuracy (%)':<13} "
        "95 % interval"
    ]
    for row in table.rows:
        method = row.method
        spread = "" if row.spread is None else f" +- {percent(row.spread)}"
        low, high = map(percent, row.interval)
        lines.append(
            f"{method.number:>2}  {method.name:<{width}} {method.skeleton:<9} {method.rgb:<6} "
            f"{f'{percent(row.accuracy):>5}{spread}':<13} {low:>5} - {high:>5}"
        )
    seeds = len(table.seeds)
    lines.append(
        f"{table.test_clips} test clips, {len(table.classes)} classes, chance "
        f"{table.chance:.1f} %, {seeds} {'seed' if seeds == 1 else 'seeds'}"
    )
    return "\n".join([*lines, *lost_clips_lines(table), *_pair_lines(table)])


def lost_clips_lines(table: Table) -> Iterator[str]:
    """A line that says which clips the rows lack; none if they lack none."""
    split = table.test_split
    lost = [f"{count} by {stage}" for stage, count in split.left_out.items() if count]
    own = f"; row 1 on the graph network's own page, which needs no mosaic: {split.seen} clips"
    if lost:
        yield (
            f"of {split.listed} in the split; lost by stages: {', '.join(lost)}"
            f"{own * (split.seen > table.test_clips)}"
        )


def _pair_lines(table: Table) -> Iterator[str]:
    if not table.pairs:
        return
    title = "Pair (%, chance 50)"
    width = max(len(title), *map(len, table.pairs))
    heads = (f"row {row.method.number}" for row in table.rows)
    yield f"{title:<{width}} " + " ".join(f"{head:>6}" for head in heads)
    for name, pair in table.pairs.items():
        values = (row.pairs[name] for row in table.rows)
        text = " ".join(f"{'-' if value is None else percent(value):>6}" for value in values)
        yield f"{name:<{width}} {text}  {pair.note}".rstrip()
