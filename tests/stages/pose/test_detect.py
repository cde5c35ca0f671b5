"""Stage ``skeletons`` by every source: what is found, kept, recorded and never mixed."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
import pytest
from fake_openpose import DIALECTS, WEIGHTS_MD5, fake_build
from openpose_folders import body, write
from tiny_onnx import tiny_rtmo

from stroi.cache.errors import StroiError
from stroi.cache.files.digests import sha256_file
from stroi.cache.layouts import BODY_25
from stroi.cache.manifest import read_manifest
from stroi.cache.skeletons import SkeletonCache
from stroi.pipeline.index.ledger import Ledger, read_ledger
from stroi.pipeline.index.table import Index, Sample, write_index
from stroi.pipeline.parallel.executor import Workers
from stroi.pipeline.params.cache_params import recorded
from stroi.pipeline.params.profile import SkeletonParams
from stroi.stages.pose import registry
from stroi.stages.pose.layouts import BODY_25B
from stroi.stages.skeletons import build_skeletons

FRAMES = 8
KNEE = BODY_25.index("left_knee")


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("OPENPOSE_ROOT", raising=False)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    registry._load.cache_clear()
    yield
    registry._load.cache_clear()


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """Two clips whose first pixel says how many people the stand-in for OpenPose will find."""
    for name, people in (("one", 1), ("two", 2)):
        (tmp_path / "raw").mkdir(exist_ok=True)
        path = str(tmp_path / "raw" / f"{name}.avi")
        writer = cv2.VideoWriter(path, cv2.VideoWriter.fourcc(*"FFV1"), 25, (320, 240))
        for _ in range(FRAMES):
            frame = np.full((240, 320, 3), 90, np.uint8)
            frame[0, 0, 0] = people
            writer.write(frame)
        writer.release()
    return tmp_path / "raw"


def index_of(raw: Path, **skeletons: str) -> Index:
    """The index of both clips; `skeletons` are the table's column of that name."""
    rows = []
    for name in ("one", "two"):
        video = raw / f"{name}.avi"
        size, sha256 = video.stat().st_size, sha256_file(video)
        skeleton = skeletons.get(name, "")
        rows.append(
            Sample(name, video.name, "x", "s", "c", skeleton=skeleton, bytes=size, sha256=sha256)
        )
    return Index(tuple(rows), ("x",))


def build(raw: Path, params: dict[str, object], index: Index | None = None) -> Ledger:
    """Run the stage in this process, whatever becomes of the clips."""
    whole = SkeletonParams.model_validate({"max_quarantined": 1.0, **params})
    out, store = raw.parent / "out", raw.parent / "store"
    with suppress(StroiError):
        build_skeletons(raw, index or index_of(raw), out, whole, Workers(), store)
    return read_ledger(out)


def kept(raw: Path) -> set[str]:
    return {path.name for path in (raw.parent / "store" / "detections").glob("*.npz")}


def test_json_beside_the_videos_is_read(raw: Path) -> None:
    for name, persons in (("one", 1), ("two", 2)):
        frames = {
            number: [body(BODY_25, 90 + 100 * p + number) for p in range(persons)]
            for number in range(FRAMES)
        }
        write(raw / "openpose-json" / name, frames)
    assert not build(raw, {"source": "openpose-json"}).quarantined
    cache = SkeletonCache(raw.parent / "out")
    assert [cache[name].person_count for name in ("one", "two")] == [1, 2]
    clip = cache["two"]
    assert (clip.width, clip.height, clip.fps) == (320, 240, 25)
    np.testing.assert_allclose(clip.keypoints[3, 1, KNEE, :2], (90 + 103 + 11, 162), atol=0.01)
    manifest = read_manifest(raw.parent / "out")
    assert manifest.producer["estimator"] == "openpose-json"
    assert (manifest.producer["model"], manifest.producer["chosen"]) == ("BODY_25", "named")
    assert set(manifest.files[-1].inputs) == {"video", "skeleton"}


def test_changed_json_is_read_again_and_only_that(raw: Path) -> None:
    for name in ("one", "two"):
        write(raw / "pose" / name, {number: [body(BODY_25)] for number in range(FRAMES)})
    index = index_of(raw, one="pose/one", two="pose/two")
    build(raw, {"source": "openpose-json"}, index)
    first = kept(raw)
    write(raw / "pose" / "one", {number: [body(BODY_25, 150)] for number in range(FRAMES)})
    build(raw, {"source": "openpose-json"}, index)
    assert len(kept(raw) - first) == 1
    found = SkeletonCache(raw.parent / "out")["one"].keypoints[0, 0, KNEE]
    np.testing.assert_allclose(found[:2], (161, 162), atol=0.01)


def test_bad_folders_are_quarantined_with_their_code(raw: Path) -> None:
    write(raw / "b", {number: [body(BODY_25B)] for number in range(FRAMES)})
    ledger = build(raw, {"source": "openpose-json"}, index_of(raw, one="b"))
    assert [(row.id, row.code) for row in ledger.quarantined] == [
        ("one", "POSE_LAYOUT"),
        ("two", "POSE_FOLDER"),
    ]
    right = {"source": "openpose-json", "openpose_json": {"model": "BODY_25B"}}
    ledger = build(raw, right, index_of(raw, one="b"))
    assert [row.id for row in ledger.quarantined] == ["two"]
    write(raw / "openpose-json" / "two", {0: [body(BODY_25B)]})
    ledger = build(raw, right, index_of(raw, one="b"))
    assert [row.code for row in ledger.quarantined] == ["POSE_FRAMES"]
    whole = {number: [body(BODY_25B)] for number in range(FRAMES)}
    write(raw / "openpose-json" / "two", whole)
    assert not build(raw, right, index_of(raw, one="b")).quarantined


