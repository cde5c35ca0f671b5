"""Segments of a video: their own frames and no others, however they are reached."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import handmade_videos
import pytest
from barred_videos import number_of, numbered, truncated, write
from handmade_videos import jpeg, mux

from stroi.cache.errors import ClipRejected
from stroi.stages.video.decoding.kept_open import close_all
from stroi.stages.video.frames import VideoInfo
from stroi.stages.video.reader import read_frames, read_selected
from stroi.stages.video.video_frames import VideoFrames


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
        plain = getattr(VideoFrames, name)
        monkeypatch.setattr(
            VideoFrames, name, lambda self, n=name, p=plain: (taken.append(n), p(self))[1]
        )
    frames = read_frames(write(tmp_path / "clip.avi"), 20, 23)
    assert [number_of(frame) for frame in frames] == [20, 21, 22]
    assert taken.count("_step") == 23
    assert taken.count("_pixels") == 3
    assert frames.info == VideoInfo(frames=3, width=96, height=64, fps=12.5)


def test_a_segment_before_the_damage_is_read(tmp_path: Path) -> None:
    path = tmp_path / "clip.avi"
    truncated(path)
    decoded = []
    with pytest.raises(ClipRejected, match="VIDEO_FRAMES"):
        decoded.extend(number_of(frame) for frame in read_frames(path))
    assert decoded == list(range(len(decoded)))
    assert [number_of(frame) for frame in read_frames(path, 3, 9)] == list(range(3, 9))
    assert str(refusal_of(path, 5, len(decoded) + 4)) == (
        f"VIDEO_FRAMES: '{path}': the video is damaged or cut (a coded picture is cut); "
        "fetch the file again, or encode it again if this is all there is"
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
        with pytest.raises(ClipRejected, match=rf"frame {found} is needed, but only {found} dec"):
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
    plain = VideoFrames._step
    monkeypatch.setattr(VideoFrames, "_step", lambda self: (steps.append(1), plain(self))[1])
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
        assert refusal_of(path, 4, 9).code == "VIDEO_FRAMES"
        assert open_videos() == set()


def test_two_readers_of_one_video_do_not_share_a_decoder(tmp_path: Path) -> None:
    path = write(tmp_path / "clip.avi")
    list(read_frames(path, 1, 3))
    pairs = zip(read_frames(path, 4, 9), read_frames(path, 20, 25), strict=True)
    assert [(number_of(one), number_of(two)) for one, two in pairs] == [
        (at, at + 16) for at in range(4, 9)
    ]
    assert [number_of(frame) for frame in read_frames(path, 26, 28)] == [26, 27]
