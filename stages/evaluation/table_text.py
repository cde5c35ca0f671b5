"""The table of results as text: plain for the terminal, and as Markdown to paste."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from stroi.cache.percent import percent, signed
from stroi.stages.evaluation.table import Table


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
    further = (*lost_clips_lines(table), *_pair_lines(table), *_fold_lines(table))
    return "\n".join([*lines, *further])


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
    notes = [f"  {pair.note}" if pair.note else "" for pair in table.pairs.values()]
    values = {name: [row.pairs[name] for row in table.rows] for name in table.pairs}
    title, *lines = _by_row("Pair (%, chance 50)", table, values)
    yield title
    yield from (line + note for line, note in zip(lines, notes, strict=True))


def _fold_lines(table: Table) -> Iterator[str]:
    if not table.folds:
        return
    values = {
        name: [fold.accuracy[row.method.number] for row in table.rows]
        for name, fold in table.folds.items()
    }
    yield from _by_row("Run (%, its test clips)", table, values)


def _by_row(
    title: str, table: Table, values: Mapping[str, Sequence[float | None]]
) -> Iterator[str]:
    """A line of heads, then one for each name with its value in percent of every row."""
    width = max(len(title), *map(len, values))
    heads = (f"row {row.method.number}" for row in table.rows)
    yield f"{title:<{width}} " + " ".join(f"{head:>6}" for head in heads)
    for name, own in values.items():
        text = " ".join(f"{'-' if value is None else percent(value):>6}" for value in own)
        yield f"{name:<{width}} {text}"


def markdown(table: Table) -> str:
    """All of `table`: what it was measured on, rows, comparisons, pairs and folds."""
    seeds, sizes = len(table.seeds), table.class_sizes
    lines = [
        f"{table.test_clips} test clips, {len(table.classes)} classes of {min(sizes)} to "
        f"{max(sizes)}, chance {table.chance:.1f} %, {seeds} "
        f"{'seed' if seeds == 1 else 'seeds'}. {_pooled(table)}{_intervals(table)}",
        *(f"Test clips: {line}." for line in lost_clips_lines(table)),
        "",
        *_rows(table),
        *_comparisons(table),
        *_pairs(table),
        *(_folds(table) if table.folds else ()),
    ]
    return "\n".join(lines) + "\n"


def _pooled(table: Table) -> str:
    if not table.folds:
        return ""
    return (
        f"The test clips of {len(table.folds)} runs as one test; networks of a run share its "
        "training clips, which the intervals and tests do not know. "
    )


def _columns(table: Table) -> str:
    return " | ".join(f"row {row.method.number}" for row in table.rows)


def _rows(table: Table) -> Iterator[str]:
    yield "| # | method | skeleton | RGB | accuracy (%) | 95 % interval | each seed |"
    yield "|---|---|---|---|---|---|---|"
    for row in table.rows:
        method, (low, high) = row.method, row.interval
        seeds = ", ".join(map(percent, row.seeds))
        spread = "" if row.spread is None else f" ± {percent(row.spread)}"
        yield (
            f"| {method.number} | {method.name} | {method.skeleton} | {method.rgb} "
            f"| {percent(row.accuracy)}{spread} | {percent(low)} to {percent(high)} | {seeds} |"
        )


def _comparisons(table: Table) -> Iterator[str]:
    yield ""
    yield "| methods | difference (points) | 95 % interval | won : lost (p), each seed | median p |"
    yield "|---|---|---|---|---|"
    for each in table.comparisons:
        ends = each.interval
        interval = "-" if ends is None else " to ".join(map(signed, ends))
        own = ", ".join(f"{test.gained} : {test.lost} ({test.p:.2g})" for test in each.seeds)
        yield (
            f"| {table.label(each.second)} \u2212 {table.label(each.first)} "
            f"| {signed(each.gain)} | {interval} | {own} "
            f"| {each.median_p:.2g} |"
        )
    yield ""
    count = len(table.comparisons)
    yield (
        f"McNemar's exact test, two-sided, of each of {len(table.seeds)} "
        f"{'seed' if len(table.seeds) == 1 else 'seeds'}. Against all {count} comparisons together "
        f"a p below {0.05 / count:.4f} stands."
    )


def _pairs(table: Table) -> Iterator[str]:
    if table.pairs:
        yield ""
        yield f"| pair (chance 50 %) | {_columns(table)} |"
        yield "|---" * (len(table.rows) + 1) + "|"
        for name, pair in table.pairs.items():
            own = (row.pairs[name] for row in table.rows)
            values = " | ".join("-" if value is None else percent(value) for value in own)
            yield f"| {name}{f' ({pair.note})' * bool(pair.note)} | {values} |"


def _folds(table: Table) -> Iterator[str]:
    """Accuracy of each fold, then their mean and sample standard deviation."""
    yield ""
    yield f"| run | test clips | {_columns(table)} |"
    yield "|---" * (len(table.rows) + 2) + "|"
    numbers = [row.method.number for row in table.rows]
    for name, fold in table.folds.items():
        values = " | ".join(percent(fold.accuracy[number]) for number in numbers)
        yield f"| {name} | {fold.test_clips} | {values} |"
    spreads = " | ".join("{} ± {}".format(*map(percent, table.fold_spread(n))) for n in numbers)
    yield f"| mean of the folds | | {spreads} |"


def _intervals(table: Table) -> str:
    if table.interval == "wilson":
        return "Intervals: Wilson's over the clips; of differences, a bootstrap over the clips."
    return "Mean ± sample standard deviation over seeds; intervals: bootstrap over clips and seeds."
