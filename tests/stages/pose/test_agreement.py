"""People from files against the video: other sizes, other videos, other numbers are never taken."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from openpose_folders import body, write

from stroi.cache.errors import ClipRejected
from stroi.cache.files.digests import sha256_bytes
from stroi.cache.layouts import BODY_25
from stroi.cache.manifest import read_manifest
from stroi.cache.skeletons import SkeletonCache
from stroi.pipeline.index.table import Index, Sample
from stroi.pipeline.parallel.executor import Workers
from stroi.pipeline.params.profile import SkeletonParams
from stroi.stages.demo.clips import plan_demo
from stroi.stages.demo.render import render_clip
from stroi.stages.pose.agreement import JOINTS, MIRRORED, frames_to_keep, match
from stroi.stages.pose.detections import Detections
from stroi.stages.pose.estimators.movenet import MoveNet
from stroi.stages.pose.readers.openpose_files import pose_digest
from stroi.stages.pose.readers.openpose_folder import read_detections, read_folder
from stroi.stages.skeletons import build_skeletons
from stroi.stages.video.fingerprint import measure_clip
from stroi.stages.video.reader import read_frames

REFUSALS = {"POSE_OUTSIDE", "POSE_SIZE", "POSE_VIDEO", "POSE_SCALE"}
People = list[NDArray[np.float32]]


class Remembering:
    """The embedded estimator, which finds the people of a picture only once."""

    def __init__(self) -> None:
        self._movenet = MoveNet()
        self.name, self.digest, self.info = "movenet", self._movenet.digest, self._movenet.info
        self._known: dict[str, NDArray[np.float32]] = {}

    def __call__(self, bgr: NDArray[np.uint8]) -> NDArray[np.float32]:
        key = sha256_bytes(bgr.tobytes())
        if key not in self._known:
            self._known[key] = self._movenet(bgr)
        return self._known[key]


estimator = cache(Remembering)


@dataclass(frozen=True)
class Source:
    """A video, and everybody in each of its frames as OpenPose would write them."""

    video: Path
    people: People = field(repr=False)
    kind: str


def rendered(folder: Path) -> Iterator[Source]:
    """One clip of each pair of classes, by another person each."""
    plan = plan_demo(seed=0, subjects=6, frames=(32, 34))
    labels = ("drink", "give_letter", "lift_fast", "read", "step_slow", "wave_fast")
    for number, label in enumerate(labels, 1):
        name = f"{label}_s{number:02d}_c{1 + number % 2}"
        clip = next(one for one in plan if one.sample_id == name)
        truth = render_clip(clip, folder / f"{name}.avi")
        people = [frame[: truth.person_count] for frame in truth.keypoints]
        yield Source(folder / f"{name}.avi", people, "rendered")


def recorded(folder: Path, data: Path) -> Iterator[Source]:
    """Real clips with real OpenPose output, at a third of their size."""
    for name in ("pose2sim_multi_cam01", "pose2sim_single_cam03"):
        video, files = data / "clips" / f"{name}.mp4", data / "openpose_json" / name
        if not video.is_file() or not files.is_dir():
            continue
        small = cv2.VideoWriter(
            str(folder / f"{name}.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 30, (363, 640)
        )
        with read_frames(video) as frames:
            for frame in frames:
                small.write(cv2.resize(frame, (363, 640), interpolation=cv2.INTER_AREA))
        small.release()
        people = read_folder(files, frames.info.frames, "BODY_25B")
        for frame in people:
            frame[..., :2] /= 3
        yield Source(folder / f"{name}.avi", people, "recorded")


@pytest.fixture(scope="module")
def sources(root: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Source]:
    folder = tmp_path_factory.mktemp("sources")
    return [*rendered(folder), *recorded(folder, root.parent / "shared" / "data")]


def read(
    source: Source, people: Sequence[NDArray[np.float32]] | None = None, first: int = 0
) -> Detections:
    """What the stage reads of files with these people, numbered from `first`."""
    with tempfile.TemporaryDirectory() as folder:
        frames = enumerate(source.people if people is None else people)
        write(Path(folder) / "clip", {first + at: list(frame) for at, frame in frames})
        return read_detections(
            Path(folder) / "clip", source.video, estimator=estimator(), compared=3
        )


def scaled(people: Sequence[NDArray[np.float32]], scale: float) -> People:
    factor = np.array([scale, scale, 1], np.float32)
    return [frame * factor for frame in people]


def of_another(sources: Sequence[Source], mine: int, step: int) -> People:
    """The people of another video of the kind, as many frames as this one has."""
    same = [one for one in sources if one.kind == sources[mine].kind]
    other = same[(same.index(sources[mine]) + 1 + step % (len(same) - 1)) % len(same)].people
    return [other[at % len(other)] for at in range(len(sources[mine].people))]


CHANGES = st.one_of(
    st.tuples(st.just("scale"), st.floats(0.05, 0.8) | st.floats(1.25, 8)),
    st.tuples(st.just("swap"), st.integers(0, 5)),
    st.tuples(st.just("number"), st.integers(1, 5000)),
)


def check_change(sources: Sequence[Source], mine: int, change: tuple[str, Any]) -> None:
    source, (kind, value) = sources[mine % len(sources)], change
    if kind == "number":
        found = read(source, first=value)
        np.testing.assert_array_equal(found.people, read(source).people)
        assert found.remark.startswith(f"files numbered from {value}; ")
        return
    wrong = (
        scaled(source.people, value)
        if kind == "scale"
        else of_another(sources, mine % len(sources), value)
    )
    with pytest.raises(ClipRejected) as caught:
        read(source, wrong)
    assert caught.value.code in REFUSALS


@settings(max_examples=15, deadline=None)
@given(mine=st.integers(0, 7), change=CHANGES)
def test_what_is_of_another_video_is_corrected_or_refused(
    sources: list[Source], mine: int, change: tuple[str, Any]
) -> None:
    check_change(sources, mine, change)


@pytest.mark.nightly
@settings(max_examples=200, deadline=None)
@given(mine=st.integers(0, 7), change=CHANGES)
def test_200_times(sources: list[Source], mine: int, change: tuple[str, Any]) -> None:
    check_change(sources, mine, change)


def test_the_right_files_are_taken(sources: list[Source]) -> None:
    for source in sources:
        assert "movenet agrees in " in read(source).remark, source.video.name


def test_parts_of_the_clips_are_taken(sources: list[Source]) -> None:
    """Short clips; in the last third of one a person was drawn over the one whom OpenPose saw."""
    for source in sources:
        for start in range(0, 50 if source.kind == "recorded" else 1, 16):
            with tempfile.TemporaryDirectory() as folder:
                write(Path(folder) / "c", {at: list(p) for at, p in enumerate(source.people)})
                found = read_detections(
                    Path(folder) / "c",
                    source.video,
                    start=start,
                    stop=start + 20,
                    estimator=estimator(),
                    compared=3,
                )
            assert "movenet agrees in " in found.remark, (source.video.name, start)


def test_real_size_names_the_factor_and_another_video_the_column(sources: list[Source]) -> None:
    source = sources[0]
    with pytest.raises(ClipRejected) as caught:
        read(source, scaled(source.people, 0.5))
    assert caught.value.code == "POSE_SIZE"
    assert caught.value.message == (
        "in 9 of 9 frames of 'drink_s01_c2.avi' the people of the JSON files are not where the"
        " video shows people: the files are of a picture 0.50 times as large"
    )
    assert caught.value.remedy.startswith("run OpenPose with --keypoint_scale 0 on the video")
    with pytest.raises(ClipRejected) as caught:
        read(source, of_another(sources, 0, 2))
    assert caught.value.code == "POSE_VIDEO"
    assert caught.value.message.endswith("the files may be of another video")
    assert "set skeletons.openpose_json.compare_frames to 0" in caught.value.remedy


@pytest.mark.parametrize("picture", ["grey", "noise", "depth"])
def test_what_cannot_be_judged_is_told(tmp_path: Path, picture: str) -> None:
    rng = np.random.default_rng(0)
    rows = np.broadcast_to(np.linspace(20, 230, 240)[:, None, None], (240, 320, 3))
    pictures: Mapping[str, NDArray[Any]] = {
        "grey": np.full((240, 320, 3), 90),
        "noise": rng.integers(0, 255, (240, 320, 3)),
        "depth": rows,
    }
    writer = cv2.VideoWriter(
        str(tmp_path / "v.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 25, (320, 240)
    )
    for _ in range(8):
        writer.write(np.asarray(pictures[picture], np.uint8))
    writer.release()
    source = Source(tmp_path / "v.avi", [body(BODY_25)[None]] * 8, "grey")
    assert read(source).remark == (
        "not compared with the video: movenet finds people in 0 of 3 frames"
    )
    nobody: People = [np.zeros((0, 25, 3), np.float32)] * 8
    assert read(source, nobody).remark == (
        "not compared with the video: movenet finds people in 0 of 0 frames"
    )


def test_pictures_are_kept_of_frames_all_over_the_clip() -> None:
    assert frames_to_keep(90, 3) == [5, 15, 25, 35, 45, 55, 65, 75, 85]
    assert frames_to_keep(4, 3) == [0, 1, 2, 3]
    assert frames_to_keep(90, 0) == []


def test_frames_without_people_are_not_compared(sources: list[Source]) -> None:
    source = sources[0]
    half = len(source.people) // 2
    late = [frame[:0] if at < half else frame for at, frame in enumerate(source.people)]
    assert read(source, late).remark == "movenet agrees in 3 of 3 frames"


def test_left_and_right_exchanged_is_the_same_person() -> None:
    names = [BODY_25.joints[joint] for joint in JOINTS]
    swapped = [names[joint] for joint in MIRRORED]
    exchange = {"left": "right", "right": "left", "nose": "nose"}
    assert swapped == [name.replace((s := name.split("_")[0]), exchange[s]) for name in names]
    one, other = body(BODY_25)[None], body(BODY_25)[None].copy()
    other[:, JOINTS] = other[:, np.array(JOINTS)[MIRRORED]]
    found = match(one, other, 1.25)
    assert found is not None
    assert found.distance == 0
    assert found.agrees()


@pytest.mark.parametrize("scale", [0.8, 0.85, 1.18, 1.25])
def test_a_person_of_another_size_around_the_same_middle_is_another(scale: float) -> None:
    one, other = body(BODY_25)[None], body(BODY_25)[None].copy()
    middle = np.median(one[0, JOINTS, :2], axis=0)
    one[..., :2] = middle + scale * (one[..., :2] - middle)
    found = match(one, other, 4.0)
    assert found is not None
    assert found.scale == pytest.approx(scale, abs=0.01)
    assert not found.agrees()


def test_too_few_joints_are_not_compared() -> None:
    one, other = body(BODY_25)[None], body(BODY_25)[None].copy()
    other[:, JOINTS[5:], 2] = 0.2
    assert match(one, other, 1.25) is None
    assert match(one, other[:0], 1.25) is None


def test_the_stage_quarantines_by_name_and_never_makes_them(
    sources: list[Source], tmp_path: Path
) -> None:
    source = sources[0]
    cases: dict[str, tuple[People, int, str]] = {
        "right": (source.people, 0, ""),
        "from_1": (source.people, 1, ""),
        "six_times": (scaled(source.people, 6), 0, "POSE_OUTSIDE"),
        "half": (scaled(source.people, 0.5), 0, "POSE_SIZE"),
        "other_video": (of_another(sources, 0, 2), 0, "POSE_VIDEO"),
    }
    sha256, size = measure_clip(source.video)
    raw = tmp_path / "raw"
    samples = []
    for name, (people, first, _) in cases.items():
        files = {first + at: list(frame) for at, frame in enumerate(people)}
        write(raw / "openpose-json" / name, files, "img-{:04d}_keypoints.json")
        (raw / f"{name}.avi").hardlink_to(source.video)
        pose = pose_digest(raw, f"openpose-json/{name}")
        samples.append(
            Sample(name, f"{name}.avi", "drink", bytes=size, sha256=sha256, pose_sha256=pose)
        )
    index = Index(tuple(sorted(samples)), ("drink",))
    params = SkeletonParams.model_validate({"source": "openpose-json", "max_quarantined": 1})
    out, store = tmp_path / "out", tmp_path / "store"
    ledger = build_skeletons(raw, index, out, params, Workers(), store)
    assert {one.id: one.code for one in ledger.outcomes} == {
        name: code for name, (_, _, code) in cases.items()
    }
    cache = SkeletonCache(out)
    np.testing.assert_array_equal(cache["from_1"].keypoints, cache["right"].keypoints)
    said = {one.id: one.detail for one in ledger.outcomes}
    assert said["right"].endswith("; movenet agrees in 3 of 3 frames")
    assert "; files numbered from 1; movenet agrees in 3 of 3 frames" in said["from_1"]
    # Without the comparison nothing shows that a half is one: the param is part of the key.
    blind = params.replace(openpose_json=params.openpose_json.replace(compare_frames=0))
    ledger = build_skeletons(raw, index, out, blind, Workers(), store)
    assert {one.id for one in ledger.quarantined} == {"six_times"}
    assert "compared" not in str(read_manifest(out).producer)
