"""Whether all workers have work in a small data set, by a log of every clip that a worker takes.

`fan_out.py PROJECT DATASET [--jobs 1 2 4]` estimates the skeletons of an indexed data set with each
number of workers, each time in a store of its own, and writes benchmarks/results/fan_out.json.
On a machine with other work the seconds mean little; the shares of processor time, and how long
workers wait between two clips, do not depend on it.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import platform
import tempfile
import time
from collections import defaultdict
from functools import partial
from pathlib import Path
from typing import Any

from make_repro import ROOT, processor

from stroi.pipeline.index.table import read_index
from stroi.pipeline.parallel.executor import Workers
from stroi.pipeline.params.load import load_profile
from stroi.pipeline.workspace import Workspace
from stroi.stages import skeletons
from stroi.stages.video.clip_input import ClipInput

make = skeletons.make_skeleton


def logged(clip: ClipInput, *, log: Path, **options: Any) -> skeletons.Skeleton:
    """`make_skeleton`, and a line about it."""
    taken, used = time.monotonic(), time.process_time()
    result = make(clip, **options)
    line = [os.getpid(), taken, time.monotonic(), time.process_time() - used]
    with log.open("a") as file:
        file.write(json.dumps(line) + "\n")
    return result


def measure(workspace: Workspace, dataset: str, jobs: int) -> dict[str, Any]:
    """Estimate the skeletons of all clips anew."""
    profile = load_profile(workspace.root, dataset)
    index = read_index(workspace.index(dataset))
    with tempfile.TemporaryDirectory(dir=workspace.root) as name:
        folder = Path(name)
        log = folder / "log"
        skeletons.make_skeleton = partial(logged, log=log)
        began = time.monotonic()
        skeletons.build_skeletons(
            workspace.raw(dataset), index, folder / "out", profile.skeletons, Workers(jobs),
            folder / "store",
        )  # fmt: skip
        seconds = time.monotonic() - began
        digest = (folder / "out" / "manifest.json").read_text()
        lines = [json.loads(line) for line in log.read_text().splitlines()]
    by_worker = defaultdict(list)
    for worker, *rest in lines:
        by_worker[worker].append(rest)
    last_taken = max(taken for _, taken, *_ in lines)
    waits = [
        after[0] - before[1]
        for clips in by_worker.values()
        for before, after in itertools.pairwise(clips)
    ]
    ended_early = [max(0.0, last_taken - clips[-1][1]) for clips in by_worker.values()]
    return {
        "jobs": jobs,
        "clips_by_worker": sorted(len(clips) for clips in by_worker.values()),
        "processor_seconds_by_worker": sorted(
            round(sum(clip[2] for clip in clips), 2) for clips in by_worker.values()
        ),
        "longest_wait_between_clips": round(max(waits), 3),
        "idle_seconds_before_the_last_clip_is_taken": round(sum(waits) + sum(ended_early), 3),
        "seconds": round(seconds, 1),
        "manifest": digest,
    }


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("project", type=Path)
    parser.add_argument("dataset")
    parser.add_argument("--jobs", type=int, nargs="+", default=[1, 2, 4])
    arguments = parser.parse_args()
    workspace = Workspace(arguments.project.resolve())
    found = [measure(workspace, arguments.dataset, jobs) for jobs in arguments.jobs]
    result = {
        "machine": f"{processor()}, {len(os.sched_getaffinity(0))} cores",
        "system": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        "load_of_others": round(os.getloadavg()[0], 1),
        "same_bytes": len({one.pop("manifest") for one in found}) == 1,
        "runs": found,
    }
    text = json.dumps(result, indent=1)
    print(text)
    (ROOT / "benchmarks" / "results" / "fan_out.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
