"""A made-up data set of 3D skeletons with joints of its own: two commands, one branch or both."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from own_people import LAYOUT, person, pixels, write_data_set
from projects import ROOT, dvc, new_repository, run_all

from stroi.cache.layouts import BODY_25
from stroi.cache.mosaics import MosaicCache
from stroi.cache.own_layouts import layout_json, own_layout
from stroi.cache.skeletons import SkeletonCache
from stroi.cache.skeletons3d import JointCache
from stroi.cache.verify import verify
from stroi.cache.weights import read_weights
from stroi.pipeline.cli import run
from stroi.trainer.network_files.network_file import load_gcn

pytestmark = pytest.mark.slow


def new_project(folder: Path) -> Path:
    """The repository as it is cloned."""
    project = new_repository(folder / "project")
    for name in ("params.yaml", "profiles/demo.yaml"):
        shutil.copy(ROOT / name, project / name)
    return project


def shorten(project: Path, **changes: str) -> None:
    """Fewer epochs in the written profile, and whatever else."""
    profile = project / "profiles" / "mine.yaml"
    text = profile.read_text()
    for old, new in {"epochs: 40": "epochs: 2", "[28, 36]": "[1]", "frames: 64": "frames: 12",
                     "size: 225": "size: 60", **changes}.items():  # fmt: skip
        assert old in text
        text = text.replace(old, new)
    profile.write_text(text)


def test_skeletons_alone_to_the_page_of_the_graph_network(tmp_path: Path) -> None:
    data = write_data_set(tmp_path / "own", 60)
    project = new_project(tmp_path)
    pattern = ("--pattern", "{subject}_{*}", "--root", str(project))
    assert run(["init", "mine", "--skeletons", str(data), *pattern]) == 0
    shorten(project, **{"epochs: 2,": "epochs: 6,"})
    done = dvc(project, "repro", "gcn-report@mine-fold1", STROI_JOBS="1", STROI_THREADS="1")
    assert done.returncode == 0, done.stdout + done.stderr
    stages = ("index@mine", "skeletons3d@mine", "gcn@mine-fold1", "weights@mine-fold1")
    assert all(f"Running stage '{stage}'" in done.stdout for stage in stages)
    assert "Running stage 'skeletons@" not in done.stdout
    layout = own_layout(**LAYOUT)
    cache = JointCache(project / "data" / "mine" / "skeletons3d")
    assert len(cache.ids) == 60
    assert cache["bow_p0_02"].layout == layout
    runs = project / "runs" / "mine-fold1"
    network = load_gcn(next((runs / "gcn" / "seed-0").glob("*.safetensors")))
    assert network.layout == layout
    assert network.data_bn.num_features == 13 * 3
    weights = read_weights(runs / "weights" / "seed-0")
    assert weights.joint_weights.shape == (60, 2, 13)
    page = (runs / "gcn-report.html").read_text()
    assert page.count("<title>RWr ") >= 3


def test_with_a_camera_to_all_seven_rows(tmp_path: Path) -> None:
    data = write_data_set(tmp_path / "own", 12, videos=True)
    project = new_project(tmp_path)
    assert run(["init", "mine", "--skeletons", str(data), "--root", str(project)]) == 0
    rows = "[head, right_hand, left_hand, {trunk: [neck, right_hip, left_hip]}]"
    shorten(project, **{"rows: paper": f"rows: {rows}"})
    run_all(project, "mine", "mine-fold1", sensor=True)
    table = json.loads((project / "runs" / "mine-fold1" / "ensemble" / "table.json").read_text())
    assert [row["method"]["number"] for row in table["rows"]] == [1, 2, 3, 4, 5, 6, 7]
    folder = project / "data" / "mine"
    for name in ("skeletons", "skeletons3d", "mosaics"):
        assert verify(folder / name) == []
    manifest = SkeletonCache(folder / "skeletons").manifest
    assert manifest.producer["estimator"] == "own"
    assert manifest.params["own"]["layout"]["name"] == "stick13"
    weights = json.loads((project / "runs/mine-fold1/weights/seed-0/manifest.json").read_text())
    assert weights["producer"]["layout"] == layout_json(own_layout(**LAYOUT))
    # The layout has no neck: its shoulders weigh and place it.
    made = read_weights(project / "runs/mine-fold1/weights/seed-0")
    groups = (("top",), ("RWr",), ("LWr",), ("RSh", "LSh", "RHip", "LHip"))
    numbers = [[LAYOUT["joints"].index(joint) for joint in group] for group in groups]
    by_hand = np.stack([made.joint_weights[:, 0, own].mean(1) for own in numbers], axis=1)
    by_hand /= by_hand.mean(1, keepdims=True)
    np.testing.assert_allclose(made.row_weights[:, 0], by_hand, rtol=1e-4)
    # The places are those of the camera's formula, and the crops lie around them.
    expected = pixels(person("bow", 2))
    seen = SkeletonCache(folder / "skeletons")["bow_p0_02"]
    wrist = BODY_25.index("right_wrist")
    np.testing.assert_allclose(seen.keypoints[:, 0, wrist, :2], expected[:, 3], atol=1e-2)
    assert (seen.keypoints[:, 0, BODY_25.index("neck"), 2] == 1).all()
    mosaics = MosaicCache(folder / "mosaics")
    assert [row.name for row in mosaics.rows] == ["head", "right_hand", "left_hand", "trunk"]
    assert mosaics.valid(["bow_p0_02"])[0, 0].all()
