"""Turn a run's table into Markdown with machine and versions: benchmarks/results/<run>.md.

Run after `dvc repro`; the name of the run is the only argument.
"""

from __future__ import annotations

import json
import platform
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

from stroi.pipeline.workspace import Workspace

ROOT = Path(__file__).resolve().parent.parent
LIBRARIES = ("torch", "numpy", "opencv-python-headless", "onnxruntime", "h5py", "dvc")


def _percent(entry: dict[str, Any]) -> str:
    spread = entry["spread"]
    return f"{entry['accuracy']:.1f}" + ("" if spread is None else f" ± {spread:.1f}")


def rows(table: dict[str, Any]) -> Iterator[str]:
    """The seven rows."""
    yield "| # | method | skeleton | RGB | accuracy (%) | each seed |"
    yield "|---|---|---|---|---|---|"
    for entry in table["rows"]:
        row = entry["row"]
        seeds = ", ".join(f"{value:.1f}" for value in entry["seeds"])
        yield (
            f"| {row['number']} | {row['method']} | {row['skeleton']} | {row['rgb']} "
            f"| {_percent(entry)} | {seeds} |"
        )


def pairs(table: dict[str, Any]) -> Iterator[str]:
    """Two-way accuracy inside each named pair of classes."""
    names = list(table["rows"][0]["pairs"])
    if names:
        yield ""
        yield "| pair (chance 50 %) | " + " | ".join(f"row {n}" for n in range(1, 8)) + " |"
        yield "|---" * 8 + "|"
        for name in names:
            values = " | ".join(f"{entry['pairs'][name]:.1f}" for entry in table["rows"])
            yield f"| {name} | {values} |"


def main() -> None:
    """Print and write the table."""
    run = sys.argv[1]
    folder = Workspace(ROOT).run(run, "ensemble")
    table = json.loads((folder / "table.json").read_text())
    seeds = len(table["rows"][0]["seeds"])
    machine = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
    versions = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    lines = [
        f"# {run}",
        "",
        f"{table['test_clips']} test clips, {len(table['classes'])} classes, chance "
        f"{table['chance']:.1f} %, {seeds} {'seed' if seeds == 1 else 'seeds'}; "
        "mean and sample standard deviation.",
        f"{machine}; {versions}.",
        "",
        *rows(table),
        *pairs(table),
    ]
    text = "\n".join(lines) + "\n"
    print(text)
    results = ROOT / "benchmarks" / "results"
    results.mkdir(exist_ok=True)
    (results / f"{run}.md").write_text(text)


if __name__ == "__main__":
    main()
