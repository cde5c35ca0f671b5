"""What many trainings on the same clips cost besides their steps: `prepare_once.py FOLDER`.

FOLDER holds the 1,484 files of Northwestern-UCLA (docs/nucla.md). `stroi gcn` trains four streams
with three seeds each, a small network for one epoch; the time before the first step of each
training, of all steps, and of the whole command are measured, and the same for a second run, which
has nothing to do. With `--before DIR` also for another stroi, whose clone with its environment DIR
is, and which may use the older names of stages and params. Writes
benchmarks/results/prepare_once.json.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from make_repro import ROOT, processor, python_of

GCN = """\
gcn:
  dropout: 0.0
  streams: [joint, bone, joint_motion, bone_motion]
  channels: [16, 32]
  strides: [1, 2]
  schedule: {epochs: 1, batch_size: 64, lr: 0.1, milestones: [1]}
weights: {}
resnet: {}
ensemble: {}
"""
TIMED = """\
import json, sys, time
began = time.monotonic()
import torch
firsts, stepping, seen, step = [], [0.0], set(), torch.optim.SGD.step
def timed(self, *args, **kwargs):
    now = time.monotonic()
    if id(self) not in seen:
        seen.add(id(self))
        kept.append(self)
        firsts.append(now)
    return step(self, *args, **kwargs)
kept = []
torch.optim.SGD.step = timed
from stroi.pipeline.cli import run
code = run(sys.argv[2:])
open(sys.argv[1], "w").write(json.dumps([began, firsts, time.monotonic()]))
sys.exit(code)
"""
"""A command of stroi; when it began, when each training made its first step, when it ended."""


def call(code: Path, *words: str) -> None:
    """Run Python with the stroi of a clone."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [python_of(code), "-c", *words], env=environment, capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(words[1:])} failed: {done.stdout}{done.stderr}")


def measure(folder: Path, raw: Path, code: Path) -> list[dict[str, float]]:
    """Seconds of the first and of a second run."""
    stage = "skeletons3d" if (code / "stages" / "skeletons3d.py").exists() else "joints"
    (folder / "profiles").mkdir(parents=True)
    (folder / "data" / "nucla").mkdir(parents=True)
    (folder / "data" / "nucla" / "raw").symlink_to(raw.resolve())
    text = (code / "profiles" / "nucla.yaml").read_text().replace("seeds: [0]", "seeds: [0, 1, 2]")
    (folder / "profiles" / "nucla.yaml").write_text(f"{text.partition(chr(10) + 'gcn:')[0]}\n{GCN}")
    if (code / "versions.yaml").exists():
        shutil.copy(code / "versions.yaml", folder)
    (folder / "params.yaml").write_text(
        f"datasets: [nucla]\nsensors: [nucla]\nruns: {{run: {{dataset: nucla, split: v12-3,"
        f" input: {stage}}}}}\n"
    )
    main = "import sys; from stroi.pipeline.cli import main; sys.exit(main())"
    root = ("--root", str(folder))
    for name in ("index", stage):
        call(code, main, name, "nucla", *root)
    found = []
    for _ in range(2):
        times_file = folder / "times.json"
        call(code, TIMED, str(times_file), "gcn", "run", *root, "--threads", "1")
        began, firsts, ended = json.loads(times_file.read_text())
        times = {"whole_s": ended - began}
        if firsts:
            times["before_the_first_step_s"] = firsts[0] - began
        found.append({name: round(value, 2) for name, value in times.items()})
    return found


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--before", type=Path, help="clone of another stroi to compare with")
    given = parser.parse_args()
    result: dict[str, Any] = {
        "machine": f"{processor()}, {len(os.sched_getaffinity(0))} cores, one thread",
        "system": f"{platform.system()}, Python {platform.python_version()}",
        "load_of_others": round(os.getloadavg()[0], 1),
    }
    with tempfile.TemporaryDirectory() as name:
        codes = {"this": ROOT} | ({"before": given.before} if given.before else {})
        for label, code in codes.items():
            first, again = measure(Path(name) / label, given.folder, code)
            result[label] = {"first": first, "again": again}
    text = json.dumps(result, indent=1)
    print(text)
    (ROOT / "benchmarks" / "results" / "prepare_once.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
