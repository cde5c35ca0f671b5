"""Turn results into Markdown with machine and versions: benchmarks/results/<name>.md.

Run after `dvc repro`:
    python benchmarks/result_table.py demo-xsub
    python benchmarks/result_table.py ut-fold1 ... ut-fold10 --pooled ut-folds
The second form takes the test clips of all runs as one test; each must be tested once.
"""

from __future__ import annotations

import argparse
import platform
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np

from stroi.cache.percent import percent
from stroi.pipeline.params.load import load_run
from stroi.pipeline.workspace import Workspace
from stroi.stages.ensemble import answers_of
from stroi.stages.evaluation.comparisons import Comparison
from stroi.stages.evaluation.predictions import RunPredictions, TableResults, outcome, pool
from stroi.stages.evaluation.result_files import left_out
from stroi.stages.evaluation.table import right
from stroi.stages.report_page.charts import signed

ROOT = Path(__file__).resolve().parent.parent
LIBRARIES = ("torch", "numpy", "opencv-python-headless", "onnxruntime", "h5py", "dvc")


def rows(found: TableResults) -> Iterator[str]:
    """The seven rows."""
    yield "| # | method | skeleton | RGB | accuracy (%) | 95 % interval | each seed |"
    yield "|---|---|---|---|---|---|---|"
    for each in found.results:
        row, (low, high) = each.row, each.interval
        seeds = ", ".join(map(percent, each.seeds))
        spread = "" if each.spread is None else f" ± {percent(each.spread)}"
        yield (
            f"| {row.number} | {row.method} | {row.skeleton} | {row.rgb} "
            f"| {percent(each.accuracy)}{spread} | {percent(low)} to {percent(high)} | {seeds} |"
        )


def tests(found: Sequence[Comparison], seeds: Sequence[int]) -> Iterator[str]:
    """Rows against rows."""
    yield ""
    yield "| rows | difference (points) | 95 % interval | won : lost (p), each seed | median p |"
    yield "|---|---|---|---|---|"
    for each in found:
        ends = each.interval
        interval = "-" if ends is None else " to ".join(map(signed, ends))
        own = ", ".join(f"{test.gained} : {test.lost} ({test.p:.2g})" for test in each.seeds)
        yield (
            f"| {each.second} less {each.first} | {signed(each.gain)} | {interval} | {own} "
            f"| {each.median_p:.2g} |"
        )
    yield ""
    yield (
        f"McNemar's exact test, two-sided, of each of {len(seeds)} "
        f"{'seed' if len(seeds) == 1 else 'seeds'}. Against all {len(found)} comparisons together "
        f"a p below {0.05 / len(found):.4f} stands."
    )


def pairs(found: TableResults) -> Iterator[str]:
    """Two-way accuracy inside each named pair of classes."""
    if found.pairs:
        yield ""
        yield "| pair (chance 50 %) | " + " | ".join(f"row {n}" for n in range(1, 8)) + " |"
        yield "|---" * 8 + "|"
        for name, pair in found.pairs.items():
            own = (each.pairs[name] for each in found.results)
            values = " | ".join("-" if value is None else percent(value) for value in own)
            yield f"| {name}{f' ({pair.note})' * bool(pair.note)} | {values} |"


def folds(parts: Mapping[str, RunPredictions]) -> Iterator[str]:
    """Right answers of each run, mean over seeds."""
    yield ""
    yield "| run | test clips | " + " | ".join(f"row {n}" for n in range(1, 8)) + " |"
    yield "|---" * 9 + "|"
    for name, part in parts.items():
        hits = [right(scores, part.truth).sum(axis=1).mean() for scores in part.scores.values()]
        values = " | ".join(f"{value:.4g}" for value in hits)
        yield f"| {name} | {len(part.truth.ids)} | {values} |"


def intervals(answers: RunPredictions) -> str:
    """How the intervals came about, in words."""
    if len(answers.seeds) == 1:
        return "Intervals: Wilson's over the clips; of differences, a bootstrap over the clips."
    return "Mean ± sample standard deviation over seeds; intervals: bootstrap over clips and seeds."


def document(title: str, parts: Mapping[str, RunPredictions], workspace: Workspace) -> str:
    """The whole text."""
    answers = pool(parts) if len(parts) > 1 else next(iter(parts.values()))
    params = load_run(workspace.root, next(iter(parts))).profile.ensemble
    found, truth = outcome(answers, params), answers.truth
    seeds, counts = len(answers.seeds), np.bincount(truth.labels, minlength=len(truth.classes))
    machine = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
    pooled = (
        f"The test clips of {len(parts)} runs as one test; networks of a run share its training "
        "clips, which the intervals and tests do not know. "
        if len(parts) > 1
        else ""
    )
    lines = [
        f"# {title}",
        "",
        f"{len(truth.ids)} test clips, {len(truth.classes)} classes of {counts.min()} to "
        f"{counts.max()}, chance {100 / len(truth.classes):.1f} %, {seeds} "
        f"{'seed' if seeds == 1 else 'seeds'}. {pooled}{intervals(answers)}",
        *(f"Test clips: {line}." for line in left_out(truth)),
        f"{machine}; {', '.join(f'{name} {version(name)}' for name in LIBRARIES)}.",
        "",
        *rows(found),
        *tests(found.comparisons, answers.seeds),
        *pairs(found),
        *(folds(parts) if len(parts) > 1 else ()),
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
    parts = {name: answers_of(workspace, load_run(workspace.root, name)) for name in given.runs}
    title = given.pooled or given.runs[0]
    text = document(title, parts, workspace)
    print(text)
    results = workspace.root / "benchmarks" / "results"
    results.mkdir(parents=True, exist_ok=True)
    (results / f"{title}.md").write_text(text)


if __name__ == "__main__":
    main()
