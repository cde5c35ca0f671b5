"""Eq. 1: every cell shows the joint, the frame and the person that it stands for."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal
from unittest.mock import patch

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from stroi.cache.errors import ClipRejected
from stroi.cache.layouts import BODY_25
from stroi.cache.skeletons import Clip
from stroi.pipeline.params.profile import MosaicParams
from stroi.stages.mosaic.cut import Cut, cut_mosaic
from stroi.stages.video.frame_sampling import sample_frames
from stroi.stages.video.reader import read_selected

WIDTH, HEIGHT, FRAMES = 160, 120, 12
JOINTS = ("nose", "right_wrist", "left_wrist", "right_ankle", "left_ankle")
INDEX = np.array([1, 4, 6, 9, 11], np.int32)
Frame = NDArray[np.uint8]


def clip_of(keypoints: NDArray[np.float32], count: int) -> Clip:
    return Clip(keypoints, count, WIDTH, HEIGHT, 25.0)


def scene(seed: int, count: int, people: int = 2) -> tuple[dict[int, Frame], Clip]:
    """Noise frames and joints in, at and beyond the frame's border, a fifth of them missing."""
    rng = np.random.default_rng(seed)
    frames = {i: rng.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8) for i in range(FRAMES)}
    keypoints = np.zeros((FRAMES, people, 25, 3), np.float32)
    keypoints[:, :count, :, 0] = rng.integers(-30, WIDTH + 30, (FRAMES, count, 25))
    keypoints[:, :count, :, 1] = rng.integers(-30, HEIGHT + 30, (FRAMES, count, 25))
    keypoints[:, :count, :, 2] = rng.uniform(0.3, 1, (FRAMES, count, 25))
    low = rng.random((FRAMES, people, 25)) < 0.2
    keypoints[..., 2][low] *= rng.integers(0, 2, low.sum()) * 0.5
    keypoints[keypoints[..., 2] == 0] = 0
    return frames, clip_of(keypoints, count)


def by_hand(frames: dict[int, Frame], clip: Clip, cell: int, side: int, limit: float) -> Cut:
    """The paper's mosaic pixel by pixel: a cell shrinks by block means, cell = k * side."""
    k = cell // side
    shares, people = clip.person_count, clip.keypoints.shape[1]
    mosaic = np.zeros((5 * side, len(INDEX) * side, 3))
    box = np.zeros((people, len(INDEX), 5, 4))
    valid = np.zeros((people, len(INDEX), 5), bool)
    confidence = np.zeros((people, len(INDEX), 5), np.float32)
    for column, time in enumerate(INDEX):
        canvas = np.zeros((HEIGHT + 400, WIDTH + 400, 3))
        canvas[200:-200, 200:-200] = frames[int(time)]
        for person in range(shares):
            for row, name in enumerate(JOINTS):
                x, y, c = clip.keypoints[time, person, BODY_25.index(name)]
                confidence[person, column, row] = c
                x0, y0 = int(x) - cell // shares // 2, int(y) - cell // 2
                x1, y1 = x0 + cell // shares, y0 + cell
                if c < limit or c == 0 or x1 <= 0 or y1 <= 0 or x0 >= WIDTH or y0 >= HEIGHT:
                    continue
                patch = canvas[y0 + 200 : y1 + 200, x0 + 200 : x1 + 200]
                small = patch.reshape(side, k, side // shares, k, 3).mean(axis=(1, 3))
                left = column * side + person * side // shares
                target = np.s_[row * side : (row + 1) * side, left : left + side // shares]
                mosaic[target] = small[..., ::-1]
                box[person, column, row] = (x0, y0, x1, y1)
                valid[person, column, row] = True
    return Cut(mosaic, INDEX, box, confidence, valid, shares)  # type: ignore[arg-type]


COUNTS = st.sampled_from([(n, people) for people in range(1, 5) for n in range(1, people + 1)])
"""Persons of a clip, and the most that it could have."""


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), counts=COUNTS, k=st.sampled_from([1, 2, 3]))
def test_mosaic_is_equation_1(seed: int, counts: tuple[int, int], k: int) -> None:
    frames, clip = scene(seed, *counts)
    found = cut_mosaic(frames, clip, INDEX, MosaicParams(cell=24 * k, size=120, min_confidence=0.4))
    expected = by_hand(frames, clip, 24 * k, 24, 0.4)
    assert found.mosaic.shape == (120, 120, 3)
    assert found.mosaic.dtype == np.uint8
    assert np.abs(found.mosaic - expected.mosaic).max() <= (0 if k == 1 else 1)
    np.testing.assert_array_equal(found.box, expected.box)
    np.testing.assert_array_equal(found.valid, expected.valid)
    np.testing.assert_array_equal(found.confidence, expected.confidence)
    np.testing.assert_array_equal(found.frame_index, INDEX)
    assert found.person_count == counts[0]
    assert found.box.dtype == found.confidence.dtype == np.float32


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), counts=COUNTS, cell=st.sampled_from([24, 48]))
def test_native_cells_are_kept_as_they_were_cut(
    seed: int, counts: tuple[int, int], cell: int
) -> None:
    frames, clip = scene(seed, *counts)
    with patch.object(cv2, "resize", side_effect=AssertionError("a crop was resized")):
        found = cut_mosaic(
            frames, clip, INDEX, MosaicParams(cell=cell, size="native", min_confidence=0.4)
        )
    expected = by_hand(frames, clip, cell, cell, 0.4)
    np.testing.assert_array_equal(found.mosaic, expected.mosaic)
    np.testing.assert_array_equal(found.box, expected.box)
    np.testing.assert_array_equal(found.valid, expected.valid)


