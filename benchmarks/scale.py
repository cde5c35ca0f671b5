"""What a clip costs in sets of 1,000, 10,000 and 100,000 clips: `scale.py [--clips 1000 10000]`.

Tiny clips (12 frames of 160 x 90 px, Motion JPEG, a `.skeleton` beside each, named as NTU RGB+D
120 names them) go through the stages as a user runs them, with one job and small networks that are
trained for one epoch; then every stage runs again with nothing to do. Processor time per clip, peak
memory and bytes on disk are written to benchmarks/results/scale.json, a set at a time. 100,000
clips need 13 GB of disk.
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
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from cut import NTU, numbered_avi
from make_repro import ROOT, processor

from stroi.pipeline.datasets.ntu_lists import NTU_120, good_names

sys.path.insert(0, str(ROOT / "tests" / "factories"))

from ntu_people import person, skeleton_text

FRAMES, SIZE = 12, (160, 90)
PREPROCESSING = ("index", "skeletons", "skeletons3d", "mosaics")
TRAINING = ("gcn", "weights", "resnet plain", "resnet fixed", "resnet end-to-end", "ensemble")
NETWORKS = """\
splits:
  cameras: {by: camera, train: [C002, C003], test: [C001]}
gcn:
  frames: 12
  channels: [8, 16]
  strides: [1, 2]
  schedule: {epochs: 1, batch_size: 64, lr: 0.1, milestones: [], warmup: 1}
weights: {}
resnet:
  schedule: {epochs: 1, batch_size: 64, lr: 0.01, milestones: [], warmup: 1}
ensemble: {}
"""
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
    text = (ROOT / "profiles" / "ntu120.yaml").read_text().partition("\nsplits:")[0]
    text = text.replace("size: 225", "size: 40")
    (folder / "profiles" / "ntu120.yaml").write_text(f"{text}\n{NETWORKS}")
    shutil.copy(ROOT / "versions.yaml", folder)
    (folder / "params.yaml").write_text(
        "rendered: []\ndatasets: [ntu120]\nsensors: [ntu120]\n"
        "runs: {run: {dataset: ntu120, split: cameras, input: skeletons3d}}\nshow: none\n"
    )
    video = tiny_video(folder / "tiny.avi")
    texts = [
        skeleton_text(FRAMES, {BODY: (range(FRAMES), person(FRAMES, at=0, seed=n))})
        for n in range(VARIANTS)
    ]
    every = sorted(good_names(NTU_120))
    for number, name in enumerate(every[:: len(every) // count][:count]):
        (raw / NTU[0] / f"{name}_rgb.avi").write_bytes(numbered_avi(video, number))
        # The number that the sensor gave to the body: no two files have the same content either.
        (raw / NTU[1] / f"{name}.skeleton").write_bytes(
            texts[number % VARIANTS].replace(b"%d" % BODY, b"%d" % (BODY + number))
        )
    return folder


def run(project: Path, words: Sequence[str]) -> dict[str, float]:
    """Processor seconds and peak memory of a command, its workers included."""
    script = "import sys; from stroi.pipeline.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", script, *words, "--root", str(project)]
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
        raise SystemExit(f"stroi {' '.join(words)} failed: {said.read_text()}")
    return {
        "processor_s": round(used.ru_utime + used.ru_stime, 2),
        "s": round(time.monotonic() - began, 1),
        "MB": round(used.ru_maxrss / 1e3),
    }


def run_all(project: Path) -> dict[str, dict[str, float]]:
    """Every stage once."""
    found = {name: run(project, [name, "ntu120", "--jobs", "1"]) for name in PREPROCESSING}
    for stage in TRAINING:
        name, *mode = stage.split()
        threads = [] if name == "ensemble" else ["--threads", "1"]
        found[stage] = run(project, [name, "run", *mode, *threads])
    return found


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
        first, again = run_all(project), run_all(project)
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
