"""What 1,000 segments cost that lie in one long video, against those in many shorter ones.

`segments.py [--videos 100 10 1] [--clips 1000] [--frames 20]` encodes made-up videos (MPEG-4 in
AVI, 320 x 240 px) with OpenPose's JSON files of a person in every frame, lists their segments in a
table, and runs the stages from `index` to `mosaics` as a user runs them, turn by turn: medians of
processor time. All data sets have the same number of frames. Writes
benchmarks/results/segments.json.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import platform
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

from long_videos import pictures, write
from make_repro import ROOT, processor
from scale import run

from stroi.cache.files.digests import SETTLED
from stroi.cache.layouts import BODY_25

sys.path.insert(0, str(ROOT / "tests" / "factories"))

from openpose_folders import body
from openpose_folders import write as write_json

SIZE = (320, 240)
STAGES = ("index", "skeletons", "mosaics")
PROFILE = """\
index: {adapter: table}
skeletons: {source: openpose-json, openpose_json: {compare_frames: 0}, people: 2, subjects: 1}
mosaics: {cell: 24, size: 225}
splits:
  all: {by: subject, train: [a], test: [b]}
gcn: {}
weights: {}
resnet: {}
ensemble: {}
"""


def make_project(folder: Path, videos: int, clips: int, frames: int) -> Path:
    """A project with the segments of that many videos."""
    raw = folder / "data" / "segments" / "raw"
    raw.mkdir(parents=True)
    (folder / "profiles").mkdir()
    (folder / "profiles" / "segments.yaml").write_text(PROFILE)
    shutil.copy(ROOT / "versions.yaml", folder)
    (folder / "params.yaml").write_text(
        "rendered: []\ndatasets: [segments]\nsensors: []\nruns: {}\nshow: none\n"
    )
    each = clips // videos
    lines = ["sample_id,video,label,subject,camera,start,stop,skeleton"]
    people = [body(BODY_25, x=120 + 20 * number) for number in range(4)]
    for video in range(videos):
        name, length = f"v{video:03d}", each * frames
        write(raw / f"{name}.avi", pictures(length, SIZE, seed=video), SIZE)
        write_json(raw / "json" / name, {number: [people[number % 4]] for number in range(length)})
        lines += [
            f"{name}_{clip:04d},{name}.avi,{'ab'[clip % 2]},{'ab'[clip % 2]},c,{clip * frames},"
            f"{(clip + 1) * frames},json/{name}"
            for clip in range(each)
        ]
    (raw / "table.csv").write_text("\n".join(lines) + "\n")
    return folder


def measure(videos: int, clips: int, frames: int, jobs: int) -> dict[str, float]:
    """Processor seconds of every stage for the clips of so many videos."""
    with tempfile.TemporaryDirectory() as name:
        project = make_project(Path(name), videos, clips, frames)
        # What was just written may change once more unseen: stages would list it for every clip.
        time.sleep(SETTLED + 1)
        return {
            stage: run(project, [stage, "segments", "--jobs", str(jobs)])["processor_s"]
            for stage in STAGES
        }


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--videos", type=int, nargs="+", default=[100, 10, 1])
    parser.add_argument("--clips", type=int, default=1000)
    parser.add_argument("--frames", type=int, default=20)
    parser.add_argument("--jobs", type=int, nargs="+", default=[1])
    parser.add_argument("--turns", type=int, default=3)
    given = parser.parse_args()
    sets = list(itertools.product(given.jobs, given.videos))
    turns = [
        [measure(videos, given.clips, given.frames, jobs) for jobs, videos in sets]
        for _ in range(given.turns)
    ]
    result = {
        "machine": f"{processor()}, {len(os.sched_getaffinity(0))} cores",
        "system": f"{platform.system()}, Python {platform.python_version()}",
        "clips": given.clips,
        "frames_per_clip": given.frames,
        "load_of_others": round(os.getloadavg()[0], 1),
        "turns": given.turns,
        "median_processor_s": [
            {"videos": videos, "jobs": jobs}
            | {stage: statistics.median(turn[at][stage] for turn in turns) for stage in STAGES}
            for at, (jobs, videos) in enumerate(sets)
        ],
    }
    text = json.dumps(result, indent=1)
    print(text)
    (ROOT / "benchmarks" / "results" / "segments.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
