"""A made-up Northwestern-UCLA through all stages: each defect with its code."""

from __future__ import annotations

import json
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import cv2
import numpy as np
import pytest
from nucla_files import joints, picture_name, write_skeleton
from passing import passing
from projects import new_project, run_all

from stroi.cache.mosaics import MosaicCache
from stroi.cache.skeletons3d import JointCache
from stroi.cache.verify import verify
from stroi.pipeline.index.ledger import read_ledger

pytestmark = pytest.mark.slow

FRAMES = 7
PROFILE = """
seeds: [0]
sample: {}
index: {adapter: nucla, max_quarantined: 0.2}
skeletons: {source: movenet, input_size: 128, max_quarantined: 0.3}
skeletons3d: {format: nucla, max_quarantined: 0.6}
mosaics: {cell: 48, candidates: 11, size: 60}
splits:
  v12-3: {by: camera, train: [v1, v2], test: [v3]}
gcn:
  frames: 8
  channels: [4, 4]
  strides: [1, 2]
  temporal_kernel: 3
  schedule: {epochs: 2, batch_size: 4, lr: 0.05, milestones: [1]}
weights: {}
resnet:
  flip: 0.5
  device: cpu
  schedule: {epochs: 1, batch_size: 8, lr: 0.02, milestones: []}
ensemble: {}
"""
PARAMS = """
rendered: []
datasets: [nucla]
sensors: [nucla]
runs:
  nucla-v3: {dataset: nucla, split: v12-3, input: skeletons3d}
show: nucla-v3
"""
GOOD = [f"{action}_s01_e0{view}_v0{view}" for action in ("a02", "a12") for view in (1, 2, 3)]
SHORT, ZEROS, UNEVEN = "a02_s09_e04_v03", "a12_s10_e00_v01", "a02_s02_e00_v02"
NO_JOINTS = {
    "a12_s03_e00_v01": ("SKEL_JSON", lambda path: path.write_text(path.read_text()[:200])),
    "a12_s03_e00_v02": ("SKEL_JSON", lambda path: _replace(path, "0.", "NaN, 0.", 1)),
    "a12_s04_e00_v01": ("SKEL_LABEL", lambda path: _replace(path, '"label": 10', '"label": 9', 1)),
    "a12_s04_e00_v02": ("SKEL_NAME", lambda path: _replace(path, "a12_s04", "a12_s05", 1)),
    "a12_s05_e00_v01": ("SKEL_COUNT", lambda path: _skeleton(path, joints(3)[:, :19])),
    "a12_s05_e00_v02": ("SKEL_EMPTY", lambda path: _skeleton(path, 0 * joints(3))),
    "a12_s06_e00_v01": ("SKEL_NONFINITE", lambda path: _skeleton(path, 1e9 * joints(3))),
    "a12_s06_e00_v02": ("SKEL_MISSING", Path.unlink),
}
"""Samples with sound pictures whose skeleton file is none, and what is done to it."""
NO_PICTURES = "a02_s04_e00_v01"
GAP = "a02_s05_e00_v01"


def _replace(path: Path, old: str, new: str, count: int) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, count))


def _skeleton(path: Path, numbers: np.ndarray) -> None:
    write_skeleton(path.parent, path.stem, skeletons=numbers.tolist())


def _pictures(raw: Path, name: str, pictures: list[np.ndarray]) -> Path:
    """Frames as they are named there, a list of them that lies, and depth maps beside."""
    folder = raw / "multiview_action" / f"view_{name[-1]}" / name[:11]
    folder.mkdir(parents=True)
    for number, picture in enumerate(pictures, 9):
        # No two samples are the same video.
        cv2.putText(picture, name, (4, 12), cv2.FONT_HERSHEY_PLAIN, 0.7, (90, 90, 90))
        assert cv2.imwrite(str(folder / picture_name(number)), picture)
        (folder / f"frame_{number}_tc_{number}_depth.png").write_bytes(b"never opened")
    (folder / "fileList.txt").write_text("0 0 1 77 99\n1 0 1 77 99\n" * 3)
    return folder


