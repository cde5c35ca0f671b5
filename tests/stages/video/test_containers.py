"""Every container that is read, as tools, phones and cameras write it; and copies that are cut."""

from __future__ import annotations

import os
import re
from pathlib import Path

import av
import numpy as np
import pytest
from numbered import count_to, number_of, write_video
from numbered_containers import (
    FRAMES,
    MUXERS,
    OPTIONS,
    cut_copy,
    write,
    write_with_cover,
    write_with_sound,
)

from stroi.cache.errors import ClipRejected
from stroi.stages.video.reader import check_clip, read_frames, read_selected, read_times

PAIRS = [(container, codec) for container, codecs in MUXERS.items() for codec in codecs]


def shown(path: Path) -> list[int]:
    return [number_of(frame) for frame in read_frames(path)]


def refusals(path: Path) -> list[str]:
    """Codes of a full pass and of the check before it."""
    codes = []
    for read in (shown, check_clip):
        with pytest.raises(ClipRejected) as caught:
            read(path)
        codes.append(caught.value.code)
    return codes


@pytest.mark.parametrize(("container", "codec"), PAIRS)
def test_every_frame_is_read_and_no_cut_copy(tmp_path: Path, container: str, codec: str) -> None:
    path = write(tmp_path / "clip", container, codec)
    assert shown(path) == list(range(FRAMES))
    assert number_of(read_selected(path, [23])[23]) == 23
    check_clip(path)
    size = path.stat().st_size
    for share in (0.95, 0.8, 0.5, 0.3):
        # Not where packets of a transport or program stream end.
        os.truncate(path, int(share * size) // 2 * 2 - 101)
        assert set(refusals(path)) <= {"VIDEO_FRAMES", "VIDEO_OPEN"}


@pytest.mark.parametrize("ending", ["mp4", "mov", "mkv"])
def test_a_part_that_was_cut_out_without_coding_is_read(tmp_path: Path, ending: str) -> None:
    whole = write_video(
        tmp_path / "whole.mp4", "libx264", count_to(90), options=OPTIONS["libx264"], gop=40
    )
    part = cut_copy(whole, tmp_path / f"part.{ending}", 62)
    check_clip(part)
    # Matroska has no edit lists: what lies before is shown.
    assert shown(part) == list(range(40 if ending == "mkv" else 62, 90))


@pytest.mark.parametrize("ending", ["mkv", "webm", "mp4", "avi"])
def test_sound_may_go_on_after_the_picture(tmp_path: Path, ending: str) -> None:
    codec = "libvpx-vp9" if ending == "webm" else "libx264"
    path = write_with_sound(tmp_path / f"clip.{ending}", codec, 120)
    check_clip(path)
    assert shown(path) == list(range(FRAMES))


@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.mkv", "libx264"), ("a.webm", "libvpx-vp9"), ("a.mp4", "libx264"), ("a.ts", "mpeg2video")],
)
def test_a_variable_frame_rate_is_told(tmp_path: Path, name: str, codec: str) -> None:
    options = {"options": OPTIONS[codec], "gop": 12}
    path = write_video(tmp_path / name, codec, count_to(40), steps=(1, 3, 1, 7), **options)
    frames = read_frames(path)
    assert [number_of(frame) for frame in frames] == list(range(40))
    told = frames.info.remark
    assert re.fullmatch(
        r"variable frame rate \(33 to 23[34] ms from frame to frame\)",
        told,
    )
    # 39 frames after the first take 10 times 12 ticks less the last step.
    assert frames.info.fps == pytest.approx(39 / ((10 * 12 - 7) / 30), rel=0.01)
    assert read_selected(path, [20]).remark == told
    shown = 12 / 30 * np.arange(10)[:, None] + np.array([0, 1, 4, 5]) / 30
    np.testing.assert_allclose(np.diff(read_times(path)), np.diff(shown.ravel()), atol=0.001)
    assert len(read_times(path, 3, 13)) == 10
    steady = read_frames(write_video(path, codec, count_to(40), **options))
    list(steady)
    assert (steady.info.remark, steady.info.fps) == ("", pytest.approx(30, rel=0.01))


def test_avi_has_a_constant_rate(tmp_path: Path) -> None:
    path = write(tmp_path / "clip.avi", "avi", "libx264")
    assert read_times(path).tolist() == list(range(FRAMES))


