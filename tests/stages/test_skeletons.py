"""From videos to mosaics: by a sensor's files, from some frames only, and for parts of videos."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from counting import Counting
from ntu_people import Joints, colour, furniture, person, skeleton_text
from numbered import numbered
from numpy.typing import NDArray
from openpose_folders import body, write

from stroi.cache.errors import StroiError
from stroi.cache.files.digests import sha256_file
from stroi.cache.layouts import BODY_25
from stroi.cache.manifest import read_manifest
from stroi.cache.skeletons import SkeletonCache
from stroi.cache.storage.formats import MOSAICS
from stroi.cache.storage.hdf5 import map_arrays
from stroi.pipeline.index.ledger import Ledger, read_ledger
from stroi.pipeline.index.table import Index, Sample
from stroi.pipeline.parallel.executor import Workers
from stroi.pipeline.params.profile import MosaicParams, SkeletonParams
from stroi.stages.mosaics import build_mosaics
from stroi.stages.pose import detect
from stroi.stages.pose.readers.openpose_files import pose_digest
from stroi.stages.skeletons import build_skeletons

T = 18
ID = 72057594037944738
SIZE = (384, 216)
"""A fifth of the colour picture."""
PAINT = {"left": (40, 40, 220), "right": (40, 220, 40)}
"""BGR of the two people's discs."""
HANDS = [BODY_25.index(name) for name in ("right_wrist", "left_wrist")]
Picture = NDArray[np.uint8]
Bodies = dict[int, tuple[range, Joints]]


def video(path: Path, pictures: list[Picture]) -> Path:
    height, width = pictures[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"FFV1"), 30.0, (width, height))
    for picture in pictures:
        writer.write(picture)
    writer.release()
    return path


def scene(people: dict[str, Joints]) -> list[Picture]:
    """Frames with a disc at every joint, in each person's paint."""
    frames = []
    for time in range(T):
        frame = np.full((SIZE[1], SIZE[0], 3), 128, np.uint8)
        for name, joints in people.items():
            for x, y in colour(joints[time]) / 5:
                cv2.circle(frame, (round(x), round(y)), 5, PAINT[name], -1)
        frames.append(frame)
    return frames


def sample(raw: Path, name: str, *, file: str = "", skeleton: str = "", **more: Any) -> Sample:
    place = file or f"{name}.avi"
    path = raw / place
    told = raw / skeleton if skeleton else None
    return Sample(
        name, place, "x", skeleton=skeleton, bytes=path.stat().st_size, sha256=sha256_file(path),
        skeleton_sha256=sha256_file(told) if told and told.is_file() else "",
        pose_sha256=(
            pose_digest(raw, skeleton, more.get("start", 0), more.get("stop", 0))
            if told and told.is_dir()
            else ""
        ),
        **more,
    )  # fmt: skip


def build(
    raw: Path, samples: list[Sample], params: dict[str, Any], mosaics: MosaicParams | None = None
) -> Ledger:
    """Both stages, in this process, whatever becomes of the clips: the first one's ledger."""
    whole = SkeletonParams.model_validate({"max_quarantined": 1.0, **params})
    cut = mosaics or MosaicParams(cell=10, size="native", columns=4)
    root, index = raw.parent, Index(tuple(sorted(samples)), ("x",))
    with suppress(StroiError):
        build_skeletons(raw, index, root / "skeletons", whole, Workers(), root / "store", cut)
        build_mosaics(
            raw, index, root / "skeletons", root / "mosaics", cut, Workers(), root / "store"
        )
    return read_ledger(root / "skeletons")


def mosaic(root: Path, row: int) -> dict[str, NDArray[Any]]:
    """The arrays of one clip."""
    (shard,) = sorted((root / "mosaics").glob("*.h5"))
    return {
        field: array[row].copy()
        for field, array in map_arrays(MOSAICS, shard).items()
        if len(array.shape) and field != "sample_id"
    }


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    (tmp_path / "raw").mkdir()
    return tmp_path / "raw"


