"""What a clip costs in sets of 1,000, 10,000 and 100,000 clips: `scale.py [--clips 1000 10000]`.

Tiny clips (12 frames of 160 x 90 px, Motion JPEG, a `.skeleton` beside each, named as NTU RGB+D
120 names them) go through the stages as a user runs them, with one job; then every stage runs again
with nothing to do. Processor time per clip, peak memory and bytes on disk are written
to benchmarks/results/scale.json, a set at a time. 100,000 clips need 13 GB of disk.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from cut import NTU
from make_repro import ROOT, processor

from stroi.pipeline.datasets.ntu_lists import NTU_120, good_names

sys.path.insert(0, str(ROOT / "tests" / "factories"))

from ntu_people import person, skeleton_text

FRAMES, SIZE = 12, (160, 90)
STAGES = ("index", "skeletons", "skeletons3d", "mosaics")
RESULTS = ROOT / "benchmarks" / "results" / "scale.json"
BODY, VARIANTS = 72057594037944738, 16


def tiny_video(path: Path) -> bytes:
    """A video of noise."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 30.0, SIZE)
    for number in range(FRAMES):
        noise = np.random.default_rng(number).integers(0, 256, (9, 16, 3), np.uint8)
        writer.write(cv2.resize(noise, SIZE))
    writer.release()
    return path.read_bytes()


def make_project(folder: Path, count: int) -> Path:
    """A project of so many clips."""
    raw = folder / "data" / "ntu120" / "raw"
    for name in NTU:
        (raw / name).mkdir(parents=True)
    (folder / "profiles").mkdir()
    text = (ROOT / "profiles" / "ntu120.yaml").read_text()
    (folder / "profiles" / "ntu120.yaml").write_text(text.replace("size: 225", "size: 40"))
    shutil.copy(ROOT / "versions.yaml", folder)
    (folder / "params.yaml").write_text(
        "rendered: []\ndatasets: [ntu120]\nsensors: []\nruns: {}\nshow: none\n"
    )
    video = tiny_video(folder / "tiny.avi")
    texts = [
        skeleton_text(
            FRAMES, {72057594037944738 + n: (range(FRAMES), person(FRAMES, at=0, seed=n))}
        )
        for n in range(VARIANTS)
    ]
    for number, name in enumerate(sorted(good_names(NTU_120))[:count]):
        # No two clips of a data set have the same bytes: a part that players skip.
        junk = b"JUNK" + (8).to_bytes(4, "little") + number.to_bytes(8, "little")
        size = int.from_bytes(video[4:8], "little") + len(junk)
        whole = video[:4] + size.to_bytes(4, "little") + video[8:] + junk
        (raw / NTU[0] / f"{name}_rgb.avi").write_bytes(whole)
        (raw / NTU[1] / f"{name}.skeleton").write_bytes(texts[number % VARIANTS])
    return folder


def run(project: Path, stage: str, dataset: str = "ntu120", jobs: int = 1) -> dict[str, float]:
    """Processor seconds and peak memory of a stage."""
    script = "import sys; from stroi.pipeline.cli import main; sys.exit(main())"
    options = ["--root", str(project), "--jobs", str(jobs)]
    command = [sys.executable, "-c", script, stage, dataset, *options]
    said, began = project / "said.txt", time.monotonic()
    child = os.posix_spawn(
        sys.executable, command, {**os.environ, "OMP_NUM_THREADS": "1"},
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 1, str(said), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
    )  # fmt: skip
    _, status, used = os.wait4(child, 0)
    if status:
        raise SystemExit(f"stroi {stage} failed: {said.read_text()}")
    return {
        "processor_s": round(used.ru_utime + used.ru_stime, 2),
        "s": round(time.monotonic() - began, 1),
        "MB": round(used.ru_maxrss / 1e3),
    }


def on_disk(folder: Path) -> int:
    """Bytes, a file with several names counted once."""
    found = {}
    for path in folder.rglob("*"):
        status = path.lstat()
        found[status.st_ino] = status.st_blocks * 512
    return sum(found.values())


def measure(count: int) -> dict[str, Any]:
    """All stages for so many clips."""
    with tempfile.TemporaryDirectory() as name:
        project = make_project(Path(name) / "project", count)
        before = on_disk(project)
        first = {stage: run(project, stage) for stage in STAGES}
        again = {stage: run(project, stage) for stage in STAGES}
        made = on_disk(project) - before
    return {
        "clips": count,
        "load_of_others": round(os.getloadavg()[0], 1),
        "raw_bytes_per_clip": before // count,
        "made_bytes_per_clip": made // count,
        "stages": {
            stage: {
                "ms_per_clip": round(1e3 * times["processor_s"] / count, 2),
                "peak_MB": times["MB"],
                "processor_s": times["processor_s"],
                "s": times["s"],
                "again_processor_s": again[stage]["processor_s"],
            }
            for stage, times in first.items()
        },
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
            "jobs": 1,
            "sets": found,
        }
        text = json.dumps(result, indent=1)
        RESULTS.write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
