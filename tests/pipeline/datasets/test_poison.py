"""Garbage in the test half of any data set leaves every trained weight as it is, to the bit."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from assembled import assemble_mosaics
from poisoned import CASES, SAME, Case

from stroi.cache.errors import RefusedInput
from stroi.cache.files.atomic import write_atomic
from stroi.cache.files.digests import digest, sha256_file
from stroi.cache.manifest import Manifest, file_entry, write_manifest
from stroi.cache.mosaics import Mosaics
from stroi.cache.skeletons import Clip, assemble_skeletons
from stroi.cache.weights import read_weights
from stroi.pipeline.index.table import Index, Sample, read_index
from stroi.pipeline.parallel.executor import Workers
from stroi.pipeline.params.load import RunParams
from stroi.pipeline.params.profile import (
    GcnParams,
    IndexParams,
    Profile,
    ResnetParams,
    Run,
    Skeletons3dParams,
    Split,
    Validation,
    WeightParams,
)
from stroi.pipeline.workspace import Workspace
from stroi.stages import gcn, resnet, weights
from stroi.stages.index import build_index
from stroi.stages.skeletons3d import build_skeletons3d
from stroi.stages.training.configs import Resources
from stroi.stages.training.inputs import open_clips
from stroi.stages.training.outputs import seed_folder
from stroi.stages.training.run_split import split_clips
from stroi.trainer.config import Mode, Schedule
from stroi.trainer.models.resnet import BasicBlock
from stroi.trainer.plugins import names

QUICK = Schedule(epochs=1, batch_size=2, lr=0.05)
CELL = 4


def _run(name: str, case: Case) -> RunParams:
    profile = Profile(
        index=IndexParams.model_validate({"adapter": name}),
        splits={"only": case.split},
        gcn=GcnParams(frames=8, channels=(4, 8), strides=(1, 2), temporal_kernel=3, schedule=QUICK),
        # What is stored about the training clips must not come from others either.
        weights=WeightParams(scale="training"),
        resnet=ResnetParams(device="cpu", schedule=QUICK),
    )
    kind = "skeletons3d" if case.sensor else "skeletons"
    return RunParams("poison", Run(dataset="d", split="only", input=kind), profile)


def _seed(sample: Sample) -> int:
    content = (sample.sha256, sample.skeleton_sha256, sample.start, sample.stop)
    return int(digest(list(content))[:8], 16)


def _write_caches(workspace: Workspace, index: Index, case: Case) -> None:
    """Caches whose contents depend on the bytes of each clip's files and on nothing else."""
    if case.sensor:
        params = Skeletons3dParams.model_validate({"format": case.sensor, "max_quarantined": 1.0})
        build_skeletons3d(
            workspace.raw("d"),
            index,
            workspace.skeletons3d("d"),
            params,
            Workers(),
            workspace.store,
        )
    else:
        clips = [_clip(_seed(sample)) for sample in index.samples]
        ids = tuple(sample.id for sample in index.samples)
        encoded = assemble_skeletons(ids, clips)
        _publish(
            workspace.skeletons("d"),
            "skeletons",
            ids,
            encoded.data,
            encoded.sample_sha256,
        )
    shown = [sample for sample in index.samples if sample.video]
    mosaics = _mosaics(shown)
    _publish(
        workspace.mosaics("d"), "mosaics", mosaics.ids, assemble_mosaics([mosaics]).data,
        assemble_mosaics([mosaics]).sample_sha256,
    )  # fmt: skip


def _publish(folder: Path, kind: str, ids: tuple[str, ...], data: bytes, digests: Any) -> None:
    write_atomic(folder / f"{kind}-00000.h5", data)
    entry = file_entry(f"{kind}-00000.h5", data, ids, digests)
    write_manifest(folder, Manifest(kind, {}, {}, (entry,)))


def _clip(seed: int) -> Clip:
    random = np.random.default_rng(seed)
    keypoints = random.uniform(1, 60, (6, 2, 25, 3)).astype(np.float32)
    keypoints[:, 1] = 0
    return Clip(keypoints, 1, 64, 64, 25.0)


def _mosaics(shown: list[Sample]) -> Mosaics:
    count, side = len(shown), 5 * CELL
    pictures = [
        np.random.default_rng(_seed(sample)).integers(0, 256, (side, side, 3), np.uint8)
        for sample in shown
    ]
    return Mosaics(
        ids=tuple(sample.id for sample in shown),
        mosaic=np.stack(pictures),
        person_count=np.ones(count, np.int8),
        frame_index=np.tile(np.arange(5, dtype=np.int32), (count, 1)),
        box=np.zeros((count, 2, 5, 5, 4), np.float32),
        confidence=np.ones((count, 2, 5, 5), np.float32),
        valid=np.ones((count, 2, 5, 5), np.bool_),
    )


