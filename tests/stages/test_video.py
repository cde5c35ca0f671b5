"""Frames under their numbers, and every kind of file that is no video."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from stroi.cache.errors import ClipRejected
from stroi.stages.video import Frames, VideoInfo, read_frames, read_selected
from stroi.stages.video_opening import close_all

sys.path.insert(0, str(Path(__file__).parent))
import handmade_videos
from handmade_videos import jpeg, mux, turned

CONTAINERS = [("MJPG", "avi"), ("XVID", "avi"), ("mp4v", "mp4"), ("MJPG", "mkv")]
Frame = NDArray[np.uint8]


def numbered(index: int) -> Frame:
    """Picture that shows its number as six 16 px wide bars, lowest bit first."""
    bits = [(index >> bit) & 1 for bit in range(6)]
    row = np.repeat(np.array(bits, np.uint8) * 255, 16)
    return np.repeat(np.tile(row, (64, 1))[..., None], 3, axis=2)


def number_of(frame: Frame) -> int:
    bars = frame.reshape(64, 6, 16, 3).mean(axis=(0, 2, 3))
    return int(sum(1 << bit for bit in range(6) if bars[bit] > 127))


def write(path: Path, fourcc: str = "MJPG", count: int = 40) -> Path:
    return handmade_videos.write(path, fourcc, [numbered(index) for index in range(count)])


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
        f"VIDEO_FRAMES: '{path}': frame 40 is wanted, but only 40 decode; "
        "estimate the clip's skeleton again from this very file"
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


def truncated(path: Path) -> None:
    data = write(path).read_bytes()
    path.write_bytes(data[: len(data) // 2])


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


def refusal_of(path: Path, start: int, stop: int) -> ClipRejected:
    """The error of a pass over a segment."""
    with pytest.raises(ClipRejected) as caught:
        list(read_frames(path, start, stop))
    return caught.value


def test_only_pictures_of_the_segment_are_taken_and_none_after_it_is_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[str] = []
    for name in ("_step", "_pixels"):
        plain = getattr(Frames, name)
        monkeypatch.setattr(
            Frames, name, lambda self, n=name, p=plain: (taken.append(n), p(self))[1]
        )
    frames = read_frames(write(tmp_path / "clip.avi"), 20, 23)
    assert [number_of(frame) for frame in frames] == [20, 21, 22]
    assert taken.count("_step") == 23
    assert taken.count("_pixels") == 3
    assert frames.info == VideoInfo(frames=3, width=96, height=64, fps=12.5, declared=40)


def test_a_segment_before_the_damage_is_read(tmp_path: Path) -> None:
    path = tmp_path / "clip.avi"
    truncated(path)
    whole = refusal(path)
    assert whole.code == "VIDEO_FRAMES"
    assert [number_of(frame) for frame in read_frames(path, 3, 9)] == list(range(3, 9))
    decoded = int(whole.message.split(": ")[1].split()[0])
    error = refusal_of(path, 5, decoded + 4)
    assert str(error) == (
        f"VIDEO_SEGMENT: '{path}': the clip is frames 5 to {decoded + 3} of the video, of which"
        f" only {decoded} decode; "
        "correct the clip's first and last frame, or fetch the video again"
    )
    assert refusal_of(path, 5, 0).code == "VIDEO_FRAMES"


@pytest.mark.parametrize(
    ("start", "stop", "found"),
    [
        (30, 43, 10),
        (30, 44, 0),
        (38, 41, 2),
        (40, 41, 0),
        (41, 0, 0),
        (500, 600, 0),
        (0, 42, 40),
        (0, 43, 40),
        (0, 44, 0),
    ],
)
def test_a_segment_may_lack_few_frames_at_the_end(
    tmp_path: Path, start: int, stop: int, found: int
) -> None:
    path = write(tmp_path / "clip.avi")
    if found:
        frames = read_frames(path, start, stop)
        assert [number_of(frame) for frame in frames] == list(range(start, start + found))
        assert frames.info.frames == found
        with pytest.raises(ClipRejected, match=rf"frame {found} is wanted, but only {found} dec"):
            read_selected(path, [found], start, stop)
    else:
        error = refusal_of(path, start, stop)
        assert error.code == "VIDEO_SEGMENT"
        last = f"{start} to {stop - 1}" if stop else f"{start} on"
        assert f"the clip is frames {last} of the video, of which only 40 decode" in error.message
        with pytest.raises(ClipRejected, match="VIDEO_SEGMENT"):
            read_selected(path, [max(0, stop - 1 - start)], start, stop)


def test_a_long_segment_may_lack_a_twentieth(tmp_path: Path) -> None:
    path = write(tmp_path / "clip.avi", count=95)
    assert len(list(read_frames(path, 0, 100))) == 95
    assert refusal_of(path, 0, 101).code == "VIDEO_SEGMENT"


@pytest.mark.parametrize(("start", "stop"), [(-1, 0), (0, -1), (5, 5), (5, 4)])
def test_a_segment_without_frames_is_a_mistake(tmp_path: Path, start: int, stop: int) -> None:
    with pytest.raises(ValueError, match=f"no frame from {start} to {stop}"):
        read_frames(write(tmp_path / "clip.avi"), start, stop)


def open_videos() -> set[str]:
    """Names of the videos that this process holds open."""
    links = []
    for link in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            links.append(link.readlink())
    return {link.name for link in links if link.suffix == ".avi"}


@pytest.fixture
def _none_waits() -> None:
    close_all()


@pytest.mark.usefixtures("_none_waits")
def test_decoders_of_the_last_two_segments_wait_for_the_next_ones(tmp_path: Path) -> None:
    paths = [write(tmp_path / f"{number}.avi") for number in range(3)]
    for number, path in enumerate(paths):
        list(read_frames(path, 3, 5))
        list(read_frames(path, 20, 25))
        assert open_videos() == {one.name for one in paths[max(0, number - 1) : number + 1]}
    assert refusal_of(paths[2], 50, 60).code == "VIDEO_SEGMENT"
    assert open_videos() == {"1.avi"}
    list(read_frames(paths[0]))
    assert open_videos() == {"1.avi"}
    close_all()
    assert open_videos() == set()


@pytest.mark.usefixtures("_none_waits")
def test_two_passes_over_every_segment_are_two_passes_over_the_video(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "clip.avi")
    steps: list[int] = []
    plain = Frames._step
    monkeypatch.setattr(Frames, "_step", lambda self: (steps.append(1), plain(self))[1])
    for start in (2, 10, 14, 30):
        for _ in range(2):
            shown = [number_of(frame) for frame in read_frames(path, start, start + 4)]
            assert shown == list(range(start, start + 4))
    assert len(steps) == 2 * 34


def test_a_decoder_that_waits_is_not_used_for_other_bytes(tmp_path: Path) -> None:
    path = write(tmp_path / "clip.avi")
    other = handmade_videos.write(tmp_path / "other.avi", "MJPG", [numbered(63)] * 40)
    assert [number_of(frame) for frame in read_frames(path, 3, 5)] == [3, 4]
    other.replace(path)
    assert [number_of(frame) for frame in read_frames(path, 5, 7)] == [63, 63]
    path.unlink()
    assert refusal_of(path, 8, 9).code == "VIDEO_OPEN"


@pytest.mark.usefixtures("_none_waits")
def test_a_decoder_that_failed_does_not_wait(tmp_path: Path) -> None:
    pictures = [jpeg(numbered(i)) for i in range(12)]
    pictures[3] = b"\xff" * 64
    path = tmp_path / "clip.avi"
    path.write_bytes(mux(pictures, declared=12))
    assert [number_of(frame) for frame in read_frames(path, 1, 3)] == [1, 2]
    for _ in range(2):
        assert refusal_of(path, 4, 9).code == "VIDEO_SEGMENT"
        assert open_videos() == set()


def test_two_readers_of_one_video_do_not_share_a_decoder(tmp_path: Path) -> None:
    path = write(tmp_path / "clip.avi")
    list(read_frames(path, 1, 3))
    pairs = zip(read_frames(path, 4, 9), read_frames(path, 20, 25), strict=True)
    assert [(number_of(one), number_of(two)) for one, two in pairs] == [
        (at, at + 16) for at in range(4, 9)
    ]
    assert [number_of(frame) for frame in read_frames(path, 26, 28)] == [26, 27]
