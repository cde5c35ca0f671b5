"""UT-Interaction set 1 with an image network that starts from ImageNet, from videos to the table.

    python benchmarks/ut_imagenet.py VIDEOS PROJECT            ten folds: results/ut-imagenet.md
    python benchmarks/ut_imagenet.py VIDEOS PROJECT --folds 1  one fold, and its time
    python benchmarks/ut_imagenet.py VIDEOS OTHER --images cells  results/ut-imagenet-cells.md

VIDEOS holds the 60 videos of set 1. PROJECT is a folder that the script makes; run it again to go
on. `STROI_STORE` lets two projects share the skeletons. The graph network is that of
profiles/ut-interaction.yaml, the image network is trained by `FINE_TUNING`. These settings were
written down before any fold was run and are the same in all of them: nothing is chosen on a test
clip, nor by a look at results. Needs `pip install 'stroi[imagenet]'`.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import time
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage

from result_table import document

from stroi.cache.files.atomic import write_atomic
from stroi.pipeline.params.load import load_run
from stroi.pipeline.workspace import Workspace
from stroi.stages.ensemble import predict_run

ROOT = Path(__file__).resolve().parent.parent
DATASET = "ut-interaction"
FOLDS = tuple(range(1, 11))
FINE_TUNING = """\
resnet:
  model: efficientnet_lite0
  start: imagenet
  frozen_stages: 3
  frozen_batch_norm: true
  backbone_lr: 0.1
  flip: 0.5
  shift: 4
  schedule: {epochs: 30, batch_size: 8, lr: 0.01, decay: cosine, warmup: 2}
"""
"""The settings of docs/trainer.md."""
STAGES = (("index",), ("skeletons",), ("mosaics",))
TRAININGS = (
    ("gcn",), ("weights",), ("resnet", "plain"), ("resnet", "fixed"), ("resnet", "end-to-end"),
    ("ensemble",),
)  # fmt: skip


def profile_text(images: str) -> str:
    """The data set's profile with the image network of `FINE_TUNING`."""
    text = (ROOT / "profiles" / f"{DATASET}.yaml").read_text(encoding="utf-8")
    before, _ = text.split("\nresnet:\n")
    return f"{before}\n{FINE_TUNING}  images: {images}\n\nensemble: {{}}\n"


def make_project(project: Path, videos: Path, images: str) -> None:
    """Profile, runs, and a link to the videos."""
    raw = project / "data" / DATASET / "raw"
    raw.parent.mkdir(parents=True, exist_ok=True)
    if not raw.is_symlink():
        raw.symlink_to(videos.resolve())
    write_atomic(project / "profiles" / f"{DATASET}.yaml", profile_text(images).encode())
    runs = "".join(
        f"  fold{number}: {{dataset: {DATASET}, split: fold{number}, input: skeletons}}\n"
        for number in FOLDS
    )
    write_atomic(project / "params.yaml", f"datasets: [{DATASET}]\nruns:\n{runs}".encode())


def run_stage(project: Path, words: tuple[str, ...], of: str) -> None:
    """Run one command; its seconds and CPU seconds go to times.json, of the longest of its runs."""
    started, before = time.perf_counter(), getrusage(RUSAGE_CHILDREN)
    name, *mode = words
    subprocess.run(["stroi", name, of, *mode, "--root", str(project)], check=True)
    path = project / "times.json"
    times = json.loads(path.read_text()) if path.exists() else {}
    key = " ".join([of, *words])
    after = getrusage(RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    took = {"seconds": round(time.perf_counter() - started, 1), "cpu_seconds": round(cpu, 1)}
    times[key] = max(times.get(key, took), took, key=lambda each: each["seconds"])
    write_atomic(path, f"{json.dumps(times, indent=1)}\n".encode())


def main() -> None:
    """Run the folds; write the table when all ten are there."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("videos", type=Path, help="folder of set 1's videos")
    parser.add_argument("project", type=Path, help="folder of the project")
    parser.add_argument("--folds", type=int, nargs="+", choices=FOLDS, default=FOLDS)
    parser.add_argument("--images", choices=("mosaic", "cells"), default="mosaic")
    given = parser.parse_args()
    project = given.project.resolve()
    make_project(project, given.videos, given.images)
    for words in STAGES:
        run_stage(project, words, DATASET)
    for number in given.folds:
        for words in TRAININGS:
            run_stage(project, words, f"fold{number}")
    print((project / "times.json").read_text())
    workspace = Workspace(project)
    if not all(workspace.run(f"fold{number}", "metrics.json").exists() for number in FOLDS):
        return
    name = "ut-imagenet" if given.images == "mosaic" else f"ut-imagenet-{given.images}"
    runs = {f"fold{number}": load_run(project, f"fold{number}") for number in FOLDS}
    predictions = {key: predict_run(workspace, run) for key, run in runs.items()}
    text = document(name, predictions, workspace)
    print(text)
    (ROOT / "benchmarks" / "results" / f"{name}.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
