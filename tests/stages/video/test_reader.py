"""Frames under their numbers, and every kind of file that is no video."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import handmade_videos
import numpy as np
import pytest
from barred_videos import number_of, numbered, truncated, write
from handmade_videos import jpeg, mux

from stroi.cache.errors import ClipRejected
from stroi.stages.video.frames import VideoInfo
from stroi.stages.video.reader import check_clip, read_frames, read_selected

CONTAINERS = [("MJPG", "avi"), ("XVID", "avi"), ("mp4v", "mp4"), ("MJPG", "mkv")]


@pytest.fixture(autouse=True)
def _no_hang() -> Iterator[None]:
    def stop(number: int, frame: object) -> None:
        raise TimeoutError("reading a video took longer than 20 s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(20)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def refusal(path: Path) -> ClipRejected:
    """The error of a full pass over the frames."""
    with pytest.raises(ClipRejected) as caught:
        list(read_frames(path))
    return caught.value


@pytest.mark.parametrize(("fourcc", "suffix"), CONTAINERS)
def test_every_frame_comes_under_its_number(tmp_path: Path, fourcc: str, suffix: str) -> None:
    frames = read_frames(write(tmp_path / f"clip.{suffix}", fourcc))
    assert [number_of(frame) for frame in frames] == list(range(40))
    assert frames.info == VideoInfo(frames=40, width=96, height=64, fps=12.5)


@pytest.mark.parametrize(("fourcc", "suffix"), CONTAINERS)
def test_selected_frames_are_those_of_the_full_pass(
    tmp_path: Path, fourcc: str, suffix: str
) -> None:
    path = write(tmp_path / f"clip.{suffix}", fourcc)
    every = list(read_frames(path))
    found = read_selected(path, [17, 3, 39, 3])
    assert sorted(found) == [3, 17, 39]
    for index, frame in found.items():
        np.testing.assert_array_equal(frame, every[index])


def test_nothing_wanted_is_nothing_read(tmp_path: Path) -> None:
    assert read_selected(write(tmp_path / "clip.avi"), []) == {}
    with pytest.raises(ValueError, match="negative frame index -1"):
        read_selected(tmp_path / "clip.avi", [-1, 2])


def test_frame_after_the_end_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "clip.avi")
    with pytest.raises(ClipRejected) as caught:
        read_selected(path, [5, 40])
    assert str(caught.value) == (
        f"VIDEO_FRAMES: '{path}': frame 40 is needed, but only 40 decode; "
        "estimate the clip's skeleton again from this file"
    )


def test_info_is_not_known_before_the_end(tmp_path: Path) -> None:
    with read_frames(write(tmp_path / "clip.avi")) as frames:
        next(frames)
        with pytest.raises(RuntimeError, match="after a full pass"):
            _ = frames.info


@pytest.mark.parametrize("declared", [1, 5, 12, 14, 100_000, 2**31 - 1])
def test_the_number_of_frames_in_a_header_is_not_used(tmp_path: Path, declared: int) -> None:
    path = tmp_path / "clip.avi"
    path.write_bytes(mux([jpeg(numbered(i)) for i in range(12)], declared=declared))
    frames = read_frames(path)
    assert [number_of(frame) for frame in frames] == list(range(12))
    check_clip(path)


def test_frames_that_the_recorder_dropped_do_not_end_the_video(tmp_path: Path) -> None:
    pictures = [jpeg(numbered(i)) for i in range(12)]
    pictures[5:5] = [b""] * 3
    (tmp_path / "clip.avi").write_bytes(mux(pictures, declared=15))
    shown = [number_of(frame) for frame in read_frames(tmp_path / "clip.avi")]
    assert shown == list(range(12))


def test_damaged_picture_within_the_video(tmp_path: Path) -> None:
    pictures = [jpeg(numbered(i)) for i in range(12)]
    pictures[3] = b"\xff" * 64
    (tmp_path / "clip.avi").write_bytes(mux(pictures, declared=12))
    error = refusal(tmp_path / "clip.avi")
    assert error.code == "VIDEO_FRAMES"
    assert "the video is damaged or cut (about frame 3: Invalid data found" in error.message


@pytest.mark.parametrize("at", [0, 38, 39])
def test_no_damaged_picture_is_too_few(tmp_path: Path, at: int) -> None:
    pictures = [jpeg(numbered(i)) for i in range(40)]
    pictures[at] = b"\xff" * 64
    (tmp_path / "clip.avi").write_bytes(mux(pictures, declared=40))
    assert refusal(tmp_path / "clip.avi").code in ("VIDEO_FRAMES", "VIDEO_SIZE", "VIDEO_OPEN")


def test_decoder_scales_pictures_of_another_size_to_the_first(tmp_path: Path) -> None:
    pictures = [jpeg(numbered(i)) for i in range(6)]
    pictures[4:] = [jpeg(cv2.resize(numbered(i), (192, 128))) for i in (4, 5)]
    (tmp_path / "clip.avi").write_bytes(mux(pictures, declared=6))
    path = tmp_path / "clip.avi"
    frames = read_frames(path)
    assert [number_of(frame) for frame in frames] == list(range(6))
    assert frames.info.remark == "scaled to its first frame, 96 x 64 px"
    selected = read_selected(path, [5])
    assert (number_of(selected[5]), selected.remark) == (5, frames.info.remark)
    later = read_selected(path, [1], 4)
    assert (later[1].shape, later.remark) == ((128, 192, 3), "")


def header_only(path: Path) -> None:
    path.write_bytes(write(path).read_bytes()[:100])


def too_wide(path: Path) -> None:
    handmade_videos.write(path, "MJPG", [np.zeros((32, 8208, 3), np.uint8)])


def playlist(path: Path) -> None:
    write(path.with_name("other.avi"))
    path.write_text("ffconcat version 1.0\nfile other.avi\n")


REFUSED: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "missing": (lambda path: None, "VIDEO_OPEN", "cannot be opened (No such file or directory)"),
    "folder": (lambda path: path.mkdir(), "VIDEO_EMPTY", "holds no numbered JPEG or PNG image"),
    "fifo": (lambda path: os.mkfifo(path), "VIDEO_OPEN", "not a plain file"),
    "empty": (lambda path: path.touch(), "VIDEO_EMPTY", "the file has 0 bytes"),
    "playlist": (playlist, "VIDEO_MAGIC", "not a video of a kind that is read"),
    "wave": (lambda path: path.write_bytes(b"RIFF\0\0\0\0WAVEfmt "), "VIDEO_MAGIC", "b'RIFF"),
    "short": (lambda path: path.write_bytes(b"RI"), "VIDEO_MAGIC", "it begins with b'RI'"),
    "no frame": (lambda path: path.write_bytes(mux([], declared=0)), "VIDEO_EMPTY", "not one"),
    "header only": (header_only, "VIDEO_OPEN", "no video stream that can be decoded"),
    "truncated": (truncated, "VIDEO_FRAMES", "the video is damaged or cut (a coded picture is cut"),
    "too wide": (too_wide, "VIDEO_SIZE", "frames of 8208 x 32 px"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_video_is_refused_in_one_line(
    tmp_path: Path, case: str, capfd: pytest.CaptureFixture[str]
) -> None:
    make, code, message = REFUSED[case]
    path = tmp_path / "clip.avi"
    make(path)
    error = refusal(path)
    assert error.code == code
    assert message in error.message
    assert error.message.startswith(f"'{path}': ")
    assert error.remedy
    assert len(str(error).splitlines()) == 1
    assert capfd.readouterr() == ("", "")


def test_no_name_is_a_pattern_or_a_protocol(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write(Path("clip000.avi"), count=5)
    for name in ("clip%03d.avi", "concat:clip000.avi", "-i clip.avi", "clip \u00e9\n.avi"):
        write(Path("plain.avi"), count=9).rename(name)
        assert len(list(read_frames(Path(name)))) == 9
    assert refusal(Path("clip%04d.avi")).code == "VIDEO_OPEN"


def test_link_to_a_video_is_read(tmp_path: Path) -> None:
    write(tmp_path / "stored.avi")
    (tmp_path / "clip.avi").symlink_to(tmp_path / "stored.avi")
    assert len(list(read_frames(tmp_path / "clip.avi"))) == 40


def test_no_file_stays_open(tmp_path: Path) -> None:
    path = write(tmp_path / "clip.avi")
    truncated(tmp_path / "cut.avi")
    header_only(tmp_path / "head.avi")
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        read_selected(path, [2])
        list(read_frames(path))
        with read_frames(path) as frames:
            next(frames)
        frames.close()
        next(read_frames(path))
        refusal(tmp_path / "cut.avi")
        refusal(tmp_path / "head.avi")
    assert len(list(Path("/proc/self/fd").iterdir())) == before