@pytest.mark.parametrize("codec", ["libx264", "mpeg2video", "mpeg4"])
def test_a_recording_may_begin_between_key_frames(tmp_path: Path, codec: str) -> None:
    path = write(tmp_path / "clip.ts", "mpegts", codec)
    data = path.read_bytes()
    # A multiple of the length of a packet, within the first of four groups of pictures.
    path.write_bytes(data[len(data) // 8 // 188 * 188 :])
    found = shown(path)
    assert found[-28:] == list(range(12, 40))
    check_clip(path)
    assert shown(path) == found


def atom(name: bytes, content: bytes) -> bytes:
    return (8 + len(content)).to_bytes(4, "big") + name + content


def first_atom(data: bytes, name: bytes) -> bytes:
    """A QuickTime file without ``ftyp``; the pictures stay where its tables say."""
    kind = int.from_bytes(data[:4], "big")
    if name == b"mdat":
        place = data.index(b"mdat") - 4
        end = place + int.from_bytes(data[place : place + 4], "big")
        return end.to_bytes(4, "big") + name + data[8:]
    if name == b"moov":
        end = kind + int.from_bytes(data[kind : kind + 4], "big")
        return data[kind:end] + atom(b"free", bytes(kind - 8)) + data[end:]
    return atom(name, bytes(kind - 8)) + data[kind:]


@pytest.mark.parametrize("first", [b"free", b"wide", b"skip", b"pnot", b"mdat", b"moov"])
def test_quicktime_files_need_no_file_type(tmp_path: Path, first: bytes) -> None:
    options = {"movflags": "faststart"} if first == b"moov" else {}
    path = write(tmp_path / "clip.mov", "mov", "mpeg4", **options)
    data = first_atom(path.read_bytes(), first)
    assert data[4:8] == first
    assert b"ftyp" not in data[:8]
    path.write_bytes(data)
    assert shown(path) == list(range(FRAMES))
    check_clip(path)
    path.write_bytes(data[: len(data) * 2 // 3])
    assert set(refusals(path)) <= {"VIDEO_FRAMES", "VIDEO_OPEN"}


def test_streamed_files_without_a_size_are_read_and_no_cut_copy(tmp_path: Path) -> None:
    path = write(tmp_path / "clip.mp4", "mp4", "libx264", movflags="faststart")
    data = path.read_bytes()
    place = data.index(b"mdat") - 4
    path.write_bytes(data[:place] + bytes(4) + data[place + 4 :])
    assert shown(path) == list(range(FRAMES))
    os.truncate(path, len(data) - 100)
    assert refusals(path) == ["VIDEO_FRAMES"] * 2


@pytest.mark.parametrize("container", ["mp4", "ismv"])
def test_fragments_are_read_and_no_cut_copy(tmp_path: Path, container: str) -> None:
    path = write(tmp_path / "clip", container, "libx264", movflags="frag_keyframe+empty_moov")
    assert b"moof" in path.read_bytes()
    assert shown(path) == list(range(FRAMES))
    check_clip(path)
    os.truncate(path, path.stat().st_size // 2)
    assert refusals(path) == ["VIDEO_FRAMES"] * 2


def test_live_recordings_are_read_and_no_cut_copy(tmp_path: Path) -> None:
    path = write(tmp_path / "clip.webm", "webm", "libvpx-vp9", live="1")
    assert b"\x18S\x80g\x01" + b"\xff" * 7 in path.read_bytes()
    assert shown(path) == list(range(FRAMES))
    check_clip(path)
    for share in (0.9, 0.7, 0.5, 0.3):
        os.truncate(path, int(share * path.stat().st_size))
        assert refusals(path) == ["VIDEO_FRAMES"] * 2


def test_a_cover_picture_is_not_the_video(tmp_path: Path) -> None:
    path = write_with_cover(tmp_path / "clip.mp4")
    with av.open(str(path)) as container:
        kinds = [stream.disposition.name for stream in container.streams.video]
    assert "attached_pic" in kinds
    assert shown(path) == list(range(FRAMES))


def test_frames_of_an_action_camera_are_read(tmp_path: Path) -> None:
    pictures = [picture.repeat(17, 1)[:, :5312].repeat(19, 0)[:2988] for picture in count_to(2)]
    path = write_video(tmp_path / "a.mp4", "mjpeg", pictures, options={"qscale": "3"}, gop=1)
    assert [frame.shape for frame in read_frames(path)] == [(2988, 5312, 3)] * 2
