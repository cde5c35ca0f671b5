"""Clips of one to three people through every stage, the pages and the export."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from own_people import CLASSES, LAYOUT, draw, person, pixels

from stroi.cache.manifest import read_manifest
from stroi.cache.mosaics import MosaicCache
from stroi.cache.scores import read_scores
from stroi.cache.skeletons import SkeletonCache
from stroi.cache.skeletons3d import JointCache
from stroi.cache.weights import read_weights
from stroi.pipeline.cli import run as stroi
from stroi.trainer.network_files.network_file import load_resnet

FRAMES = 8
PEOPLE = (3, 1, 2, 3, 1, 2)
MODES = ("plain", "fixed", "end-to-end")
PROFILE = """\
seeds: [0]
index: {{adapter: table}}
skeletons:
  source: own
  people: {people}
  max_quarantined: 0.5
  own: {{layout: {layout}}}
skeletons3d: {{format: own, max_quarantined: 0.5}}
mosaics: {{cell: 48, size: 120}}
splits: {{half: {{by: camera, train: [c1], test: [c2]}}}}
gcn:
  frames: 8
  channels: [8, 8]
  strides: [1, 2]
  temporal_kernel: 3
  schedule: {{epochs: 1, batch_size: 2}}
weights: {{person_pooling: per_person}}
resnet: {{flip: 0.5, missing: zero, device: cpu, schedule: {{epochs: 1, batch_size: 2, lr: 0.01}}}}
"""
PARAMS = """\
rendered: []
datasets: [crowd]
sensors: [crowd]
show: run
runs: {run: {dataset: crowd, split: half, input: skeletons3d}}
"""


def command(root: Path, *arguments: str, status: int = 0) -> None:
    assert stroi([*arguments, "--root", str(root)]) == status, arguments


def write_profile(root: Path, people: int) -> None:
    text = PROFILE.format(people=people, layout=json.dumps(LAYOUT))
    (root / "profiles" / "crowd.yaml").write_text(text)


def crowd(number: int) -> np.ndarray:
    """(T, P, V, 3) m of the people of a clip, half a metre apart, the last one furthest left."""
    joints = [
        person(CLASSES[number % 2], 10 * number + each, FRAMES) + np.array([0.5 - each, 0, 0])
        for each in range(PEOPLE[number])
    ]
    return np.stack(joints, axis=1)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six clips of one to three people each, in an index."""
    root = tmp_path_factory.mktemp("people")
    raw = root / "data" / "crowd" / "raw"
    raw.mkdir(parents=True)
    lines = ["sample_id,video,skeleton,label,subject,camera"]
    for number in range(len(PEOPLE)):
        joints, name = crowd(number), f"clip{number}"
        np.savez(raw / name, position=joints.astype(np.float32), pixels=pixels(joints))
        draw(raw / f"{name}.avi", pixels(joints[:, 0]), number)
        camera = "c1" if number < 4 else "c2"
        lines.append(f"{name},{name}.avi,{name}.npz,{CLASSES[number % 2]},s1,{camera}")
    (raw / "table.csv").write_text("\n".join(lines) + "\n")
    (root / "profiles").mkdir()
    (root / "params.yaml").write_text(PARAMS)
    write_profile(root, 2)
    command(root, "index", "crowd")
    return root