def _learn(
    root: Path, name: str, *, poison: bool, split: Split | None = None
) -> tuple[dict[str, str], Index]:
    """Digests of all that the stages of a run learn, by what it is; and the index."""
    case, workspace = CASES[name], Workspace(root)
    case = replace(case, split=split or case.split)
    run = _run(name, case)
    workspace.raw("d").mkdir(parents=True)
    case.write(workspace.raw("d"), poison)
    build_index(
        workspace.raw("d"), workspace.index("d"), run.profile.index, Workers(), workspace.store
    )
    index = read_index(workspace.index("d"))
    _write_caches(workspace, index, case)
    clips = open_clips(workspace, run)
    gcn.train_seed(workspace, run, clips, index, 0, Resources(1))
    weights.dump_seed(workspace, run, clips, 0, 1)
    for mode in ("plain", "fixed", "end-to-end"):
        resnet.train_seed(
            workspace, run, resnet.open_data(workspace, run, mode), mode, 0, Resources(1)
        )
    learnt = {
        str(path.relative_to(root)): sha256_file(path)
        for path in sorted((root / "runs").rglob("*"))
        if path.name in ("checkpoint.safetensors", "curve.csv")
    }
    found = read_weights(seed_folder(workspace.run("poison", "weights"), 0))
    parts = split_clips(index, run, clips.ids)
    rows = [found.ids.index(clip) for clip in parts.train]
    learnt["weights of training clips"] = digest(
        [found.joint_weights[rows].tolist(), found.row_weights[rows].tolist()]
    )
    return learnt, index


@pytest.fixture(autouse=True)
def _thin(monkeypatch: pytest.MonkeyPatch) -> None:
    """ResNet18 with two thin stages instead of four: what it learns from is what matters here."""
    monkeypatch.setattr("stroi.trainer.models.resnet.WIDTHS", (8, 8))
    monkeypatch.setattr("stroi.trainer.models.resnet.DEPTHS", {"resnet18": (BasicBlock, (2, 2))})


def test_every_adapter_is_here() -> None:
    assert set(CASES) | set(SAME) == set(names("datasets"))
    assert set(SAME.values()) <= set(CASES)


def _scores(root: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted(root.glob("runs/*/*/*/scores/*.h5"))]


@pytest.mark.parametrize("name", CASES)
def test_nothing_learnt_depends_on_a_test_sample(name: str, tmp_path: Path) -> None:
    clean, index = _learn(tmp_path / "clean", name, poison=False)
    poisoned, other = _learn(tmp_path / "poisoned", name, poison=True)
    assert clean == poisoned
    assert len(clean) == 9
    # The poison is there: other test clips, and other scores of every network.
    assert len(set(other.samples) - set(index.samples)) == 2
    scores = _scores(tmp_path / "clean")
    assert len(scores) == 4
    assert not set(scores) & set(_scores(tmp_path / "poisoned"))


def test_validation_clips_are_judged_by_and_never_learnt_from(tmp_path: Path) -> None:
    held = Validation(by="subject", values=("3",))
    split = Split(by="subject", test=("1",), validation=held)
    clean, poisoned = (
        _learn(tmp_path / str(poison), "table", poison=poison, split=split)[0]
        for poison in (False, True)
    )
    same = {name for name in clean if clean[name] == poisoned[name]}
    assert {name for name in clean if not name.endswith("curve.csv")} <= same
    assert len(same) == 5
    # Every network scores them, for what is chosen after the training.
    assert len(list((tmp_path / "True").glob("runs/*/*/*/scores/validation.h5"))) == 4
    for path in (tmp_path / "True").glob("runs/*/*/*/curve.csv"):
        (row,) = csv.DictReader(path.read_text().splitlines())
        assert float(row["validation_loss"]) > 0
        assert 0 <= float(row["validation_accuracy"]) <= 1


@pytest.mark.parametrize(
    ("mode", "told"),
    [
        ("fixed", "weights/seed-0 comes from a network that trained on another split"),
        ("end-to-end", "gcn/seed-0/scores comes from a network that trained on another split"),
    ],
)
def test_what_learnt_under_another_split_may_not_help(
    mode: Mode, told: str, tmp_path: Path
) -> None:
    _learn(tmp_path, "table", poison=False)
    turned = replace(CASES["table"], split=Split(by="subject", test=("1",)))
    workspace, run = Workspace(tmp_path), _run("table", turned)
    data = resnet.open_data(workspace, run, mode)
    with pytest.raises(RefusedInput, match=f"SPLIT_OTHER: .*{told} of the clips; run `stroi "):
        resnet.train_seed(workspace, run, data, mode, 0, Resources(1))
