"""What `dvc repro` and `dvc status` cost when nothing has changed: `no_op.py [--clips 1000 10000]`.

A new project gets tiny videos (12 frames of 160 x 90 px) with a folder of OpenPose's JSON files
each. After a first `dvc repro` of the stages from `index` to `mosaics` both commands are timed
three times. Writes benchmarks/results/no_op.json, a set at a time; 10,000 clips have 130,000 files.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from cut import numbered_avi
from make_repro import ROOT, processor
from scale import FRAMES, tiny_video

from stroi.cache.layouts import BODY_25

sys.path.insert(0, str(ROOT / "tests" / "factories"))

from openpose_folders import body
from openpose_texts import openpose_frame
from segments import PROFILE

TURNS = 3
STAGES = ("index@tiny", "skeletons@tiny", "mosaics@tiny")


def make_project(folder: Path, count: int) -> None:
    """A project of so many clips."""
    subprocess.run(["stroi", "new", str(folder)], check=True, capture_output=True)
    (folder / "profiles" / "tiny.yaml").write_text(PROFILE.replace("size: 225", "size: 40"))
    text = (folder / "params.yaml").read_text()
    (folder / "params.yaml").write_text(text.replace("datasets: []", "datasets: [tiny]"))
    raw = folder / "data" / "tiny" / "raw"
    raw.mkdir(parents=True)
    video = tiny_video(folder / "tiny.avi")
    (folder / "tiny.avi").unlink()
    lines = ["sample_id,video,label,subject,camera"]
    for number in range(count):
        name, side = f"c{number:06d}", "ab"[number % 2]
        (raw / f"{name}.avi").write_bytes(numbered_avi(video, number))
        person = body(BODY_25, x=0, y=0)
        person[:, :2] = 0.4 * person[:, :2] + (40 + number * 80 / count, 45)
        files = raw / "openpose-json" / name
        files.mkdir(parents=True)
        text = openpose_frame([[round(float(value), 3) for value in person.ravel()]])
        for frame in range(FRAMES):
            (files / f"{name}_{frame:012d}_keypoints.json").write_bytes(text)
        lines.append(f"{name},{name}.avi,{side},{side},c")
    (raw / "table.csv").write_text("\n".join(lines) + "\n")


def run(folder: Path, *words: str) -> float:
    """Seconds of a command of DVC."""
    began = time.monotonic()
    done = subprocess.run(["dvc", *words], cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(
            f"dvc {' '.join(words)} failed: {done.stdout[-2000:]}{done.stderr[-2000:]}"
        )
    return time.monotonic() - began


def measure(count: int) -> dict[str, Any]:
    """First run, then both commands with nothing to do."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "project"
        make_project(folder, count)
        first = run(folder, "repro", *STAGES)
        again = [
            (run(folder, "repro", *STAGES), run(folder, "status", *STAGES)) for _ in range(TURNS)
        ]
    repro, status = (round(statistics.median(one), 1) for one in zip(*again, strict=True))
    return {
        "clips": count,
        "load_of_others": round(os.getloadavg()[0], 1),
        "first_s": round(first, 1),
        "no_op_repro_s": repro,
        "no_op_status_s": status,
    }


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--clips", type=int, nargs="+", default=[1000, 10_000])
    found = []
    for count in parser.parse_args().clips:
        found.append(measure(count))
        result = {
            "machine": f"{processor()}, {len(os.sched_getaffinity(0))} cores",
            "system": f"{platform.system()}, Python {platform.python_version()}",
            "dvc": version("dvc"),
            "sets": found,
        }
        text = json.dumps(result, indent=1)
        (ROOT / "benchmarks" / "results" / "no_op.json").write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