def test_sizes_of_the_paper() -> None:
    frames, clip = scene(1, 2)
    cut = cut_mosaic(frames, clip, INDEX, MosaicParams(cell=96, size=225, min_confidence=0.2))
    assert cut.mosaic.shape == (225, 225, 3)
    widths = (cut.box[..., 2] - cut.box[..., 0])[cut.valid]
    heights = (cut.box[..., 3] - cut.box[..., 1])[cut.valid]
    assert set(widths) == {48}
    assert set(heights) == {96}


@pytest.mark.parametrize("count", [2, 3, 4])
@pytest.mark.parametrize("size", [225, 235, "native"])
def test_a_cell_is_filled_whether_it_can_be_divided_or_not(count: int, size: Any) -> None:
    frames = dict.fromkeys(range(FRAMES), np.full((HEIGHT, WIDTH, 3), 200, np.uint8))
    keypoints = np.full((FRAMES, count, 25, 3), (80, 60, 1), np.float32)
    params = MosaicParams(cell=50, size=size, min_confidence=0.2)
    assert (cut_mosaic(frames, clip_of(keypoints, count), INDEX, params).mosaic == 200).all()


def test_red_stays_red() -> None:
    red = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    red[..., 2] = 250
    keypoints = np.full((FRAMES, 2, 25, 3), (80, 60, 1), np.float32)
    keypoints[:, 1] = 0
    frames = dict.fromkeys(range(FRAMES), red)
    cut = cut_mosaic(
        frames, clip_of(keypoints, 1), INDEX, MosaicParams(cell=48, size=225, min_confidence=0.2)
    )
    assert (cut.mosaic == (250, 0, 0)).all()


def test_halves_show_person_0_left_and_person_1_right() -> None:
    frame = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    frame[:, :80], frame[:, 80:] = 50, 150
    keypoints = np.full((FRAMES, 2, 25, 3), (40, 60, 1), np.float32)
    keypoints[:, 1, :, 0] = 120
    frames = dict.fromkeys(range(FRAMES), frame)
    cut = cut_mosaic(
        frames, clip_of(keypoints, 2), INDEX, MosaicParams(cell=48, size=100, min_confidence=0.2)
    )
    cells = cut.mosaic.reshape(5, 20, 5, 20, 3)
    assert (cells[..., :10, :] == 50).all()
    assert (cells[..., 10:, :] == 150).all()


def gap(missing: Literal["black", "nearest"]) -> tuple[dict[int, Frame], Cut]:
    """Every joint seen in frames 3 (at x = 40) and 10 (at x = 120) alone."""
    rng = np.random.default_rng(5)
    frames = {i: rng.integers(1, 256, (HEIGHT, WIDTH, 3), np.uint8) for i in range(FRAMES)}
    keypoints = np.zeros((FRAMES, 2, 25, 3), np.float32)
    keypoints[3, 0], keypoints[10, 0] = (40, 60, 0.8), (120, 60, 0.8)
    clip = clip_of(keypoints, 1)
    return frames, cut_mosaic(
        frames, clip, INDEX, MosaicParams(cell=20, size=100, min_confidence=0.2, missing=missing)
    )


def test_missing_joint_is_a_black_cell_never_the_frames_corner() -> None:
    _, cut = gap("black")
    assert not cut.mosaic.any()
    assert not cut.valid.any()
    assert not cut.box.any()


def test_missing_joint_can_show_its_place_in_the_nearest_frame() -> None:
    frames, cut = gap("nearest")
    assert cut.valid[0].all()
    assert not cut.confidence.any()
    assert cut.box[0, :, 0, 0].tolist() == [30, 30, 30, 110, 110]
    column = cut.mosaic[:20, 40:60]
    np.testing.assert_array_equal(column, frames[6][50:70, 30:50, ::-1])


