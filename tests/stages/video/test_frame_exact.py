"""Pose and crops see the same frames: the pixels of every mosaic cell tell their frame's number."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from numbered import TILE, count_to, kinds_of_frames, number_of, still, write_video
from numpy.typing import NDArray
from small_caches import write_skeletons

from stroi.cache.rois import row_joints
from stroi.cache.skeletons import Clip
from stroi.pipeline.params.profile import MosaicParams
from stroi.stages.mosaics import make_mosaic
from stroi.stages.pose.detections import detect
from stroi.stages.pose.tracking.person_selection import main_persons
from stroi.stages.pose.tracking.tracking import track
from stroi.stages.video.clip_input import ClipInput
from stroi.stages.video.decoding import kept_open
from stroi.stages.video.fingerprint import measure_clip
from stroi.stages.video.reader import read_frames, read_selected

FRAMES = 90
CELL = TILE[0]
"""Cells of two whole tiles, stored as they were cut."""

H264 = {"bf": "3", "sc_threshold": "0"}


@dataclass(frozen=True)
class Case:
    """A way of encoding and the kinds of frames that it must have come to."""

    name: str
    codec: str
    options: dict[str, str] = field(default_factory=dict)
    gop: int = 1000
    steps: tuple[int, ...] = (1,)
    few_keys: bool = True
    turn: int = 0


FOLDER = "frame_{number}_tc_{time}_rgb.jpg"

CASES: list[Case | str] = [
    FOLDER,
    Case("mjpg.avi", "mjpeg", {"qscale": "3"}, gop=1, few_keys=False),
    Case("b-frames.avi", "mpeg4", {"bf": "2", "qscale": "3"}),
    Case("b-frames.mp4", "mpeg4", {"bf": "2", "qscale": "3"}),
    Case("long-gop.mp4", "libx264", H264),
    Case("long-gop.mkv", "libx264", H264),
    Case("long-gop.avi", "libx264", H264),
    Case("uneven-times.mp4", "libx264", H264, steps=(1, 3, 1, 7)),
    Case("uneven-times.mkv", "libx264", H264, steps=(1, 3, 1, 7)),
    Case("b-frames.mpg", "mpeg2video", {"bf": "2", "qscale": "3"}, gop=30, few_keys=False),
    Case("long-gop.m2ts", "libx264", H264),
    Case("long-gop.flv", "libx264", H264),
    Case("b-frames.wmv", "mpeg4", {"bf": "2", "qscale": "3"}),
    Case("turned.mp4", "libx264", H264, turn=90),
    Case("upside-down.mov", "libx264", H264, turn=180),
    Case("turned.mkv", "libx264", H264, turn=270),
]


class Reader:
    """An estimator that finds one person with fixed joints, whose left ear is at x = number."""

    name = "reader"
    digest = "0" * 64

    def info(self) -> dict[str, Any]:
        """Nothing."""
        return {}

    def __call__(self, bgr: NDArray[np.uint8]) -> NDArray[np.float32]:
        person = np.zeros((1, 25, 3), np.float32)
        person[0, :, :2] = 4.5 * CELL, 2.5 * CELL
        for row, (joint,) in enumerate(row_joints()):
            person[0, joint, :2] = (1.5 + row) * CELL, (0.5 + row % 4) * CELL
        person[0, 18, :2] = number_of(bgr), 10
        person[..., 2] = 0.9
        return person


@pytest.fixture(scope="module", params=CASES, ids=lambda case: getattr(case, "name", "folder"))
def video(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    case: Case | str = request.param
    if isinstance(case, str):
        folder = tmp_path_factory.mktemp("clip")
        for number in range(FRAMES):
            still(folder / case.format(number=number + 3, time=31 * number), number)
        return folder
    path = tmp_path_factory.mktemp("video") / case.name
    write_video(
        path,
        case.codec,
        count_to(FRAMES),
        options=case.options,
        gop=case.gop,
        steps=case.steps,
        turn=case.turn,
    )
    kinds = kinds_of_frames(path)
    assert len(kinds) == FRAMES
    if case.few_keys:
        assert kinds.count("B") > FRAMES / 4
        assert kinds.count("I") < FRAMES / 8
    return path


def estimated(video: Path) -> Clip:
    """The clip's skeleton by the stage's own steps."""
    found = detect(video, Reader())
    keypoints, count = main_persons(track(found.by_frame(), fps=found.fps))
    return Clip(keypoints, count, found.width, found.height, found.fps)


@pytest.mark.parametrize(
    ("sampling", "columns"), [("interior", 5), ("centre", 64), ("paper", 64), ("paper", 5)]
)
def test_every_cell_shows_the_frame_that_the_skeleton_was_found_in(
    video: Path,
    tmp_path: Path,
    sampling: Literal["interior", "centre", "paper"],
    columns: int,
) -> None:
    clip = estimated(video)
    assert clip.keypoints[:, 0, 18, 0].tolist() == list(range(FRAMES))
    folder = write_skeletons(tmp_path / "skeletons", {"clip": clip})
    cut = make_mosaic(
        ClipInput("clip", video.parent, video.name, "", {"video": measure_clip(video)[0]}),
        skeletons=folder,
        skeletons_sha256="",
        params=MosaicParams(columns=columns, sampling=sampling, cell=CELL, size=5 * CELL),
    )
    cells = cut.mosaic.reshape(5, CELL, columns, CELL, 3).swapaxes(1, 2)
    shown = [[number_of(cells[row, column]) for column in range(columns)] for row in range(5)]
    assert shown == [cut.frame_index.tolist()] * 5
    assert cut.valid[0].all()
    if sampling == "paper":
        assert cut.frame_index[-1] == FRAMES - 1


def test_reading_again_gives_the_same_pixels(video: Path) -> None:
    first, second = read_frames(video), read_frames(video)
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(("start", "stop"), [(0, 1), (1, 2), (37, 61), (46, 90), (88, 0), (0, 90)])
def test_a_segment_is_the_frames_of_the_full_pass(video: Path, start: int, stop: int) -> None:
    expected = list(range(start, stop or FRAMES))
    frames = read_frames(video, start, stop)
    assert [number_of(frame) for frame in frames] == expected
    assert frames.info.frames == len(expected)
    wanted = [len(expected) - 1, 0, len(expected) // 2]
    found = read_selected(video, wanted, start, stop)
    assert {at: number_of(frame) for at, frame in found.items()} == {
        at: expected[at] for at in wanted
    }


def test_pixels_of_a_segment_are_those_of_the_full_pass(video: Path) -> None:
    every = list(read_frames(video))
    for one, other in zip(read_frames(video, 41, 59), every[41:59], strict=True):
        np.testing.assert_array_equal(one, other)


def test_segments_in_turn_are_each_decoded_once_and_show_their_own_frames(
    video: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Path] = []
    plain = kept_open.open_video
    monkeypatch.setattr(kept_open, "open_video", lambda path: (opened.append(path), plain(path))[1])
    every = list(read_frames(video))
    kept_open.close_all()
    opened.clear()
    for start, stop in ((3, 17), (17, 30), (41, 60), (60, 61), (72, 90)):
        for one, other in zip(read_frames(video, start, stop), every[start:stop], strict=True):
            np.testing.assert_array_equal(one, other)
    assert opened == ([] if video.is_dir() else [video])
    found = read_selected(video, [7, 2], 60, 70)
    np.testing.assert_array_equal(found[2], every[62])
    np.testing.assert_array_equal(read_selected(video, [3], 67, 80)[3], every[70])
    np.testing.assert_array_equal(read_selected(video, [3], 71, 80)[3], every[74])
    assert opened == ([] if video.is_dir() else [video] * 3)
