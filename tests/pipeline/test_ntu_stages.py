"""NTU RGB+D through all stages, on a made-up tree: every defect has its code, the rest a result."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from ntu_people import colour
from ntu_tree import (
    BAD,
    BROKEN_VIDEO,
    GOOD,
    LEFT_OUT,
    SIZE,
    WITHOUT_SKELETON,
    WITHOUT_VIDEO,
    write_tree,
)
from projects import new_project, run_all

from stroi.cache.layouts import BODY_25, KINECT_V2
from stroi.cache.mosaics import MosaicCache
from stroi.cache.skeletons import SkeletonCache
from stroi.cache.skeletons3d import JointCache
from stroi.cache.verify import verify
from stroi.pipeline.index.ledger import ClipOutcome, read_ledger

pytestmark = pytest.mark.slow

PROFILE = """
seeds: [0]
sample: {}
index: {adapter: ntu60, max_quarantined: 0.0}
skeletons: {source: kinect, fill_gap: 0, max_quarantined: 0.8}
skeletons3d: {format: ntu, max_quarantined: 0.8}
mosaics: {cell: 24, size: 40, max_quarantined: 0.8}
splits:
  xview: {by: camera, train: [C002, C003], test: [C001]}
gcn:
  frames: 8
  channels: [4, 4]
  strides: [1, 2]
  schedule: {epochs: 1, batch_size: 4, lr: 0.05, milestones: [1]}
weights: {}
resnet:
  device: cpu
  schedule: {epochs: 1, batch_size: 4, lr: 0.02, milestones: [1]}
ensemble: {}
"""
PARAMS = """
rendered: []
datasets: [ntu]
sensors: [ntu]
runs:
  ntu-xview: {dataset: ntu, split: xview, input: skeletons3d}
show: ntu-xview
"""
JOINTS_ONLY = {WITHOUT_VIDEO, BROKEN_VIDEO}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = new_project(tmp_path_factory.mktemp("ntu") / "project")
    (folder / "profiles" / "ntu.yaml").write_text(PROFILE)
    (folder / "params.yaml").write_text(PARAMS)
    write_tree(folder / "data" / "ntu" / "raw")
    run_all(folder, "ntu", "ntu-xview", sensor=True)
    return folder


def codes(project: Path, stage: str) -> dict[str, str]:
    ledger = read_ledger(project / "data" / "ntu" / stage)
    return {one.id: one.code for one in ledger.quarantined}


def test_the_index_lists_what_is_a_sample(project: Path) -> None:
    folder = project / "data" / "ntu" / "index"
    ledger = read_ledger(folder)
    listed = {*GOOD, *BAD, WITHOUT_SKELETON, *JOINTS_ONLY}
    assert set(ledger.done) == listed
    assert codes(project, "index") == {name: code for name, (_, code) in LEFT_OUT.items()}
    classes = (folder / "classes.txt").read_text().splitlines()
    assert classes == ["A001 drink water", "A050 punch"]


def test_every_bad_skeleton_has_its_code(project: Path) -> None:
    folder = project / "data" / "ntu" / "skeletons3d"
    told = {one.id: one for one in read_ledger(folder).outcomes}
    for name, (_, code, problem) in BAD.items():
        assert told[name].code == code
        assert problem in told[name].detail
    assert told[WITHOUT_SKELETON].code == "SKEL_MISSING"
    for name, (_, seen) in GOOD.items():
        assert told[name] == ClipOutcome(name, "", seen)
    assert verify(folder) == []
    assert set(JointCache(folder).ids) == {*GOOD, *JOINTS_ONLY}


def test_every_bad_video_has_its_code(project: Path) -> None:
    bad = {name: code for name, (_, code, _) in BAD.items()}
    bad |= {WITHOUT_SKELETON: "SKEL_MISSING"}
    bad |= {WITHOUT_VIDEO: "VIDEO_NONE", BROKEN_VIDEO: "VIDEO_MAGIC"}
    assert codes(project, "skeletons") == bad


def test_both_branches_see_the_same_people(project: Path) -> None:
    folder = project / "data" / "ntu"
    assert verify(folder / "mosaics") == []
    mosaics, joints = MosaicCache(folder / "mosaics"), JointCache(folder / "skeletons3d")
    skeletons = SkeletonCache(folder / "skeletons")
    assert set(mosaics.ids) == set(skeletons.ids) == set(GOOD)
    assert len({mosaics[name].tobytes() for name in GOOD}) == len(GOOD)
    for name in GOOD:
        clip, skeleton = joints[name], skeletons[name]
        assert skeleton.person_count == clip.person_count
        hand = KINECT_V2.index("right_wrist"), BODY_25.index("right_wrist")
        seen = clip.state[:, :, hand[0]] > 0
        np.testing.assert_array_equal(skeleton.keypoints[:, :, hand[1], 2] > 0, seen)
        pixels = colour(clip.position[:, :, hand[0]][seen].astype(float)) * SIZE[0] / 1920
        np.testing.assert_allclose(skeleton.keypoints[:, :, hand[1], :2][seen], pixels, atol=0.01)


def test_the_rows_are_of_the_clips_that_both_have(project: Path) -> None:
    table = json.loads((project / "runs" / "ntu-xview" / "ensemble" / "table.json").read_text())
    assert [row["method"]["number"] for row in table["rows"]] == [1, 2, 3, 4, 5, 6, 7]
    assert table["test_clips"] == len([name for name in GOOD if name[4:8] == "C001"])
