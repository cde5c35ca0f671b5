"""Long videos in windows: the same as clips of those frames, one pass, bounded memory."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from answering_run import RUN, TEST, video

from stroi.cache.errors import ParamsError
from stroi.stages.predict import windows
from stroi.stages.predict.command import score_windows
from stroi.stages.predict.run import TrainedRun, open_run, predict_video
from stroi.stages.predict.windows import Grid, read_windows, window_grid


@pytest.fixture(scope="module")
def run(project: Path) -> TrainedRun:
    return open_run(RUN, root=project)


def test_a_window_is_the_clip_of_its_frames(project: Path, run: TrainedRun) -> None:
    path = video(project, "give_bottle_s02_c1")
    grid = window_grid(path, 1.0, 0.5)
    assert (grid.length, grid.stride, grid.count) == (15, 8, 3)
    read = read_windows(path, grid, run.plan, run.recipe.mosaics)
    found = list(score_windows(run, read))
    assert [window.start for window, _ in found] == [0, 8, 16]
    for window, answer in found:
        alone = predict_video(run, path, start=window.start, stop=window.stop)
        assert window.clip is not None
        assert answer is not None
        np.testing.assert_array_equal(window.clip.cut.mosaic, alone.clip.cut.mosaic)
        np.testing.assert_array_equal(window.clip.cut.frame_index, alone.clip.cut.frame_index)
        for branch, scores in alone.answer.scores.items():
            np.testing.assert_array_equal(answer.scores[branch], scores)


def test_a_short_video_is_one_window(project: Path, run: TrainedRun) -> None:
    path = video(project, TEST[0])
    grid = window_grid(path, 60.0, 0.5)
    [(window, answer)] = score_windows(run, read_windows(path, grid, run.plan, run.recipe.mosaics))
    whole = predict_video(run, path)
    assert answer is not None
    assert (window.start, window.stop) == (0, len(whole.clip.skeleton.keypoints))
    np.testing.assert_array_equal(answer.scores["ensemble"], whole.answer.scores["ensemble"])


def test_the_video_is_decoded_once_and_few_frames_are_kept(
    project: Path, run: TrainedRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, opened, kept = video(project, TEST[0]), [], []
    real_read, real_window = windows.read_frames, windows._window

    def read(*arguments: Any) -> Any:
        opened.append(arguments)
        return real_read(*arguments)

    def window(*arguments: Any) -> Any:
        kept.append(len(arguments[-1]))
        return real_window(*arguments)

    monkeypatch.setattr(windows, "read_frames", read)
    monkeypatch.setattr(windows, "_window", window)
    grid = window_grid(path, 0.6, 0.2)
    assert len(list(read_windows(path, grid, run.plan, run.recipe.mosaics))) == grid.count > 5
    assert len(opened) == 1
    assert max(kept) <= grid.length


def test_every_frame_has_one_window_s_answer() -> None:
    for frames in (20, 33, 100):
        grid = Grid(frames, 25.0, 20, 6, 64, 48)
        spans = [grid.middle(number) for number in range(grid.count)]
        assert spans[0][0] == 0
        assert spans[-1][1] == frames
        assert all(one[1] == other[0] for one, other in pairwise(spans))


def test_a_stride_that_skips_frames_is_refused(project: Path) -> None:
    path = video(project, TEST[0])
    for window, stride in ((1.0, 2.0), (1.0, 0.001)):
        with pytest.raises(ParamsError, match=r"PREDICT_WINDOW: .* --stride .*; give a"):
            window_grid(path, window, stride)
