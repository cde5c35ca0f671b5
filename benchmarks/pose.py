"""What finding and tracking the people of a frame costs: decoder, estimator and whole stage.

`pose.py VIDEO...` takes the videos through the stage `skeletons` in a temporary data set, on one
and on two processes, and through decoder and estimator alone; turns are interleaved, medians are
kept. Ratios are of processor time, which neighbours on the machine disturb less than wall time.
Writes benchmarks/results/pose.json.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from make_repro import ROOT, processor

from stroi.pipeline.index.table import read_index
from stroi.pipeline.parallel.executor import Workers
from stroi.pipeline.params.profile import IndexParams, SkeletonParams
from stroi.stages.index import build_index
from stroi.stages.pose.registry import load
from stroi.stages.skeletons import build_skeletons
from stroi.stages.video.frame_count import decode_frames
from stroi.stages.video.reader import read_frames

SIDES = (256, 384)
LIMIT = 1.15
"""Most that the whole stage may take of decoder and estimator together, on one process."""

TWO = "stage, 2"
"""The turn on two processes, which outlive it: their processor time is not known in time."""


@dataclass(frozen=True)
class Spent:
    """Seconds of the wall clock and of processors, children's included."""

    wall: float
    cpu: float


def timed(action: Callable[[], object]) -> Spent:
    """Run `action` and say what it took."""
    wall, cpu = time.monotonic(), _cpu()
    action()
    return Spent(time.monotonic() - wall, _cpu() - cpu)


def _cpu() -> float:
    return sum(
        used.ru_utime + used.ru_stime
        for used in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


def decode(videos: list[Path]) -> None:
    """Every frame of every video, to pixels."""
    for video in videos:
        for _ in read_frames(video):
            pass


def estimate(videos: list[Path], side: int) -> Spent:
    """The estimator alone, on every frame."""
    estimator = load(SkeletonParams(source="movenet", input_size=side))
    wall, cpu = 0.0, 0.0
    for video in videos:
        for frame in read_frames(video):
            start, used = time.monotonic(), time.process_time()
            estimator(frame)
            wall, cpu = wall + time.monotonic() - start, cpu + time.process_time() - used
    return Spent(wall, cpu)


def data_set(folder: Path, videos: list[Path]) -> Path:
    """A data set of copies of `videos`, and its index."""
    raw = folder / "raw"
    raw.mkdir()
    rows = ["sample_id,video,label,subject,camera"]
    for number, video in enumerate(videos):
        name = f"{number:03d}{video.suffix}"
        shutil.copyfile(video, raw / name)
        rows.append(f"clip{number:03d},{name},any,s,c")
    (raw / "table.csv").write_text("\n".join(rows) + "\n")
    build_index(raw, folder / "index", IndexParams(), Workers(), folder / "index-store")
    return folder


def stage(folder: Path, side: int, jobs: int) -> None:
    """The whole stage on fresh folders, so that nothing was found before."""
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        build_skeletons(
            folder / "raw",
            read_index(folder / "index"),
            Path(scratch) / "out",
            SkeletonParams(
                source="movenet", input_size=side, clips_per_shard=1, max_quarantined=1.0
            ),
            Workers(jobs),
            Path(scratch) / "store",
        )


def measure(videos: list[Path], side: int, turns: int) -> dict[str, Any]:
    """Medians over some turns, in ms a frame."""
    before = os.getloadavg()[0]
    frames = sum(decode_frames(video).frames for video in videos)
    taken: dict[str, list[Spent]] = {"decode": [], "model": [], "stage, 1": [], TWO: []}
    with tempfile.TemporaryDirectory() as scratch:
        folder = data_set(Path(scratch), videos)
        for _ in range(turns):
            taken["decode"].append(timed(lambda: decode(videos)))
            taken["model"].append(estimate(videos, side))
            for jobs in (1, 2):
                taken[f"stage, {jobs}"].append(timed(lambda jobs=jobs: stage(folder, side, jobs)))
    each = {
        name: {
            kind: round(1000 * statistics.median(getattr(one, kind) for one in spent) / frames, 2)
            for kind in (("wall",) if name == TWO else ("cpu", "wall"))
        }
        for name, spent in taken.items()
    }
    ratios = [
        whole.cpu / (frame.cpu + model.cpu)
        for whole, frame, model in zip(
            taken["stage, 1"], taken["decode"], taken["model"], strict=True
        )
    ]
    speedups = [one.wall / two.wall for one, two in zip(taken["stage, 1"], taken[TWO], strict=True)]
    return {
        "videos": len(videos),
        "frames": frames,
        "ms_per_frame": each,
        "stage_of_decode_and_model": round(statistics.median(ratios), 3),
        "two_processes_are_faster_by": round(statistics.median(speedups), 2),
        "load_average_before_and_after": [round(before, 1), round(os.getloadavg()[0], 1)],
    }


def main() -> None:
    """Print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", help="what the videos are called in the results")
    parser.add_argument("videos", type=Path, nargs="+")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--side", type=int, choices=SIDES, action="append", dest="sides")
    options = parser.parse_args()
    path = ROOT / "benchmarks" / "results" / "pose.json"
    record = json.loads(path.read_text()) if path.exists() else {}
    record["machine"] = f"{processor()}, {len(os.sched_getaffinity(0))} cores"
    record["system"] = (
        f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
    )
    record["versions"] = {
        name: metadata.version(name) for name in ("numpy", "onnxruntime", "opencv-python-headless")
    }
    record["limit_of_stage"] = LIMIT
    measured = record.setdefault(options.name, {})
    for side in options.sides or SIDES:
        measured[f"side {side}"] = measure(options.videos, side, options.turns)
    text = json.dumps(record, indent=1)
    print(text)
    path.write_text(text + "\n")


if __name__ == "__main__":
    main()
