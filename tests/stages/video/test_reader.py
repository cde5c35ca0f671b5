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
from barred_videos import Frame, number_of, numbered, truncated, write
from handmade_videos import jpeg, mux, turned

from stroi.cache.errors import ClipRejected
from stroi.stages.video.reader import VideoInfo, read_frames, read_selected

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
    assert frames.info == VideoInfo(frames=40, width=96, height=64, fps=12.5, declared=40)


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


def test_two_frames_less_than_declared_are_normal(tmp_path: Path) -> None:
    path = tmp_path / "clip.avi"
    path.write_bytes(mux([jpeg(numbered(i)) for i in range(12)], declared=14))
    frames = read_frames(path)
    assert [number_of(frame) for frame in frames] == list(range(12))
    assert (frames.info.frames, frames.info.declared) == (12, 14)


def test_lying_header(tmp_path: Path) -> None:
    path = tmp_path / "clip.avi"
    path.write_bytes(mux([jpeg(numbered(i)) for i in range(12)], declared=100_000))
    error = refusal(path)
    assert error.code == "VIDEO_FRAMES"
    assert error.message == f"'{path}': 12 frames decode of 100000 declared"


def test_damaged_picture_within_the_video(tmp_path: Path) -> None:
    pictures = [jpeg(numbered(i)) for i in range(12)]
    pictures[3] = b"\xff" * 64
    (tmp_path / "clip.avi").write_bytes(mux(pictures, declared=12))
    assert refusal(tmp_path / "clip.avi").code == "VIDEO_FRAMES"


def test_decoder_scales_pictures_of_another_size_to_the_first(tmp_path: Path) -> None:
    pictures = [jpeg(numbered(i)) for i in range(6)]
    pictures[4:] = [jpeg(cv2.resize(numbered(i), (192, 128))) for i in (4, 5)]
    (tmp_path / "clip.avi").write_bytes(mux(pictures, declared=6))
    assert [number_of(frame) for frame in read_frames(tmp_path / "clip.avi")] == list(range(6))


class Unsteady:
    """A decoder that does not: no released OpenCV at hand does this."""

    def __init__(self) -> None:
        self.side = 64

    def grab(self) -> bool:
        self.side += 32
        return True

    def retrieve(self) -> tuple[bool, Frame]:
        return True, np.zeros((self.side, self.side, 3), np.uint8)

    def release(self) -> None:
        pass


def test_changing_frame_size_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "clip.avi")
    with read_frames(path) as frames:
        frames._capture.release()
        frames._capture = Unsteady()
        next(frames)
        with pytest.raises(ClipRejected) as caught:
            next(frames)
    assert str(caught.value) == (
        f"VIDEO_SIZE: '{path}': frame 1 is 128 x 128 px, the frames before 96 x 96 px; "
        "encode the video again with one frame size"
    )


def header_only(path: Path) -> None:
    path.write_bytes(write(path).read_bytes()[:100])


def rotated(path: Path) -> None:
    path.write_bytes(turned(write(path.with_suffix(".mp4"), "mp4v").read_bytes()))


def too_wide(path: Path) -> None:
    handmade_videos.write(path, "MJPG", [np.zeros((32, 4112, 3), np.uint8)])


def playlist(path: Path) -> None:
    write(path.with_name("other.avi"))
    path.write_text("ffconcat version 1.0\nfile other.avi\n")


REFUSED: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "missing": (lambda path: None, "VIDEO_OPEN", "cannot be opened (No such file or directory)"),
    "folder": (lambda path: path.mkdir(), "VIDEO_EMPTY", "holds no numbered JPEG or PNG image"),
    "fifo": (lambda path: os.mkfifo(path), "VIDEO_OPEN", "not a plain file"),
    "empty": (lambda path: path.touch(), "VIDEO_EMPTY", "the file has 0 bytes"),
    "playlist": (playlist, "VIDEO_MAGIC", "not an AVI, MP4 or Matroska file"),
    "wave": (lambda path: path.write_bytes(b"RIFF\0\0\0\0WAVEfmt "), "VIDEO_MAGIC", "b'RIFF"),
    "short": (lambda path: path.write_bytes(b"RI"), "VIDEO_MAGIC", "it begins with b'RI'"),
    "no frame": (lambda path: path.write_bytes(mux([], declared=0)), "VIDEO_EMPTY", "not one"),
    "header only": (header_only, "VIDEO_OPEN", "no video stream that can be decoded"),
    "truncated": (truncated, "VIDEO_FRAMES", "frames decode of 40 declared"),
    "rotated": (rotated, "VIDEO_ROTATED", "a rotation of 90 degrees"),
    "too wide": (too_wide, "VIDEO_SIZE", "frames of 4112 x 32 px"),
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
