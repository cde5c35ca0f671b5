"""How long the index of all of NTU RGB+D takes, and how much memory, with files of a few bytes.

`index_scale.py [--jobs N]` makes a tree with a video and a skeleton file for every name of NTU
RGB+D 60 and 120 (each holds its own name: the data set is not needed), runs `stroi index` on it as
a user does, divides the clips by every published protocol, and writes
benchmarks/results/index_scale.json. What the digests of the real set's files cost on top is its
bytes over the disk's rate. Needs 2 GB of disk for all the small files, and some minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from make_repro import ROOT, processor

from stroi.pipeline.datasets.ntu_lists import NTU_60, NTU_120, NtuSet, good_names, names
from stroi.pipeline.index.splits import divide
from stroi.pipeline.index.table import read_index
from stroi.pipeline.params.load import load_profile

SETS = {"ntu60": NTU_60, "ntu120": NTU_120}
SECONDS, BYTES = 60.0, 10**9
"""What the index may take."""


def make_tree(raw: Path, ntu: NtuSet) -> None:
    """A file of a few bytes of its own for every video and skeleton, those listed missing too."""
    folders = {"nturgb+d_rgb": "_rgb.avi", "nturgb+d_skeletons": ".skeleton"}
    for folder, ending in folders.items():
        (raw / folder).mkdir(parents=True)
        for name in names(ntu):
            (raw / folder / f"{name}{ending}").write_text(f"{name}{ending}\n")


def make_project(folder: Path, name: str) -> Path:
    """A project of one data set and its shipped profile."""
    (folder / "profiles").mkdir(parents=True)
    shutil.copy(ROOT / "profiles" / f"{name}.yaml", folder / "profiles")
    run = (
        f"  {name}: {{dataset: {name}, split: {SETS[name].protocols[0].split}, input: skeletons3d}}"
    )
    (folder / "params.yaml").write_text(f"datasets: [{name}]\nsensors: [{name}]\nruns:\n{run}\n")
    return folder


def session_memory(session: int) -> Iterator[tuple[int, int]]:
    """Anonymous and all resident bytes of each process of a session; shared ones count for each."""
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and os.getsid(int(entry.name)) == session:
                status = (entry / "status").read_text()
                sizes = dict(re.findall(r"(RssAnon|VmRSS):\s+(\d+) kB", status))
                yield 1024 * int(sizes["RssAnon"]), 1024 * int(sizes["VmRSS"])
        except (OSError, KeyError):
            continue  # it has ended


def run_index(project: Path, name: str, jobs: int) -> tuple[float, int, list[str]]:
    """Seconds, largest number of resident bytes, and what the command said."""
    start = time.monotonic()
    code = "from stroi.pipeline.cli import main; main()"
    command = [sys.executable, "-c", code, "index", name, "--jobs", str(jobs)]
    with subprocess.Popen(
        command, cwd=project, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as running:
        most = 0
        while running.poll() is None:
            most = max(most, sum(resident for _, resident in session_memory(running.pid)))
            time.sleep(0.05)
        seconds = time.monotonic() - start
        said = running.stdout.read() if running.stdout else ""
    if running.returncode:
        raise SystemExit(f"stroi index {name} failed: {said}")
    return seconds, most, said.splitlines()


def sizes(project: Path, name: str) -> dict[str, list[int]]:
    """Training and test clips of every split of the profile."""
    index = read_index(project / "data" / name / "index")
    found = {}
    for split, rule in load_profile(project, name).splits.items():
        parts = divide(index.samples, rule, usable=[one.id for one in index.samples])
        found[split] = [len(parts.train), len(parts.test)]
    return found


def measure(folder: Path, name: str, jobs: int) -> dict[str, Any]:
    """Index one of the two data sets."""
    project = make_project(folder / name, name)
    make_tree(project / "data" / name / "raw", SETS[name])
    seconds, most, said = run_index(project, name, jobs)
    start = time.monotonic()
    parts = sizes(project, name)
    published = {one.split: list(one.sizes) for one in SETS[name].protocols}
    return {
        "files": 2 * len(names(SETS[name])),
        "clips": len(good_names(SETS[name])),
        "seconds": round(seconds, 1),
        "megabytes": round(most / 1e6),
        "seconds_to_read_and_divide": round(time.monotonic() - start, 1),
        "train_and_test": parts,
        "as_published": parts == published,
        "within_limits": seconds < SECONDS and most < BYTES,
        "said": said,
    }


def main() -> None:
    """Make, index, divide, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    jobs = parser.parse_args().jobs
    with tempfile.TemporaryDirectory() as folder:
        sets = {name: measure(Path(folder), name, jobs) for name in SETS}
    result = {
        "machine": f"{processor()}, {len(os.sched_getaffinity(0))} cores",
        "system": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        "jobs": jobs,
        "load_of_others": round(os.getloadavg()[0], 1),
        "limits": {"seconds": SECONDS, "megabytes": BYTES / 1e6},
        "sets": sets,
    }
    text = json.dumps(result, indent=1)
    print(text)
    (ROOT / "benchmarks" / "results" / "index_scale.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