def test_a_cache_of_another_number_of_people_is_refused_by_name(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The params change, the skeletons are not made again."""
    write_profile(project, 2)
    command(project, "skeletons", "crowd")
    ledger = (project / "data/crowd/skeletons/ledger.csv").read_text()
    assert "3 people, a clip has at most 2 (skeletons.people)" in ledger
    assert "keep those who act, or set skeletons.people to 3" in ledger
    write_profile(project, 3)
    capsys.readouterr()
    command(project, "mosaics", "crowd", status=3)
    folder = project / "data" / "crowd" / "skeletons"
    assert capsys.readouterr().err.splitlines()[-1] == (
        f"error: PEOPLE_OTHER: {folder} has up to 2 people per clip, the profile has up to 3;"
        " run stage skeletons again, or `dvc repro`, or change skeletons.people in the profile"
    )
    # The remedy works.
    command(project, "skeletons", "crowd")
    command(project, "mosaics", "crowd")
    skeletons, mosaics = SkeletonCache(folder), MosaicCache(folder.parent / "mosaics")
    assert (skeletons.people, mosaics.people) == (3, 3)
    assert skeletons.manifest.params["people"] == 3
    assert mosaics.person_count(mosaics.ids).tolist() == list(PEOPLE)
    for number, (name, count) in enumerate(zip(mosaics.ids, PEOPLE, strict=True)):
        shard, row = mosaics.find(name)
        valid, box = shard["valid"][row] > 0, shard["box"][row]
        assert valid[:count].any(axis=(1, 2)).all()
        assert not valid[count:].any()
        assert set((box[..., 2] - box[..., 0])[valid]) == {48 // count}
        # From left to right, wherever they stand in the file.
        places = pixels(crowd(number))[shard["frame_index"][row], ::-1, 0]  # (L, P, 2)
        middle = (box[..., :2] + box[..., 2:]) / 2
        for person_ in range(count):
            heads = valid[person_, :, 0]
            found = middle[person_, heads, 0]
            np.testing.assert_allclose(found, places[heads, person_], atol=1)


@pytest.mark.nightly
def test_every_stage(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_profile(project, 3)
    for stage in ("skeletons", "skeletons3d", "mosaics"):
        command(project, stage, "crowd")
    for stage in ("gcn", "weights", "gcn-report"):
        command(project, stage, "run")
    for mode in MODES:
        command(project, "resnet", "run", mode)
    for stage in ("ensemble", "report"):
        command(project, stage, "run")
    command(project, "check")

    joints = JointCache(project / "data/crowd/skeletons3d")
    assert joints.people == 3
    assert [joints[name].person_count for name in joints.ids] == list(PEOPLE)
    weights = read_weights(project / "runs/run/weights/seed-0")
    assert weights.joint_weights.shape == (6, 3, len(LAYOUT["joints"]))
    assert weights.row_weights.shape == (6, 3, 5)
    assert weights.people == 3
    for count, own, rows in zip(PEOPLE, weights.joint_weights, weights.row_weights, strict=True):
        assert own[:count].any(axis=1).all()
        assert not own[count:].any()
        assert (rows[count:] == rows[0]).all()
    for mode in MODES:
        seed = project / f"runs/run/resnet-{mode}/seed-0"
        assert load_resnet(seed / "checkpoint.safetensors").cells.people == 3
        assert np.isfinite(read_scores(seed / "scores", "test").logits).all()
    page = (project / "runs/run/report.html").read_text()
    assert "half cells" in page
    command(project, "export", "run", "fixed", "--with-gcn", "--out", str(project / "out"))
    path = project / "out" / "run-fixed-gcn-seed-0.onnx"
    assert json.loads(path.with_suffix(".onnx.json").read_text())["people"] == 3
    session = onnxruntime.InferenceSession(path)
    shapes = {each.name: each.shape[1:] for each in session.get_inputs()}
    assert shapes["cell_valid"] == [3, 5, 5]
    assert (shapes["present"], shapes["persons"]) == ([3], [])
    assert {each.name: each.shape[1:] for each in session.get_outputs()}["weights"] == [3, 5]

    # The old graph network and weights do not go with new skeletons.
    write_profile(project, 4)
    for stage in ("skeletons", "mosaics"):
        command(project, stage, "crowd")
    assert "people" in read_manifest(project / "data/crowd/skeletons").params
    capsys.readouterr()
    command(project, "resnet", "run", "fixed", status=3)
    mosaics = project / "data/crowd/mosaics"
    assert capsys.readouterr().err.splitlines()[-1] == (
        f"error: PEOPLE_OTHER: the file of weights has up to 3 people per clip, {mosaics} has up"
        " to 4; run the stages mosaics and weights again, or `dvc repro`"
    )
    command(project, "gcn", "run", status=3)
    assert capsys.readouterr().err.splitlines()[-1] == (
        f"error: PEOPLE_OTHER: {joints.folder} has up to 3 people per clip, the profile of crowd"
        " has up to 4; run stage skeletons3d again, or `dvc repro`, or change skeletons.people in"
        " the profile"
    )
