"""Time `make repro` in a fresh clone, installation included: benchmarks/results/make_repro.json.

Needs what a new user needs: Python, make, git and a package index. Takes about ten minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STAGE = re.compile(
    r"^(?P<name>[\w ,-]+): (?P<count>\d+)/\d+ (?P<unit>clips|epochs) in (?P<s>[\d.]+) s"
)


def processor() -> str:
    """Name of the processor, as the system tells it."""
    text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    found = re.search(r"model name\s*:\s*(.+)", text)
    return found[1] if found else platform.machine()


def python_of(clone: Path) -> str:
    """The Python that runs the stroi of a clone: this one, or that of its environment."""
    if clone == ROOT:
        return sys.executable
    python = str(clone / ".venv" / "bin" / "python")
    script = "import stroi.pipeline.cli as cli; print(cli.__file__)"
    found = subprocess.run([python, "-c", script], check=True, capture_output=True, text=True)
    if not Path(found.stdout.strip()).resolve().is_relative_to(clone.resolve()):
        raise SystemExit(f"{python} runs the stroi at {found.stdout.strip()}")
    return python


def main() -> None:
    """Clone, run, write."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder) / "stroi"
        subprocess.run(["git", "clone", "-q", str(ROOT), str(clone)], check=True)
        start = time.monotonic()
        done = subprocess.run(["make", "repro"], cwd=clone, capture_output=True, text=True)
        seconds = time.monotonic() - start
        if done.returncode:
            raise SystemExit(done.stdout + done.stderr)
        again = time.monotonic()
        subprocess.run(["make", "repro"], cwd=clone, check=True, capture_output=True)
        nothing = time.monotonic() - again
        metrics = json.loads((clone / "runs" / "demo-xsub" / "metrics.json").read_text())
    stages = {
        match["name"]: float(match["s"])
        for line in done.stderr.splitlines()
        if (match := STAGE.match(line))
    }
    result = {
        "machine": f"{processor()}, {len(os.sched_getaffinity(0))} cores",
        "system": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        "seconds": round(seconds, 1),
        "seconds_of_a_second_make_repro": round(nothing, 1),
        "seconds_by_stage": stages,
        "metrics": metrics,
    }
    text = json.dumps(result, indent=1)
    print(text)
    results = ROOT / "benchmarks" / "results"
    results.mkdir(exist_ok=True)
    (results / "make_repro.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
