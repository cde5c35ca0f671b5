"""The package of docs/extending.md, installed into a folder as pip does it, and videos for it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import cv2
import numpy as np
from projects import ROOT

PAGE = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
MODULES: dict[str, str] = dict(
    re.findall(r"^`(stroi_lab/\w+\.py)`:\n\n```python\n(.*?)^```", PAGE, re.M | re.S)
)
PROJECT = tomllib.loads(re.findall(r"^```toml\n(.*?)^```", PAGE, re.M | re.S)[0])["project"]
CHOSEN: str = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.M | re.S)[0]

PROFILE = """
seeds: [0]
index: {adapter: lab, options: {ending: .avi}}
skeletons: {source: silhouette, options: {threshold: 100}, clips_per_shard: 4}
skeletons3d: {format: lab-npy, options: {unit: mm}}
mosaics: {cell: 16, size: 40}
splits:
  people: {by: subject, test: [carl, dora]}
gcn:
  model: plain-gcn
  options: {layers: 2}
  frames: 12
  channels: [8]
  strides: [1]
  temporal_kernel: 3
  schedule: {epochs: 1, batch_size: 4}
weights: {}
resnet:
  model: small-cnn
  options: {width: 8}
  schedule: {epochs: 1, batch_size: 4}
ensemble: {methods: [three]}
"""
PARAMS = """
datasets: [lab]
sensors: [lab]
runs:
  lab-people: {dataset: lab, split: people, input: skeletons}
"""


def install(
    site: Path, name: str = PROJECT["name"], points: dict[str, dict[str, str]] | None = None
) -> Path:
    """Write the metadata of a package and, of the page's, its modules; the metadata's folder."""
    groups = PROJECT["entry-points"] if points is None else points
    lines = [
        line
        for group, entries in groups.items()
        for line in (f"[{group}]", *(f"{key} = {value}" for key, value in entries.items()), "")
    ]
    info = site / f"{name.replace('-', '_')}-{PROJECT['version']}.dist-info"
    info.mkdir(parents=True)
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {PROJECT['version']}\n"
    (info / "METADATA").write_text(metadata)
    (info / "entry_points.txt").write_text("\n".join(lines))
    if points is None:
        for place, code in MODULES.items():
            (site / place).parent.mkdir(exist_ok=True)
            (site / place).write_text(code)
    return info


def uninstall(site: Path) -> None:
    """Remove all packages of `site`."""
    shutil.rmtree(site)


def lab_project(folder: Path) -> Path:
    """A project with the lab's videos: a bright person who moves to the right, or up and down."""
    raw = folder / "data" / "lab" / "raw"
    (folder / "profiles").mkdir(parents=True)
    raw.mkdir(parents=True)
    (folder / "profiles" / "lab.yaml").write_text(PROFILE)
    (folder / "params.yaml").write_text(PARAMS)
    rng = np.random.default_rng(0)
    for number, person in enumerate(("anna", "bert", "carl", "dora")):
        for action in ("walk", "jump"):
            name = f"{action}-{person}-front"
            _film(raw / f"{name}.avi", action == "walk", 20 + 2 * number)
            np.save(raw / f"{name}.npy", rng.uniform(1000, 2000, (30, 25, 3)))
    return folder


def _film(path: Path, walks: bool, place: int) -> None:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 25, (96, 96))
    for time in range(30):
        x, y = (place + time, 20) if walks else (place, 20 + abs(time - 15))
        frame = np.zeros((96, 96, 3), np.uint8)
        frame[y : y + 50, x : x + 20] = 220
        writer.write(frame)
    writer.release()


RUN_COMMANDS = """
import sys
from stroi.pipeline.cli import run
for line in sys.argv[1:]:
    if status := run(line.split()):
        sys.exit(status)
"""


def stroi(
    project: Path, *commands: str, site: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run commands in a process of their own until one fails, with the packages of `site`."""
    path = {"PYTHONPATH": str(site)} if site else {}
    return subprocess.run(
        [sys.executable, "-c", RUN_COMMANDS, *commands],
        cwd=project,
        env={**os.environ, "OMP_NUM_THREADS": "1", **path},
        capture_output=True,
        text=True,
    )
