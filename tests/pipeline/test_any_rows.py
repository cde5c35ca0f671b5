"""Mosaics of one row and of eight through every stage, the two pages and the export."""

from __future__ import annotations

import json
import re
from pathlib import Path

import h5py
import numpy as np
import onnxruntime
import pytest
from tiny import tiny_videos

from stroi.cache.manifest import read_manifest
from stroi.cache.mosaics import MosaicCache
from stroi.cache.rois import Rows, read_rows, rows_to_json
from stroi.cache.scores import read_scores
from stroi.cache.weights import read_weights
from stroi.pipeline.cli import run as stroi
from stroi.trainer.network_files.network_file import load_resnet

ROWS = {
    "one": "full_body",
    "eight": "[head, right_hand, left_hand, {right_leg: [right_knee, right_foot]},"
    " {left_leg: [left_knee, left_foot]}, right_elbow, left_elbow, {wide: {joints: [neck, mid_hip],"
    " cell: 96}}]",
}
NAMES = {
    "one": ["full body"],
    "eight": ["head", "right hand", "left hand", "right leg", "left leg", "right elbow",
              "left elbow", "wide"],
}  # fmt: skip
MODES = ("plain", "fixed", "end-to-end")
PROFILE = """\
seeds: [0]
sample: {{}}
index: {{adapter: table, max_quarantined: 0.5}}
skeletons: {{source: movenet, input_size: 128, max_quarantined: 0.5}}
mosaics: {{rows: {rows}, cell: 48, size: {size}, max_quarantined: 0.5}}
splits: {{half: {{by: camera, train: [c1], test: [c2]}}}}
gcn:
  frames: 8
  channels: [8, 8]
  strides: [1, 2]
  temporal_kernel: 3
  schedule: {{epochs: 1, batch_size: 2}}
weights: {{scale: training}}
resnet: {{flip: 0.5, device: cpu, schedule: {{epochs: 1, batch_size: 2, lr: 0.01}}}}
ensemble: {{}}
"""
PARAMS = """\
rendered: []
datasets: [tiny]
sensors: []
pools: {}
show: run
runs: {run: {dataset: tiny, split: half, input: skeletons}}
"""


def command(root: Path, *arguments: str) -> None:
    assert stroi([*arguments, "--root", str(root)]) == 0, arguments


def write_profile(root: Path, rows: str, size: int) -> None:
    (root / "profiles" / "tiny.yaml").write_text(PROFILE.format(rows=rows, size=size))


