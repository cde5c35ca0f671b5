"""Only what the wanted frames refer to is decoded, and they are those of the full pass."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numbered import count_to, number_of, write_video
from numbered_containers import OPTIONS, cut_copy

from stroi.cache.errors import ClipRejected
from stroi.stages.video import reader
from stroi.stages.video.decoding import selective_decoding as module
from stroi.stages.video.decoding.opening import OpenVideo, open_video
from stroi.stages.video.reader import SelectedFrames, read_frames, read_selected

FRAMES = 60
H264 = {"preset": "ultrafast", "bf": "3", "b_strategy": "0", "sc_threshold": "0"}
PYRAMID = {**H264, "x264-params": "b-pyramid=normal"}
MPEG4 = {"qscale": "3", "bf": "0"}


def sent(path: Path, wanted: list[int]) -> int:
    """How many coded pictures the decoder gets for those frames; all, if the order is unproven."""
    video = open_video(path)
    try:
        order = module.frame_order(video) if module.may_be_selective(video) else None
        if order is None:
            return FRAMES
        count = 0
        decode = video.stream.decode

        class Counted:
            codec_context = video.stream.codec_context

            def decode(self, packet: object) -> object:
                nonlocal count
                count += packet is not None
                return decode(packet)

        counted = OpenVideo(video.file, video.container, Counted(), video.frames, video.state)  # type: ignore[arg-type]
        numbers = list(module.decode_frames(counted, order, {0, *wanted}))
        assert len(numbers) == len({0, *wanted})
        return count
    finally:
        video.close()


def sequential(path: Path, wanted: list[int], monkeypatch: pytest.MonkeyPatch) -> SelectedFrames:
    with monkeypatch.context() as patch:
        patch.setattr(reader, "may_be_selective", lambda video: False)
        return read_selected(path, wanted)


@pytest.mark.parametrize(
    ("name", "codec", "options", "gop", "most"),
    [
        ("a.mp4", "libx264", H264, 1000, 30),
        ("a.mkv", "libx264", PYRAMID, 1000, 35),
        ("a.avi", "libx264", PYRAMID, 1000, 35),
        ("a.avi", "libx264", H264, 12, 25),
        ("a.mov", "libx264", {**H264, "bf": "0"}, 12, 36),
        ("a.mp4", "libx264", {**H264, "x264-params": "repeat-headers=1"}, 12, 25),
        ("a.mp4", "libx264", {**H264, "slices": "3"}, 12, 25),
        ("a.mp4", "libx264", {**PYRAMID, "x264-params": "open-gop=1"}, 12, 55),
        ("a.mp4", "libx264", {**H264, "x264-params": "intra-refresh=1"}, 12, 55),
        ("a.avi", "mpeg4", MPEG4, 12, 36),
        ("a.mkv", "mpeg4", MPEG4, 12, 36),
        ("a.avi", "mjpeg", {"qscale": "3"}, 1, 6),
    ],
)
def test_frames_are_exact_and_few_pictures_are_decoded(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    codec: str,
    options: dict[str, str],
    gop: int,
    most: int,
) -> None:
    path = write_video(tmp_path / name, codec, count_to(FRAMES), options=options, gop=gop)
    every = list(read_frames(path))
    for wanted in ([10, 20, 30, 40, 50], [0], [59], [58, 1, 13, 26], list(range(FRAMES))):
        found = read_selected(path, wanted)
        plain = sequential(path, wanted, monkeypatch)
        assert sorted(found) == sorted(set(wanted))
        for number in wanted:
            assert number_of(found[number]) == number
            np.testing.assert_array_equal(found[number], every[number])
        assert (found.remark, found.variable_rate) == (plain.remark, plain.variable_rate)
    assert 6 <= sent(path, [10, 20, 30, 40, 50]) <= most


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("a.mp4", "libx264", {**H264, "x264-params": "interlaced=1"}),
        ("a.avi", "mpeg4", OPTIONS["mpeg4"]),
        ("a.webm", "libvpx-vp9", OPTIONS["libvpx-vp9"]),
        ("a.ts", "libx264", H264),
    ],
)
def test_what_proves_nothing_is_read_from_its_beginning(
    tmp_path: Path, name: str, codec: str, options: dict[str, str]
) -> None:
    path = write_video(tmp_path / name, codec, count_to(FRAMES), options=options, gop=1000)
    wanted = [10, 33, 50]
    assert sent(path, wanted) >= 50
    found = read_selected(path, wanted)
    assert {number: number_of(frame) for number, frame in found.items()} == dict(
        zip(wanted, wanted, strict=True)
    )


def test_an_edit_list_shifts_the_numbers(tmp_path: Path) -> None:
    """What an edit list hides is a coded picture, and no frame."""
    whole = write_video(tmp_path / "whole.mp4", "libx264", count_to(FRAMES), options=H264, gop=40)
    part = cut_copy(whole, tmp_path / "part.mp4", 47)
    assert [number_of(frame) for frame in read_selected(part, [0, 5]).values()] == [47, 52]


def test_damage_of_a_picture_that_is_needed_is_refused(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", "libx264", count_to(FRAMES), options=H264, gop=12)
    video = open_video(path)
    entries = video.stream.index_entries
    place = next(entry for number, entry in enumerate(entries) if number == 24)
    at, size = place.pos, place.size
    video.close()
    data = bytearray(path.read_bytes())
    data[at + 8 : at + size] = bytes(255 - byte for byte in data[at + 8 : at + size])
    path.write_bytes(bytes(data))
    with pytest.raises(ClipRejected, match=r"VIDEO_FRAMES: .*damaged or cut \(about frame 2\d"):
        read_selected(path, [30])
    assert number_of(read_selected(path, [8])[8]) == 8


def test_a_large_file_is_not_kept_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_video(tmp_path / "a.mp4", "libx264", count_to(FRAMES), options=H264, gop=12)
    monkeypatch.setattr(module, "MAX_BYTES", path.stat().st_size - 1)
    assert sent(path, [30]) == FRAMES
    assert number_of(read_selected(path, [30])[30]) == 30