@pytest.mark.parametrize("place", ["../elsewhere", "/elsewhere", "link", "link/inner"])
def test_folder_that_dvc_does_not_see_is_refused(raw: Path, place: str) -> None:
    inner = raw.parent / "elsewhere" / "inner"
    write(inner, {number: [body(BODY_25)] for number in range(FRAMES)})
    (raw / "link").symlink_to(raw.parent / "elsewhere")
    ledger = build(raw, {"source": "openpose-json"}, index_of(raw, one=place))
    outcome = {row.id: row for row in ledger.quarantined}["one"]
    assert outcome.code == "POSE_FOLDER"
    assert ("is behind a link" if "link" in place else "is not inside") in outcome.detail


def test_auto_says_what_it_took_and_records_it(
    raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert [row.code for row in build(raw, {"source": "auto"}).quarantined] == ["NO_PERSON"] * 2
    said = capsys.readouterr().out
    assert "skeletons from movenet, the embedded estimator (OPENPOSE_MISSING: " in said
    producer = read_manifest(raw.parent / "out").producer
    assert (producer["estimator"], producer["chosen"]) == ("movenet", "auto: OPENPOSE_MISSING")
    by_auto = kept(raw)
    build(raw, {"source": "movenet"})
    assert kept(raw) == by_auto
    assert read_manifest(raw.parent / "out").producer["chosen"] == "named"
    build(raw, {"source": "movenet", "input_size": 192})
    assert len(kept(raw)) == 2 * len(by_auto)


def test_own_network_is_used_and_its_place_is_nobodys_business(raw: Path) -> None:
    boxes = np.array([[0, 0, 40, 40, 0.9]], np.float32)
    network = raw.parent / "private folder" / "network.onnx"
    network.parent.mkdir()
    network.write_bytes(tiny_rtmo(320, 240, boxes))
    ledger = build(raw, {"source": "onnx", "onnx": {"model": str(network)}})
    assert not ledger.quarantined
    manifest = read_manifest(raw.parent / "out")
    assert manifest.producer["estimator"] == "rtmo"
    assert manifest.producer["model"] == sha256_file(network)
    text = (raw.parent / "out" / "manifest.json").read_text()
    assert "private folder" not in text
    moved = shutil.move(network, raw.parent / "moved.onnx")
    before = (raw.parent / "out" / "manifest.json").read_bytes()
    build(raw, {"source": "onnx", "onnx": {"model": str(moved)}})
    assert (raw.parent / "out" / "manifest.json").read_bytes() == before


def test_only_params_of_the_source_are_recorded() -> None:
    params = SkeletonParams.model_validate({"openpose": {"root": "/home/me"}})
    assert not {"openpose", "openpose_json", "onnx"} & set(recorded(params, "movenet"))
    found = recorded(params, "openpose")
    assert found["openpose"]["net_resolution"] == "-1x368"
    assert not {"root", "num_gpu", "num_gpu_start"} & set(found["openpose"])
    assert recorded(params, "onnx")["onnx"] == {"layout": "coco17"}
    assert recorded(params, "openpose-json")["openpose_json"] == {
        "model": "BODY_25",
        "compare_frames": 3,
    }
    assert "clips_per_shard" not in found


def test_source_that_is_not_there_stops_before_any_clip(raw: Path) -> None:
    out, params = raw.parent / "out", SkeletonParams(source="openpose")
    with pytest.raises(StroiError, match="OPENPOSE_MISSING"):
        build_skeletons(raw, index_of(raw), out, params, Workers(), raw.parent / "store")
    assert not out.exists()


PROFILE = """
skeletons:
  source: openpose
  openpose: {{net_resolution: "-1x320", weights_md5: {md5}}}
splits:
  s: {{by: subject, test: [s]}}
"""


@pytest.mark.parametrize("dialect", DIALECTS)
def test_openpose_makes_a_cache_by_one_process(raw: Path, dialect: str) -> None:
    root = fake_build(raw.parent / "openpose", dialect)
    project = raw.parent / "project"
    (project / "profiles").mkdir(parents=True)
    (project / "profiles" / "mine.yaml").write_text(PROFILE.format(md5=WEIGHTS_MD5))
    (project / "data" / "mine").mkdir(parents=True)
    shutil.move(raw, project / "data" / "mine" / "raw")
    write_index(project / "data" / "mine" / "index", index_of(project / "data/mine/raw").samples)
    places = ("--openpose-root", str(root), "--root", str(project))
    command = "from stroi.pipeline.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-P", "-c", command, "skeletons", "mine", "--jobs", "2", *places],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "skeletons from openpose" in done.stdout
    out = project / "data" / "mine" / "skeletons"
    cache = SkeletonCache(out)
    assert [cache[name].person_count for name in ("one", "two")] == [1, 2]
    np.testing.assert_allclose(cache["two"].keypoints[5, 1, :, 0], 10 + np.arange(25))
    producer = read_manifest(out).producer
    assert (producer["estimator"], producer["network"]) == ("openpose", "BODY_25")
    assert producer["options"]["net_resolution"] == "-1x320"
    assert str(root) not in (out / "manifest.json").read_text()
    assert read_ledger(out).summary() == "2 clips = 2 done + 0 quarantined"
