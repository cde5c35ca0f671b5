"""What a prediction costs, and where it goes: decoding, pose, tracking and cutting, networks.

`predict.py NAME RUN VIDEOS --root PROJECT` predicts each video on one thread, nothing kept from
before, and measures its parts by themselves. Times are of the processor, which neighbours on the
machine disturb less than the wall clock; opening the networks is not part of them.
Writes benchmarks/results/predict.json.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from make_repro import ROOT, processor

from stroi.stages.pose.detections import detect
from stroi.stages.pose.registry import load
from stroi.stages.predict.clips import read_clip
from stroi.stages.predict.run import TrainedRun, open_run
from stroi.stages.video.reader import read_frames

Result = TypeVar("Result")


def spent(action: Callable[[], Result]) -> tuple[float, Result]:
    """Processor seconds of an action, and its result."""
    start = time.process_time()
    result = action()
    return time.process_time() - start, result


def decode(video: Path) -> int:
    """Every frame to pixels; their number."""
    with read_frames(video) as frames:
        return sum(1 for _ in frames)


def measure(run: TrainedRun, videos: list[Path]) -> dict[str, Any]:
    """Sums over the videos."""
    sums: Counter[str] = Counter()
    estimator = load(run.plan.params)
    for video in videos:
        seconds, frames = spent(lambda video=video: decode(video))
        sums.update({"frames": frames, "decode": seconds})
        seconds, _ = spent(lambda video=video: detect(video, estimator))
        sums["decode and pose"] += seconds
        seconds, clip = spent(lambda video=video: read_clip(video, run.plan, run.recipe.mosaics))
        sums["clip"] += seconds
        seconds, _ = spent(lambda clip=clip: run.score([clip]))
        sums["networks"] += seconds
    total = sums["clip"] + sums["networks"]
    shares = {
        "decode": sums["decode"],
        "pose": sums["decode and pose"] - sums["decode"],
        "digest, tracking, second reading and cutting": sums["clip"] - sums["decode and pose"],
        "networks": sums["networks"],
    }
    return {
        "videos": len(videos),
        "frames": sums["frames"],
        "clips_per_processor_second": round(len(videos) / total, 3),
        "frames_per_processor_second": round(sums["frames"] / total, 1),
        "shares_in_percent": {
            name: round(100 * seconds / total, 1) for name, seconds in shares.items()
        },
    }


def main() -> None:
    """Print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", help="what the videos are called in the results")
    parser.add_argument("run")
    parser.add_argument("videos", type=Path, nargs="+")
    parser.add_argument("--root", type=Path, default=Path())
    options = parser.parse_args()
    path = ROOT / "benchmarks" / "results" / "predict.json"
    record = json.loads(path.read_text()) if path.exists() else {}
    before = os.getloadavg()[0]
    run = open_run(options.run, root=options.root)
    assert run.rgb is not None
    record["machine"] = f"{processor()}, {len(os.sched_getaffinity(0))} cores, one thread"
    record[options.name] = {
        "networks": f"{run.recipe.estimator['estimator']}, {run.rgb.config.model}",
        **measure(run, options.videos),
        "load_average_before_and_after": [round(before, 1), round(os.getloadavg()[0], 1)],
    }
    text = json.dumps(record, indent=1)
    print(text)
    path.write_text(text + "\n")


if __name__ == "__main__":
    main()