def _data_set(raw: Path) -> None:
    """12 samples that are good or merely odd, 10 with a defect, and three that are none."""
    people = passing(0).pictures()
    shown = [next(people) for _ in range(FRAMES)]
    skeletons = raw / "NW-UCLA" / "all_sqe"
    for name in (*GOOD, ZEROS, UNEVEN, *NO_JOINTS, NO_PICTURES, GAP):
        write_skeleton(skeletons, name, FRAMES)
    for name in (*GOOD, ZEROS, UNEVEN, GAP):
        _pictures(raw, name, [picture.copy() for picture in shown])
    for name in NO_JOINTS:
        _pictures(raw, name, [shown[0].copy()])
    for name, (_, spoil) in NO_JOINTS.items():
        spoil(skeletons / f"{name}.json")
    _pictures(raw, SHORT, [shown[0].copy()])
    write_skeleton(skeletons, SHORT, 1)
    numbers = joints(FRAMES)
    numbers[2:4, [3, 7, 19]] = 0
    _skeleton(skeletons / f"{ZEROS}.json", numbers)
    write_skeleton(skeletons, UNEVEN, FRAMES - 2)
    (raw / "multiview_action" / "view_1" / GAP[:11] / picture_name(11)).unlink()
    for name in ("a07_s01_e00_v01", "a02_s01_e00_v05", "notes"):
        write_skeleton(skeletons, name)
    (skeletons.parent / "val_label.pkl").write_bytes(b"never opened")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A project after all its stages, and what they printed."""
    folder = new_project(tmp_path_factory.mktemp("nucla") / "project")
    (folder / "profiles" / "nucla.yaml").write_text(PROFILE)
    (folder / "params.yaml").write_text(PARAMS)
    _data_set(folder / "data" / "nucla" / "raw")
    with redirect_stdout(StringIO()) as printed:
        run_all(folder, "nucla", "nucla-v3", sensor=True)
    return folder, printed.getvalue()


def _codes(folder: Path) -> dict[str, str]:
    return {outcome.id: outcome.code for outcome in read_ledger(folder).quarantined}


def test_the_stages_run_to_the_table(finished: tuple[Path, str]) -> None:
    folder, printed = finished
    assert "1,466 of the 1,484 known skeleton files are not here: 507 of view 1" in printed
    assert "1 of 19 samples have no pictures, hence no mosaic" in printed
    table = json.loads((folder / "runs" / "nucla-v3" / "ensemble" / "table.json").read_text())
    assert [row["method"]["number"] for row in table["rows"]] == [1, 2, 3, 4, 5, 6, 7]
    assert table["test_clips"] == 3


def test_every_defect_has_its_code(finished: tuple[Path, str]) -> None:
    data = finished[0] / "data" / "nucla"
    left_out = {
        "a07_s01_e00_v01": "CLASS_UNKNOWN",
        "a02_s01_e00_v05": "NAME_UNKNOWN",
        "NW-UCLA/all_sqe/notes.json": "NAME_UNKNOWN",
    }
    assert _codes(data / "index") == {**left_out, GAP: "VIDEO_FRAMES"}
    assert _codes(data / "skeletons3d") == {name: code for name, (code, _) in NO_JOINTS.items()}
    assert _codes(data / "skeletons") == {NO_PICTURES: "VIDEO_NONE"}
    assert _codes(data / "mosaics") == {}
    remarks = {one.id: one.detail for one in read_ledger(data / "index").outcomes if one.done}
    assert remarks[UNEVEN] == "7 pictures, numbered 9 to 15, and 5 skeleton frames"
    assert not any(remarks[name] for name in (*GOOD, ZEROS, SHORT))


def test_every_cache_is_complete_and_odd_clips_are_in_it(finished: tuple[Path, str]) -> None:
    data = finished[0] / "data" / "nucla"
    for name in ("skeletons", "skeletons3d", "mosaics"):
        assert verify(data / name) == []
    seen, shown = JointCache(data / "skeletons3d"), MosaicCache(data / "mosaics")
    assert sorted(seen.ids) == sorted({*GOOD, SHORT, ZEROS, UNEVEN, NO_PICTURES})
    assert sorted(shown.ids) == sorted({*GOOD, SHORT, ZEROS, UNEVEN, *NO_JOINTS})
    assert (seen[SHORT].state.shape, int((seen[ZEROS].state[:, 0] == 0).sum())) == ((1, 2, 20), 6)
    assert shown.shape == (60, 11 * 12, 3)
    assert shown.scored.tolist() == [1, 3, 5, 7, 9]
    cells = shown[SHORT].reshape(60, 11, 12, 3)
    assert (cells == cells[:, :1]).all(), "one frame in every column"
    moving = shown[GOOD[0]].reshape(60, 11, 12, 3)
    assert (moving != moving[:, :1]).any()
