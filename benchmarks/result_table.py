"""Turn results into Markdown with machine and versions: benchmarks/results/<name>.md.

Run after `dvc repro`:
    python benchmarks/result_table.py demo-xsub
    python benchmarks/result_table.py ut-fold1 ... ut-fold10 --pooled ut-folds
The second form takes the test clips of all runs as one test; each must be tested once.
"""

from __future__ import annotations

import argparse
import platform
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import version
from pathlib import Path

from stroi.cache.percent import percent
from stroi.pipeline.params.load import load_run
from stroi.pipeline.workspace import Workspace
from stroi.stages.ensemble import predict_run
from stroi.stages.evaluation.methods import Method
from stroi.stages.evaluation.predictions import RunPredictions, concatenate_folds
from stroi.stages.evaluation.result_files import lost_clips_lines
from stroi.stages.evaluation.table import Table, make_table
from stroi.stages.report_page.charts import signed

ROOT = Path(__file__).resolve().parent.parent
LIBRARIES = ("torch", "numpy", "opencv-python-headless", "onnxruntime", "h5py", "dvc")


def heads(methods: Iterable[Method]) -> str:
    """Numbers of rows as heads of columns."""
    return " | ".join(f"row {method.number}" for method in methods)


def rows(table: Table) -> Iterator[str]:
    """The rows."""
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


def comparisons(table: Table) -> Iterator[str]:
    """Rows against rows."""
    yield ""
    yield "| rows | difference (points) | 95 % interval | won : lost (p), each seed | median p |"
    yield "|---|---|---|---|---|"
    for each in table.comparisons:
        ends = each.interval
        interval = "-" if ends is None else " to ".join(map(signed, ends))
        own = ", ".join(f"{test.gained} : {test.lost} ({test.p:.2g})" for test in each.seeds)
        yield (
            f"| {each.second} minus {each.first} | {signed(each.gain)} | {interval} | {own} "
            f"| {each.median_p:.2g} |"
        )
    yield ""
    count = len(table.comparisons)
    yield (
        f"McNemar's exact test, two-sided, of each of {len(table.seeds)} "
        f"{'seed' if len(table.seeds) == 1 else 'seeds'}. Against all {count} comparisons together "
        f"a p below {0.05 / count:.4f} stands."
    )


def pairs(table: Table) -> Iterator[str]:
    """Two-way accuracy inside each named pair of classes."""
    if table.pairs:
        yield ""
        yield f"| pair (chance 50 %) | {heads(row.method for row in table.rows)} |"
        yield "|---" * (len(table.rows) + 1) + "|"
        for name, pair in table.pairs.items():
            own = (row.pairs[name] for row in table.rows)
            values = " | ".join("-" if value is None else percent(value) for value in own)
            yield f"| {name}{f' ({pair.note})' * bool(pair.note)} | {values} |"


def folds(runs: Mapping[str, RunPredictions]) -> Iterator[str]:
    """Correct predictions of each run, mean over seeds."""
    yield ""
    methods = next(iter(runs.values())).methods
    yield f"| run | test clips | {heads(methods)} |"
    yield "|---" * (len(methods) + 2) + "|"
    for name, run in runs.items():
        correct = (run.hits(number).sum(axis=1).mean() for number in run.scores)
        values = " | ".join(f"{value:.4g}" for value in correct)
        yield f"| {name} | {len(run.truth.ids)} | {values} |"


def intervals(table: Table) -> str:
    """How the intervals were computed, in words."""
    if table.interval == "wilson":
        return "Intervals: Wilson's over the clips; of differences, a bootstrap over the clips."
    return "Mean ± sample standard deviation over seeds; intervals: bootstrap over clips and seeds."


def document(title: str, runs: Mapping[str, RunPredictions], workspace: Workspace) -> str:
    """The whole text."""
    first, *others = runs
    predictions = concatenate_folds(runs) if others else runs[first]
    table = make_table(predictions, load_run(workspace.root, first).profile.ensemble)
    seeds, sizes = len(table.seeds), table.class_sizes
    machine = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
    pooled = (
        f"The test clips of {len(runs)} runs as one test; networks of a run share its training "
        "clips, which the intervals and tests do not know. "
        if others
        else ""
    )
    lines = [
        f"# {title}",
        "",
        f"{table.test_clips} test clips, {len(table.classes)} classes of {min(sizes)} to "
        f"{max(sizes)}, chance {table.chance:.1f} %, {seeds} "
        f"{'seed' if seeds == 1 else 'seeds'}. {pooled}{intervals(table)}",
        *(f"Test clips: {line}." for line in lost_clips_lines(table)),
        f"{machine}; {', '.join(f'{name} {version(name)}' for name in LIBRARIES)}.",
        "",
        *rows(table),
        *comparisons(table),
        *pairs(table),
        *(folds(runs) if others else ()),
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("runs", nargs="+", help="names of runs")
    parser.add_argument("--pooled", metavar="NAME", help="all runs as one test, written as NAME.md")
    parser.add_argument("--root", type=Path, default=ROOT, help="the project")
    given = parser.parse_args()
    if given.pooled is None and len(given.runs) > 1:
        parser.error("several runs make one table only with --pooled NAME")
    if len(set(given.runs)) < len(given.runs):
        parser.error("name each run once")
    workspace = Workspace(given.root.resolve())
    runs = {name: predict_run(workspace, load_run(workspace.root, name)) for name in given.runs}
    title = given.pooled or given.runs[0]
    text = document(title, runs, workspace)
    print(text)
    results = workspace.root / "benchmarks" / "results"
    results.mkdir(parents=True, exist_ok=True)
    (results / f"{title}.md").write_text(text)


if __name__ == "__main__":
    main()
