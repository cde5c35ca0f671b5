"""Peak memory of every stage at its defaults and in its largest form: `memory.py [--clips 1000]`.

The stages from `index` to `mosaics` run on tiny clips in the shape of NTU RGB+D, with two jobs, and
with mosaics of the paper's size, of native size, and of native size with 17 candidates. The graph
network trains on 100,000 made-up clips of 16 and of 64 frames for one epoch, and a ResNet18 scores
33,000 small mosaics. Two figures are taken of each process every 20 ms: what it has written itself
and the system can only swap (anonymous), and all that is resident, with pages of mapped files,
which the system takes back as it needs. Writes benchmarks/results/memory.json.
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
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from index_scale import session_memory
from make_repro import ROOT, processor
from scale import make_project

MOSAICS = {
    "mosaics": "mosaics: {cell: 96, columns: 5, size: 225}",
    "mosaics, native size": "mosaics: {cell: 96, columns: 5, size: native}",
    "mosaics, native size, 17 candidates": (
        "mosaics: {cell: 96, columns: 5, size: native, candidates: 17}"
    ),
}
FACTORIES = str(ROOT / "tests" / "factories")
COMMAND = "import sys; from stroi.pipeline.cli import main; sys.exit(main())"
GCN = """\
import sys
from pathlib import Path
import numpy as np
from stroi.cache.layouts import KINECT_V2
from stroi.cache.skeletons3d import JointClip
from stroi.trainer.config import GcnConfig, Schedule
from stroi.trainer.data.prepared_clips import PreparedClips
from stroi.trainer.run.run_options import RunOptions
from stroi.trainer.train_gcn import train_gcn

random = np.random.default_rng(0)
walks = [random.normal(0, 0.05, (100, 2, 25, 3)).cumsum(0).astype(np.float32) for _ in range(16)]

class Clips:
    def __getitem__(self, name):
        walk = walks[int(name) % 16]
        return JointClip(walk, np.full(walk.shape[:3], 2, np.uint8), 2, KINECT_V2, 30.0)

count, frames, folder = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
labels = {f"{number:07d}": number % 2 for number in range(count)}
train_gcn(
    PreparedClips(Clips(), scratch=folder), labels, ("a", "b"),
    config=GcnConfig(frames=frames, channels=(4,), strides=(4,)),
    schedule=Schedule(epochs=1, batch_size=64, lr=0.01, milestones=()),
    run=RunOptions(seed=0, threads=1, checkpoints=folder),
)
"""

RESNET = """\
import sys
from pathlib import Path
import numpy as np
from assembled import assemble_mosaics
from stroi.cache.files.atomic import write_atomic
from stroi.cache.manifest import Manifest, file_entry, write_manifest
from stroi.cache.mosaics import MosaicCache, Mosaics
from stroi.trainer.config import ResNetConfig
from stroi.trainer.data.mosaic_loader import cell_grid
from stroi.trainer.models.weighted_mosaic_net import WeightedMosaicNet
from stroi.trainer.score_resnet import score_resnet

count, folder, each = int(sys.argv[1]), Path(sys.argv[2]), 500
random, entries = np.random.default_rng(0), []
for start in range(0, count, each):
    ids = tuple(f"{number:07d}" for number in range(start, start + each))
    cells = (each, 2, 5, 5)
    shard = assemble_mosaics([Mosaics(
        ids, random.integers(0, 255, (each, 40, 40, 3), np.uint8), np.ones(each, np.int8),
        np.zeros((each, 5), np.int32), np.zeros((*cells, 4), np.float32),
        np.ones(cells, np.float32), np.ones(cells, np.bool_),
    )])
    name = f"mosaics-{start // each:05d}.h5"
    write_atomic(folder / name, shard.data)
    entries.append(file_entry(name, shard.data, ids, shard.sample_sha256))
params = {"columns": 5, "cell": 8, "size": 40}
write_manifest(folder, Manifest("mosaics", params, {}, tuple(entries)))
mosaics = MosaicCache(folder, verify=False)
classes = tuple(f"{number:03d}" for number in range(120))
net = WeightedMosaicNet(classes, cell_grid(mosaics), ResNetConfig(), mode="plain")
score_resnet(net, mosaics, mosaics.ids)
"""


def peak(words: Sequence[str]) -> dict[str, float]:
    """Peak memory of the largest process of a command of Python, MB."""
    child = subprocess.Popen(
        [sys.executable, "-c", *words], start_new_session=True, stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": FACTORIES},
    )  # fmt: skip
    most = (0, 0)
    while child.poll() is None:
        found = [most, *session_memory(child.pid)]
        most = max(one for one, _ in found), max(other for _, other in found)
        time.sleep(0.02)
    if child.returncode:
        assert child.stderr
        raise SystemExit(child.stderr.read().decode())
    return {"anonymous_MB": round(most[0] / 1e6), "resident_MB": round(most[1] / 1e6)}


def stages(count: int) -> dict[str, dict[str, float]]:
    """Of the preprocessing stages."""
    with tempfile.TemporaryDirectory() as name:
        project = make_project(Path(name) / "project", count)
        profile = project / "profiles" / "ntu120.yaml"
        text = profile.read_text()

        def run(stage: str) -> dict[str, float]:
            return peak([COMMAND, stage, "ntu120", "--root", str(project), "--jobs", "2"])

        found = {stage: run(stage) for stage in ("index", "skeletons", "skeletons3d")}
        for label, section in MOSAICS.items():
            profile.write_text(re.sub(r"(?ms)^mosaics:.*?^(?=\w)", f"{section}\n", text))
            found[label] = run("mosaics")
            shutil.rmtree(project / "data" / "ntu120" / "mosaics")
    return found


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--clips", type=int, default=1000, help="of the preprocessing stages")
    parser.add_argument("--trained", type=int, default=100_000, help="of the graph network")
    parser.add_argument("--scored", type=int, default=33_000, help="of the ResNet")
    given = parser.parse_args()
    found: dict[str, Any] = stages(given.clips)
    for frames in (16, 64):
        with tempfile.TemporaryDirectory(dir=ROOT) as folder:
            label = f"gcn, {given.trained:,} clips of {frames} frames"
            found[label] = peak([GCN, str(given.trained), str(frames), folder])
    with tempfile.TemporaryDirectory(dir=ROOT) as folder:
        found[f"resnet, {given.scored:,} scored clips"] = peak([RESNET, str(given.scored), folder])
    result = {
        "machine": f"{processor()}, {len(os.sched_getaffinity(0))} cores",
        "system": f"{platform.system()}, Python {platform.python_version()}",
        "clips": given.clips,
        "largest_process": found,
    }
    text = json.dumps(result, indent=1)
    print(text)
    (ROOT / "benchmarks" / "results" / "memory.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