def test_joint_never_seen_stays_black_with_nearest() -> None:
    frames = dict.fromkeys(range(FRAMES), np.full((HEIGHT, WIDTH, 3), 9, np.uint8))
    clip = clip_of(np.zeros((FRAMES, 2, 25, 3), np.float32), 2)
    cut = cut_mosaic(
        frames, clip, INDEX, MosaicParams(cell=20, size=100, min_confidence=0.2, missing="nearest")
    )
    assert not cut.valid.any()
    assert not cut.mosaic.any()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_joint_that_is_no_number_is_missing(bad: float, axis: int) -> None:
    frames = dict.fromkeys(range(FRAMES), np.full((HEIGHT, WIDTH, 3), 9, np.uint8))
    keypoints = np.full((FRAMES, 2, 25, 3), (80, 60, 1), np.float32)
    keypoints[:, 0, BODY_25.index("left_wrist"), axis] = bad
    cut = cut_mosaic(
        frames, clip_of(keypoints, 1), INDEX, MosaicParams(cell=20, size=100, min_confidence=0)
    )
    assert cut.valid[0, 0].tolist() == [True, True, False, True, True]
    assert cut.confidence[0, 0, 2] == 0


@pytest.mark.parametrize("border", ["black", "edge", "reflect"])
def test_crop_beyond_the_frame_is_missing_whatever_the_border(border: Any) -> None:
    frames = dict.fromkeys(range(FRAMES), np.full((HEIGHT, WIDTH, 3), 9, np.uint8))
    keypoints = np.full((FRAMES, 2, 25, 3), (WIDTH + 10, 60, 1), np.float32)
    keypoints[:, 0, 0, 0] = WIDTH + 9
    cut = cut_mosaic(
        frames, clip_of(keypoints, 1), INDEX, MosaicParams(cell=20, size=100, border=border)
    )
    assert cut.valid[0, 0].tolist() == [True, False, False, False, False]
    assert not cut.mosaic[20:].any()


def test_more_columns_than_five() -> None:
    frames, clip = scene(2, 1)
    index = sample_frames(FRAMES, 8, "centre")
    cut = cut_mosaic(frames, clip, index, MosaicParams(cell=20, size=100, min_confidence=0.2))
    assert cut.mosaic.shape == (100, 160, 3)
    assert cut.valid.shape == (2, 8, 5)


def test_refusals() -> None:
    frames, clip = scene(3, 1)

    def cut(index: NDArray[np.int32] = INDEX) -> Cut:
        return cut_mosaic(frames, clip, index, MosaicParams(cell=48))

    with pytest.raises(ValueError, match=r"cell\n.* multiple of 2"):
        MosaicParams(cell=45)
    frames[12] = frames[11]
    with pytest.raises(ClipRejected, match="frame 12 is needed, the skeletons end after 12"):
        cut(index=np.array([12], np.int32))
    frames[4] = np.zeros((WIDTH, HEIGHT, 3), np.uint8)
    with pytest.raises(ClipRejected) as caught:
        cut()
    assert str(caught.value) == (
        "VIDEO_SIZE: frame 4 is 120 x 160 px, its skeleton was estimated in 160 x 120 px; "
        "estimate the clip's skeleton again from this file"
    )


def golden(index: int) -> Frame:
    """Picture whose colours say frame number (blue), y (green) and x (red)."""
    frame = np.zeros((192, 240, 3), np.uint8)
    frame[..., 0] = 10 + 12 * index
    frame[..., 1] = 20 + np.arange(192)[:, None]
    frame[..., 2] = 8 + np.arange(240)
    return frame


@pytest.mark.parametrize(("fourcc", "suffix"), [("MJPG", "avi"), ("XVID", "avi"), ("mp4v", "mp4")])
@pytest.mark.parametrize("count", [1, 2])
def test_cells_of_a_video_come_from_the_right_frame_and_place(
    tmp_path: Path, fourcc: str, suffix: str, count: int
) -> None:
    path = tmp_path / f"golden.{suffix}"
    code = cv2.VideoWriter.fourcc(*fourcc)
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, code, 25, (240, 192))
    for number in range(20):
        writer.write(golden(number))
    writer.release()
    rng = np.random.default_rng(count)
    keypoints = np.ones((20, 2, 25, 3), np.float32)
    keypoints[..., 0] = rng.integers(24, 216, (20, 2, 25))
    keypoints[..., 1] = rng.integers(24, 168, (20, 2, 25))
    keypoints[:, count:] = 0
    index = sample_frames(20, 5)
    clip = Clip(keypoints, count, 240, 192, 25.0)
    cut = cut_mosaic(
        read_selected(path, index.tolist()),
        clip,
        index,
        MosaicParams(cell=48, size=240, min_confidence=0.2),
    )
    assert index.tolist() == [3, 6, 9, 12, 15]
    for (person, column, row), valid in np.ndenumerate(cut.valid):
        assert valid == (person < count)
        if valid:
            x0, y0, x1, y1 = cut.box[person, column, row].astype(int)
            x, y, _ = keypoints[index[column], person, BODY_25.index(JOINTS[row])]
            assert (x0 + x1, y0 + y1) == (2 * x, 2 * y)
            left = 48 * column + person * 24
            cell = cut.mosaic[48 * row : 48 * row + 48, left : left + x1 - x0].astype(int)
            truth = golden(int(index[column]))[y0:y1, x0:x1, ::-1]
            assert np.abs(cell - truth).mean(axis=(0, 1)).max() < 5
