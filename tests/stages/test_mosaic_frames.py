"""Which frames stage mosaics shows: of a varying rate, of clips with few frames."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from grey_videos import HEIGHT, PARAMS, WIDTH, built, greys, pictures, sample
from hypothesis import given, settings
from hypothesis import strategies as st
from numbered import write_video
from numpy.typing import NDArray

from stroi.cache.errors import StroiError
from stroi.cache.mosaics import MosaicCache
from stroi.cache.skeletons import Clip
from stroi.pipeline.index.ledger import read_ledger
from stroi.pipeline.params.profile import MosaicParams
from stroi.stages.mosaic.cut import cut_mosaic
from stroi.stages.video.frame_sampling import sample_candidates


def test_a_variable_frame_rate_is_sampled_by_number_or_by_time(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    shown = [np.full((HEIGHT, WIDTH, 3), 10 * number + 5, np.uint8) for number in range(24)]
    # Half of the frames fill the first fifth of the time.
    steps = (1,) * 12 + (4,) * 12
    write_video(raw / "a.mkv", "mjpeg", shown, options={"qscale": "2"}, gop=1, steps=steps)
    clips = [sample(raw, "a", "a.mkv", stop=24), sample(raw, "part", "a.mkv", start=10, stop=24)]
    lengths = {"a": 24, "part": 14}
    ledger, out = built(tmp_path / "number", clips, lengths, raw=raw)
    assert greys(out, "a") == [4, 8, 12, 16, 20]
    assert ledger.outcomes[0].detail.endswith(", sampled by frame number")
    by_time = PARAMS.model_copy(update={"sample_by": "time"})
    ledger, out = built(tmp_path / "time", clips, lengths, by_time, raw=raw)
    # Frame 4 of a constant rate is shown at 4 / 23 of 56 steps: at 9.7; and so on.
    assert greys(out, "a") == [10, 14, 16, 19, 21]
    # From step 10: frames 2, 4, ..., 10 of a constant rate at 7.1, 14.2, ..., 35.4 of 46 steps.
    assert greys(out, "part") == [13, 15, 17, 19, 20]
    assert ledger.outcomes[0].detail.endswith(", sampled by time")


def test_a_video_without_times_is_not_sampled_by_time(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    shown = [np.full((HEIGHT, WIDTH, 3), 10 * number, np.uint8) for number in range(24)]
    # Without the table that moves B-frames, times are those of decoding.
    path = write_video(raw / "a.mp4", "mpeg4", shown, options={"bf": "2"}, gop=12)
    path.write_bytes(path.read_bytes().replace(b"ctts", b"free"))
    by_time = PARAMS.model_copy(update={"sample_by": "time", "max_quarantined": 1})
    with pytest.raises(StroiError, match="VIDEO_TIMES"):
        built(tmp_path, [sample(raw, "a", "a.mp4")], {"a": 24}, by_time)
    (lost,) = read_ledger(tmp_path / "mosaics").quarantined
    assert lost.code == "VIDEO_TIMES"
    assert lost.detail.endswith("or set mosaics.sample_by to frame")


@pytest.mark.parametrize("count", [1, 2, 4, 5, 6])
def test_clips_of_few_frames_repeat_them(tmp_path: Path, count: int) -> None:
    raw = tmp_path / "raw"
    pictures(raw / "a", count)
    params = PARAMS.model_copy(update={"candidates": 11})
    ledger, out = built(tmp_path, [sample(raw, "a", "a")], {"a": count}, params)
    assert len(ledger.done) == 1
    shown = greys(out, "a")
    assert len(shown) == 11
    assert shown == sorted(shown)
    assert set(shown) <= set(range(count))
    if count <= 5:
        assert {shown[place] for place in (1, 3, 5, 7, 9)} == set(range(count))
    assert MosaicCache(out).valid(["a"])[0, 0].all()


@settings(derandomize=True)
@given(
    frames=st.integers(1, 9),
    columns=st.integers(1, 8),
    more=st.sampled_from([0, 1, 12]),
    rule=st.sampled_from(["interior", "centre", "paper"]),
    persons=st.sampled_from([1, 2]),
)
def test_every_column_of_a_short_clip_is_a_real_one(
    frames: int, columns: int, more: int, rule: str, persons: int
) -> None:
    random = np.random.default_rng(frames)
    keypoints = np.zeros((frames, 2, 25, 3), np.float32)
    keypoints[:, :persons] = (WIDTH / 2, HEIGHT / 2, 1)
    clip = Clip(keypoints, persons, WIDTH, HEIGHT, 25.0)
    shown: dict[int, NDArray[np.uint8]] = {
        time: random.integers(1, 256, (HEIGHT, WIDTH, 3), np.uint8) for time in range(frames)
    }
    index = sample_candidates(frames, columns, columns + more if more else 0, rule)
    cut = cut_mosaic(shown, clip, index, MosaicParams(cell=8, size="native", min_confidence=0.2))
    assert cut.mosaic.shape == (40, 8 * (columns + more), 3)
    assert cut.valid[:persons].all()
    alone = {
        time: cut_mosaic(
            shown,
            clip,
            np.array([time], np.int32),
            MosaicParams(cell=8, size="native", min_confidence=0.2),
        ).mosaic
        for time in set(index.tolist())
    }
    for column, time in enumerate(index.tolist()):
        np.testing.assert_array_equal(cut.mosaic[:, 8 * column : 8 * column + 8], alone[time])
