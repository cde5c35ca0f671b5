"""Frames that are counted by their coded pictures are those that decode."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import handmade_videos
import numpy as np
import pytest
from numbered import count_to, write_video
from numbered_containers import FRAMES, MUXERS, OPTIONS, cut_copy, write
from numpy.typing import NDArray

from stroi.cache.errors import ClipRejected
from stroi.stages.video.decoding import decoder
from stroi.stages.video.frame_count import count_frames, decode_frames, frame_times
from stroi.stages.video.reader import read_times
from stroi.stages.video.video_frames import VideoFrames

PAIRS = [(container, codec) for container, codecs in MUXERS.items() for codec in codecs]
COUNTED = {
    (container, codec)
    for container in ("avi", "mp4", "mov", "3gp", "matroska")
    for codec in ("libx264", "libx265", "mjpeg")
} & set(PAIRS)


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Frames that are decoded, as it happens."""
    decoded: list[int] = []
    step = VideoFrames._step
    monkeypatch.setattr(VideoFrames, "_step", lambda self: (decoded.append(1), step(self))[1])
    return decoded


def shown(read: Callable[[Path], NDArray[np.float64]], path: Path) -> list[float] | str:
    """The times, or the code of the refusal."""
    try:
        return read(path).tolist()
    except ClipRejected as rejected:
        return rejected.code


@pytest.mark.parametrize(("container", "codec"), PAIRS)
def test_as_many_as_decode_of_the_same_size_and_rate(
    tmp_path: Path, steps: list[int], container: str, codec: str
) -> None:
    path = write(tmp_path / "clip", container, codec)
    expected = decode_frames(path)
    assert expected.frames == FRAMES
    steps.clear()
    assert count_frames(path) == expected
    assert (len(steps) == 1) == ((container, codec) in COUNTED)
    assert shown(frame_times, path) == shown(read_times, path)


@pytest.mark.parametrize("name", ["a.mkv", "a.mp4", "a.avi"])
@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
def test_of_a_variable_rate(tmp_path: Path, name: str, codec: str) -> None:
    path = write_video(
        tmp_path / name, codec, count_to(40), options=OPTIONS[codec], gop=12, steps=(1, 3, 1, 7)
    )
    assert count_frames(path) == decode_frames(path)
    assert shown(frame_times, path) == shown(read_times, path)


@pytest.mark.parametrize("ending", ["mp4", "mov", "mkv"])
def test_of_a_part_that_was_cut_out_without_coding(tmp_path: Path, ending: str) -> None:
    whole = write_video(
        tmp_path / "whole.mp4", "libx264", count_to(90), options=OPTIONS["libx264"], gop=40
    )
    part = cut_copy(whole, tmp_path / f"part.{ending}", 62)
    assert count_frames(part) == decode_frames(part)


@pytest.mark.parametrize("codec", ["XVID", "MJPG", "FFV1", "mp4v"])
def test_of_videos_as_opencv_writes_them(tmp_path: Path, codec: str) -> None:
    path = tmp_path / "clip.avi"
    handmade_videos.write(path, codec, count_to(30))
    assert count_frames(path) == decode_frames(path)


def test_parts_and_folders_are_as_before(tmp_path: Path) -> None:
    path = write(tmp_path / "clip", "avi", "libx264")
    for part in ((3, 9), (5, 0), (0, 7)):
        assert count_frames(path, *part) == decode_frames(path, *part)


def test_a_cut_file_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "clip", "mp4", "libx264")
    os.truncate(path, path.stat().st_size * 3 // 4)
    with pytest.raises(ClipRejected, match="VIDEO_"):
        count_frames(path)


def test_of_real_clips(real_data: Path, steps: list[int]) -> None:
    videos = [
        path
        for path in sorted((real_data / "clips").iterdir())
        if path.suffix in (".avi", ".mp4", ".mkv")
    ]
    if not videos:
        pytest.skip("no real clips")
    for video in videos:
        assert count_frames(video) == decode_frames(video), video.name


def test_a_first_packet_that_is_no_key_frame_is_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: list[int]
) -> None:
    path = write(tmp_path / "clip", "avi", "libx264")
    packets = decoder.packets

    def without_first(*given: object) -> object:
        found = packets(*given)  # type: ignore[arg-type]
        next(found)
        monkeypatch.setattr(decoder, "packets", packets)
        return found

    monkeypatch.setattr(decoder, "packets", without_first)
    assert count_frames(path).frames == FRAMES
    assert len(steps) > FRAMES