def test_from_a_sensors_file_to_mosaics_without_an_estimator(
    raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    left = person(T, at=-0.8, seed=1)
    right = person(T, at=0.8, wave=0.5, seed=2)
    bodies: Bodies = {
        ID: (range(T), right),
        # The left one is lost for two frames and found under another id.
        ID + 5: (range(8), left[:8]),
        ID + 4: (range(10, T), left[10:]),
        ID + 1: (range(T), furniture(T, at=0)),
    }
    states = np.full((T, 25), 2)
    states[3] = 1
    (raw / "both.skeleton").write_bytes(skeleton_text(T, bodies, state=states))
    video(raw / "both.avi", scene({"left": left, "right": right}))
    (raw / "one.skeleton").write_bytes(skeleton_text(T, {ID: (range(T), left)}))
    video(raw / "one.avi", scene({"left": left}))
    clips = [sample(raw, name, skeleton=f"{name}.skeleton") for name in ("both", "one")]
    ledger = build(raw, clips, {"source": "kinect", "fill_gap": 3})
    assert not ledger.quarantined
    assert "skeletons from the sensor's own files" in capsys.readouterr().out
    said = {one.id: one.detail for one in ledger.outcomes}
    assert said["both"] == (
        "kinect, 4 ids of bodies; 2 of at most 2 people in 18 frames, seen in 100% and 100%;"
        f" {2 * 17} missing joints interpolated"
    )
    clip = SkeletonCache(raw.parent / "skeletons")["both"]
    assert (clip.person_count, clip.width, clip.height, clip.fps) == (2, *SIZE, 30)
    for number, joints in enumerate((left, right)):
        found = clip.keypoints[:, number, HANDS]
        wanted = (colour(joints) / 5)[:, [10, 6]]
        seen = [*range(8), *range(10, T)]
        np.testing.assert_allclose(found[seen, :, :2], wanted[seen], atol=1e-3)
        assert (found[3, :, 2] == 0.5).all()
        assert (found[5, :, 2] == 1).all()
    cut = mosaic(raw.parent, 0)
    assert cut["valid"].all()
    for row in range(5):
        for column in range(4):
            # Two people share a cell: the left one's half is the left one.
            cell = cut["mosaic"][10 * row : 10 * row + 10, 10 * column : 10 * column + 10]
            for name, half in (("left", cell[:, :5]), ("right", cell[:, 5:])):
                middle = half[4:6, 2:4].reshape(-1, 3)
                assert (middle == PAINT[name][::-1]).mean() > 0.7, (name, row, column)
    manifest = read_manifest(raw.parent / "skeletons")
    assert (manifest.producer["estimator"], manifest.params["source"]) == ("kinect", "kinect")
    assert set(manifest.files[-1].inputs) == {"video", "skeleton"}


def test_sensors_files_that_cannot_serve_have_their_reason(raw: Path) -> None:
    joints = person(T, at=0)
    pictures = scene({"left": joints})
    text = skeleton_text(T, {ID: (range(T), joints)})
    for name in ("good", "changed", "long", "square", "without"):
        video(raw / f"{name}.avi", pictures)
        (raw / f"{name}.skeleton").write_bytes(text)
    video(raw / "long.avi", pictures + pictures)
    video(raw / "square.avi", [picture[:, :216] for picture in pictures])
    clips = {
        name: sample(raw, name, skeleton=f"{name}.skeleton")
        for name in ("good", "changed", "long", "square")
    }
    clips["without"] = sample(raw, "without")
    clips["unseen"] = replace(clips["good"], id="unseen", video="", bytes=0, sha256="")
    (raw / "changed.skeleton").write_bytes(text + b"\n")
    ledger = build(raw, list(clips.values()), {"source": "kinect"})
    assert ledger.done == ("good",)
    assert {one.id: one.code for one in ledger.quarantined} == {
        "changed": "SKEL_CHANGED", "long": "SKEL_FRAMES", "square": "SKEL_SIZE",
        "unseen": "VIDEO_NONE", "without": "SKEL_MISSING",
    }  # fmt: skip
    told = {one.id: one.detail for one in ledger.quarantined}
    assert told["unseen"].endswith("; add the video, or train the graph network alone")
    assert "put the sensor's file there, or let skeletons.source be" in told["without"]


@pytest.fixture
def counting(monkeypatch: pytest.MonkeyPatch) -> Counting:
    """An estimator that finds one person whose left ear tells the number of the frame."""
    found = Counting()
    monkeypatch.setattr(detect, "load", lambda params: found)
    return found


def test_sampled_looks_at_no_more_than_the_mosaics_need(raw: Path, counting: Counting) -> None:
    video(raw / "a.avi", [numbered(number) for number in range(60)])
    clips = [sample(raw, "a")]
    all_of_it = build(raw, clips, {"source": "movenet"})
    assert counting.calls == 60
    whole = mosaic(raw.parent, 0)
    assert "in 60 frames" in all_of_it.outcomes[0].detail
    counting.calls = 0
    sparse = build(raw, clips, {"source": "movenet", "frames": "sampled"})
    looked = counting.calls
    assert 4 < looked < 20
    assert f"in {looked} of 60 frames, seen in 100%; 0 missing" in sparse.outcomes[0].detail
    some = mosaic(raw.parent, 0)
    for field in whole:
        np.testing.assert_array_equal(some[field], whole[field], err_msg=field)
    manifest = read_manifest(raw.parent / "skeletons")
    assert manifest.params["frames"] == "sampled"
    assert manifest.producer["frames"] == {"columns": 4, "candidates": 0, "sampling": "interior"}
    # Nothing is looked at twice, and other columns look anew.
    build(raw, clips, {"source": "movenet", "frames": "sampled", "fill_gap": 2})
    assert counting.calls == looked
    other = MosaicParams(cell=10, size="native", columns=4, candidates=9)
    build(raw, clips, {"source": "movenet", "frames": "sampled"}, other)
    assert counting.calls > looked + 8
    assert mosaic(raw.parent, 0)["valid"].any()


def test_all_frames_know_nothing_of_the_mosaics(raw: Path, counting: Counting) -> None:
    video(raw / "a.avi", [numbered(number) for number in range(20)])
    build(raw, [sample(raw, "a")], {"source": "movenet"})
    first = (raw.parent / "skeletons" / "manifest.json").read_bytes()
    build(raw, [sample(raw, "a")], {"source": "movenet"}, MosaicParams(cell=8, columns=7, size=40))
    assert (raw.parent / "skeletons" / "manifest.json").read_bytes() == first
    assert counting.calls == 20
    assert "frames" not in read_manifest(raw.parent / "skeletons").params


@pytest.mark.parametrize("frames", ["all", "sampled"])
def test_parts_of_a_video_are_estimated_alone(raw: Path, counting: Counting, frames: str) -> None:
    video(raw / "long.avi", [numbered(number) for number in range(70)])
    clips = [
        sample(raw, "a", file="long.avi", start=5, stop=25),
        sample(raw, "b", file="long.avi", start=30),
    ]
    ledger = build(raw, clips, {"source": "movenet", "frames": frames})
    assert not ledger.quarantined
    cache = SkeletonCache(raw.parent / "skeletons")
    for name, start, count in (("a", 5, 20), ("b", 30, 40)):
        ears = cache[name].keypoints[:, 0, 18, 0]
        assert len(ears) == count
        shown = np.flatnonzero(ears)
        assert (ears[shown] == start + shown).all()
        assert len(shown) == count if frames == "all" else len(shown) < count
    assert set(read_manifest(raw.parent / "skeletons").files[-1].inputs) == {"video", "segment"}
    before = counting.calls
    moved = [replace(clips[0], start=6), clips[1]]
    build(raw, moved, {"source": "movenet", "frames": frames})
    assert 0 < counting.calls - before <= 19


def sitting(x: float) -> NDArray[np.float32]:
    """A person of half the height, inside a frame of 320 x 160 px."""
    person = body(BODY_25, x, 80)
    person[:, 1] = 80 + (person[:, 1] - 80) / 2
    return person


def test_parts_of_a_video_take_the_whole_videos_json(raw: Path) -> None:
    video(raw / "long.avi", [numbered(number) for number in range(40)])
    people = {number: [sitting(100 + number)] for number in range(40) if number != 12}
    write(raw / "json", people)

    def clips() -> list[Sample]:
        return [
            sample(raw, "a", file="long.avi", skeleton="json", start=8, stop=20),
            sample(raw, "b", file="long.avi", skeleton="json", start=20),
        ]

    ledger = build(raw, clips(), {"source": "openpose-json"})
    assert not ledger.quarantined
    said = [one.detail for one in ledger.outcomes]
    assert said[0].startswith("openpose-json; 1 of at most 2 people in 12 frames, seen in 100%")
    assert "; frames without a skeleton: 1; not compared with the video: movenet finds " in said[0]
    assert said[1].startswith("openpose-json; 1 of at most 2 people in 20 frames, seen in 100%; 0 ")
    cache = SkeletonCache(raw.parent / "skeletons")
    hip = BODY_25.index("mid_hip")
    np.testing.assert_allclose(cache["a"].keypoints[:, 0, hip, 0], 108 + np.arange(12), atol=0.01)
    np.testing.assert_allclose(cache["b"].keypoints[:, 0, hip, 0], 120 + np.arange(20), atol=0.01)
    # Another frame's file is another clip's affair.
    before = {path.name for path in (raw.parent / "store" / "detections").iterdir()}
    write(raw / "json", {30: [sitting(200)]})
    build(raw, clips(), {"source": "openpose-json"})
    now = {path.name for path in (raw.parent / "store" / "detections").iterdir()}
    assert len(now - before) == 1


def test_parts_of_a_video_take_the_whole_videos_sensor_file(raw: Path) -> None:
    joints = person(T, at=0)
    (raw / "all.skeleton").write_bytes(skeleton_text(T, {ID: (range(T), joints)}))
    video(raw / "all.avi", scene({"left": joints}))
    clips = [
        sample(raw, "a", file="all.avi", skeleton="all.skeleton", start=2, stop=9),
        sample(raw, "b", file="all.avi", skeleton="all.skeleton", start=9),
    ]
    assert not build(raw, clips, {"source": "kinect"}).quarantined
    cache = SkeletonCache(raw.parent / "skeletons")
    hands = (colour(joints) / 5)[:, 10]
    for name, part in (("a", slice(2, 9)), ("b", slice(9, T))):
        np.testing.assert_allclose(
            cache[name].keypoints[:, 0, HANDS[0], :2], hands[part], atol=1e-3
        )


def test_mosaics_of_another_source_are_warned_of(
    raw: Path, counting: Counting, capsys: pytest.CaptureFixture[str]
) -> None:
    joints = person(T, at=0)
    (raw / "a.skeleton").write_bytes(skeleton_text(T, {ID: (range(T), joints)}))
    video(raw / "a.avi", [numbered(number) for number in range(T)])
    clips = [sample(raw, "a", skeleton="a.skeleton")]
    build(raw, clips, {"source": "movenet"})
    assert "warning" not in capsys.readouterr().out
    build(raw, clips, {"source": "movenet", "fill_gap": 1})
    assert "warning" not in capsys.readouterr().out
    build(raw, clips, {"source": "kinect"})
    said = capsys.readouterr().out
    assert "warning: " in said
    assert f"{raw.parent / 'mosaics'} comes from movenet " in said
