"""Turn results into Markdown with machine and versions: benchmarks/results/<name>.md.

Run after `dvc repro`:
    python benchmarks/result_table.py demo-xsub
    python benchmarks/result_table.py ut-fold1 ... ut-fold10 --pooled ut-folds
The second form takes the test clips of all runs as one test; each must be tested once.
"""

from __future__ import annotations

import argparse
import platform
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

from stroi.pipeline.params.load import load_run
from stroi.pipeline.workspace import Workspace
from stroi.stages.ensemble import predict_run
from stroi.stages.evaluation.predictions import RunPredictions
from stroi.stages.evaluation.table import make_pooled_table, make_table
from stroi.stages.evaluation.table_text import markdown

ROOT = Path(__file__).resolve().parent.parent
LIBRARIES = ("torch", "numpy", "opencv-python-headless", "onnxruntime", "h5py", "dvc")


def document(title: str, runs: Mapping[str, RunPredictions], workspace: Workspace) -> str:
    """The whole text."""
    first, *others = runs
    params = load_run(workspace.root, first).profile.ensemble
    table = make_pooled_table(runs, params) if others else make_table(runs[first], params)
    machine = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
    libraries = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    return f"# {title}\n\n{machine}; {libraries}.\n\n{markdown(table)}"


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
