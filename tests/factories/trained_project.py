"""A project of eight small clips on disk, trained by the real stages."""

from __future__ import annotations

from pathlib import Path

from small_inputs import IDS, clips, mosaic_cache

from stroi.cache.files.atomic import write_atomic
from stroi.cache.manifest import Manifest, file_entry, write_manifest
from stroi.cache.skeletons import assemble_skeletons
from stroi.pipeline.index.table import Sample, read_index, write_index
from stroi.pipeline.params.load import RunParams, load_run
from stroi.pipeline.workspace import Workspace
from stroi.stages import gcn, resnet, weights
from stroi.stages.training.configs import Resources
from stroi.stages.training.inputs import open_clips
from stroi.trainer.config import Mode

PROFILE = """\
seeds: [0]
splits:
  only: {by: split, train: [a], test: [b]}
gcn:
  frames: 12
  channels: [8, 8]
  strides: [1, 2]
  temporal_kernel: 3
  schedule: {epochs: 1, batch_size: 4, lr: 0.05}
weights: {formula: l2_top15, person_pooling: per_person, scale: training}
resnet:
  device: cpu
  schedule: {epochs: 1, batch_size: 4, lr: 0.01}
"""
PARAMS = "datasets: [d]\nruns:\n  r: {dataset: d, split: only, input: skeletons}\n"
RUN = "r"


def project(folder: Path) -> tuple[Workspace, RunParams]:
    """Index, skeletons and mosaics of a run, as its first stages leave them."""
    workspace = Workspace(folder)
    (folder / "profiles").mkdir(parents=True, exist_ok=True)
    (folder / "profiles" / "d.yaml").write_text(PROFILE)
    (folder / "params.yaml").write_text(PARAMS)
    samples = [
        Sample(
            name, f"{name}.avi", "kick" if n % 2 else "wave", "s1", "c1",
            split="ab"[n > 4], bytes=1, sha256=f"{n:064x}",
        )
        for n, name in enumerate(IDS)
    ]  # fmt: skip
    write_index(workspace.index("d"), samples)
    found = list(clips().values())
    encoded = assemble_skeletons(IDS, found)
    write_atomic(workspace.skeletons("d") / "skeletons-00000.h5", encoded.data)
    entry = file_entry("skeletons-00000.h5", encoded.data, IDS, encoded.sample_sha256)
    write_manifest(workspace.skeletons("d"), Manifest("skeletons", {}, {}, (entry,)))
    mosaic_cache(workspace.mosaics("d"))
    return workspace, load_run(folder, RUN)


def train_gcn(workspace: Workspace, run: RunParams) -> None:
    """Stages gcn and weights."""
    seen = open_clips(workspace, run)
    gcn.train_seed(workspace, run, seen, read_index(workspace.index("d")), 0, Resources(1))
    weights.dump_seed(workspace, run, seen, 0, 1)


def train_resnet(workspace: Workspace, run: RunParams, mode: Mode) -> None:
    """Stage resnet."""
    resnet.train_seed(workspace, run, resnet.open_data(workspace, run, mode), mode, 0, Resources(1))