@pytest.fixture(scope="module")
def cut(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with the skeletons of six clips, two of them another camera's."""
    root = tmp_path_factory.mktemp("rows")
    raw = tiny_videos(root / "data" / "tiny" / "raw", clips=6, frames=6)
    lines = ["sample_id,video,label,subject,camera"] + [
        f"clip{number},videos/{path.name},{'ab'[number % 2]},s01,{'c1' if number < 4 else 'c2'}"
        for number, path in enumerate(sorted((raw / "videos").iterdir()))
    ]
    (raw / "table.csv").write_text("\n".join(lines) + "\n")
    (root / "profiles").mkdir()
    write_profile(root, "paper", 60)
    (root / "params.yaml").write_text(PARAMS)
    for stage in ("index", "skeletons"):
        command(root, stage, "tiny")
    return root


@pytest.mark.nightly
@pytest.mark.parametrize("name", ["one", "eight"])
def test_every_stage(cut: Path, name: str) -> None:
    rows: Rows = read_rows(_parsed(ROWS[name]))
    side = {"one": 40, "eight": 20}[name]
    write_profile(cut, ROWS[name], side * len(rows) + (3 if name == "eight" else 0))
    command(cut, "mosaics", "tiny")
    for stage in ("gcn", "weights", "gcn-report"):
        command(cut, stage, "run")
    for mode in MODES:
        command(cut, "resnet", "run", mode)
    for stage in ("ensemble", "report"):
        command(cut, stage, "run")
    command(cut, "check")

    folder = cut / "data/tiny/mosaics"
    cache = MosaicCache(folder)
    assert cache.rows == rows
    assert cache.shape == (side * len(rows), side * 5, 3)
    assert read_manifest(folder).params["rows"] == rows_to_json(rows)
    assert cache.valid(cache.ids).any(axis=(0, 1, 2)).all(), "a row that is black everywhere"

    weights = read_weights(cut / "runs/run/weights/seed-0")
    assert weights.rows == rows
    joint, row = weights.joint_weights[0, 0], weights.row_weights[0, 0]
    scale = read_manifest(cut / "runs/run/weights/seed-0").producer["weight_scale"]
    means = [joint[[_number(each) for each in own.joints]].mean() for own in rows]
    np.testing.assert_allclose(row, np.array(means) / scale, rtol=1e-4)

    for mode in MODES:
        seed = cut / f"runs/run/resnet-{mode}/seed-0"
        net = load_resnet(seed / "checkpoint.safetensors")
        assert net.rows == rows
        if mode == "end-to-end":
            # Of these rows: the project's other cache has the same graph network.
            assert net.config.weight_scale == pytest.approx(scale, rel=1e-5)
        assert np.isfinite(read_scores(seed / "scores", "test").logits).all()
    for page, heads in (("report.html", NAMES[name]), ("gcn-report.html", NAMES[name])):
        html = (cut / "runs/run" / page).read_text()
        [head] = re.findall(r'<table class="heat weights">\s*<thead>(.*?)</thead>', html, re.DOTALL)
        assert re.findall(r'<th scope="col">([^<]*)</th>', head) == heads
    page = (cut / "runs/run/report.html").read_text()
    words = " and ".join([", ".join(NAMES[name][:-1]), NAMES[name][-1]]).removeprefix(" and ")
    assert f"by a mosaic of crops alone ({words})" in page
    black = re.search(r"Row of the mosaic.*?</table>", page, re.DOTALL)
    assert black is not None
    assert re.findall(r'<th scope="row">([^<]*)</th>', black[0]) == NAMES[name]

    command(cut, "export", "run", "fixed", "--with-gcn", "--out", str(cut / name))
    path = cut / name / "run-fixed-gcn-seed-0.onnx"
    about = json.loads(path.with_suffix(".onnx.json").read_text())
    assert about["rows"] == [row.name for row in rows]
    assert about["row_joints"] == {row.name: list(row.joints) for row in rows}
    outputs = {each.name: each.shape for each in onnxruntime.InferenceSession(path).get_outputs()}
    assert outputs["weights"][1:] == [2, len(rows)]


def test_a_cache_of_old_rows_is_refused_by_name(
    cut: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The params change, the mosaics are not cut again."""
    write_profile(cut, "paper", 60)
    command(cut, "mosaics", "tiny")
    write_profile(cut, "[head, left_hand, right_hand]", 60)
    for stage in ("gcn", "weights"):
        command(cut, stage, "run")
    capsys.readouterr()
    assert stroi(["resnet", "run", "fixed", "--root", str(cut)]) == 3
    mosaics = cut / "data/tiny/mosaics"
    assert capsys.readouterr().err.splitlines()[-1] == (
        "error: ROWS_OTHER: the file of weights has the rows head, left_hand, right_hand;"
        f" {mosaics} has head, right_hand, left_hand, right_foot, left_foot; run the stages"
        " mosaics and weights again, or `dvc repro`"
    )
    # The remedy works.
    command(cut, "mosaics", "tiny")
    command(cut, "resnet", "run", "fixed")


def test_the_default_writes_the_bytes_that_it_wrote_before(cut: Path) -> None:
    """Whether rows are left out, named or written out, the files are the same."""
    found = []
    for rows in ("paper", "[head, right_hand, left_hand, right_foot, left_foot]"):
        write_profile(cut, rows, 60)
        command(cut, "mosaics", "tiny")
        shard = cut / "data/tiny/mosaics/mosaics-00000.h5"
        found.append(((cut / "data/tiny/mosaics/manifest.json").read_bytes(), shard.read_bytes()))
    assert found[0] == found[1]
    with h5py.File(shard, "r") as file:
        assert file["mosaic"].shape[1:] == (60, 60, 3)


def _parsed(text: str) -> object:
    quoted = re.sub(r"([a-z_]+)", r'"\1"', text)
    return json.loads(quoted) if text.startswith("[") else text


def _number(joint: str) -> int:
    """Of OpenPose's BODY_25."""
    order = (
        "nose neck right_shoulder right_elbow right_wrist left_shoulder left_elbow left_wrist"
        " mid_hip right_hip right_knee right_ankle left_hip left_knee left_ankle right_eye left_eye"
        " right_ear left_ear left_big_toe left_small_toe left_heel right_big_toe right_small_toe"
        " right_heel"
    )
    return order.split().index(joint)
