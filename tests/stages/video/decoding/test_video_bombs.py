"""Videos that would take any amount of memory or time, had they their way."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from handmade_videos import black_jpeg, black_png, bombs, mux, write
from measured import run_measured

from stroi.cache.errors import ClipRejected
from stroi.pipeline.workspace import COMMAND_VARIABLE
from stroi.stages.video import video_frames
from stroi.stages.video.decoding.memory_limit import DECODER_BYTES
from stroi.stages.video.reader import read_frames

_READ = """
import sys
from pathlib import Path
from stroi.cache.errors import ClipRejected
from stroi.stages.video import reader
from stroi.stages.video.decoding.memory_limit import limit_memory
from stroi.stages.video.reader import read_frames
limit_memory(128 << 20)
try:
    print(sum(1 for _ in read_frames(Path(sys.argv[1]))), "frames")
except ClipRejected as error:
    print(error)
"""
CODES = {
    "PNG first": "VIDEO_SIZE",
    "PNG later": "VIDEO_FRAMES",
    "PNG late": "VIDEO_FRAMES",
    "JPEG later": "VIDEO_FRAMES",
}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bombs")
    for name, data in bombs().items():
        (folder / name).write_bytes(data)
    return folder


@pytest.mark.parametrize("name", CODES)
def test_giant_pictures_get_no_memory(files: Path, name: str) -> None:
    """Under a limit that a test has time for; every process that decodes has one."""
    done = run_measured([sys.executable, "-c", _READ, str(files / name)])
    assert done.stdout.startswith(CODES[name]), done.stderr
    assert done.peak_bytes < 250_000_000


@pytest.mark.parametrize("limited", [True, False], ids=["command", "module"])
def test_a_command_that_opens_a_video_gets_the_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limited: bool
) -> None:
    if limited:
        monkeypatch.setenv(COMMAND_VARIABLE, "1")
    else:
        monkeypatch.delenv(COMMAND_VARIABLE, raising=False)
    (tmp_path / "clip.avi").write_bytes(mux([black_jpeg(96, 64)] * 3, 3))
    script = (
        "import resource, sys; from pathlib import Path\n"
        "from stroi.stages.video.reader import read_frames\n"
        "print(len(list(read_frames(Path(sys.argv[1])))))\n"
        "print(resource.getrlimit(resource.RLIMIT_DATA)[0])\n"
    )
    done = run_measured([sys.executable, "-c", script, str(tmp_path / "clip.avi")])
    frames, limit = map(int, done.stdout.split())
    assert frames == 3
    assert (DECODER_BYTES < limit < DECODER_BYTES + 2**30) == limited


def test_a_large_video_has_the_memory_it_needs(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8)
    large = noise.repeat(64, 0).repeat(64, 1)
    for code, suffix in (("mp4v", "mp4"), ("MJPG", "avi")):
        frames = read_frames(write(tmp_path / f"large.{suffix}", code, [large] * 2))
        assert [frame.shape for frame in frames] == [(4096, 4096, 3)] * 2


def test_pictures_of_the_announced_size_are_decoded(tmp_path: Path) -> None:
    for code, picture in ((b"MPNG", black_png(96, 64)), (b"MJPG", black_jpeg(96, 64))):
        (tmp_path / "clip.avi").write_bytes(mux([picture] * 4, 4, code=code))
        assert len(list(read_frames(tmp_path / "clip.avi"))) == 4


def test_sizes_in_the_container_alone_are_not_believed(tmp_path: Path) -> None:
    pictures = [black_jpeg(96, 64)] * 4
    (tmp_path / "clip.avi").write_bytes(mux(pictures, 4, size=(100_000, 100_000)))
    assert [frame.shape for frame in read_frames(tmp_path / "clip.avi")] == [(64, 96, 3)] * 4


def test_a_clip_has_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stroi.stages.video.frames.MAX_FRAMES", 5)
    (tmp_path / "clip.avi").write_bytes(mux([black_jpeg(96, 64)] * 6, 6))
    with pytest.raises(ClipRejected, match=r"VIDEO_FRAMES.*more than 5 frames; cut it into clips"):
        list(read_frames(tmp_path / "clip.avi"))


def test_a_picture_without_memory_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def greedy(self: VideoReformatter, *_: object, **options: object) -> VideoFrame:
        raise MemoryError

    monkeypatch.setattr(video_frames, "VideoReformatter", type("Greedy", (), {"reformat": greedy}))
    (tmp_path / "clip.avi").write_bytes(mux([black_jpeg(96, 64)] * 3, 3))
    with (
        read_frames(tmp_path / "clip.avi") as frames,
        pytest.raises(ClipRejected, match=r"VIDEO_MEMORY.*a frame needs more memory than there is"),
    ):
        next(frames)


def test_no_other_kind_of_file_is_tried(tmp_path: Path) -> None:
    clip = write(tmp_path / "clip.avi", "MJPG", [np.zeros((64, 96, 3), np.uint8)] * 3)
    data = clip.read_bytes()
    for head in (b"#EXTM3U\n", b"ffconcat", b"<?xml ve", b"v=0\r\no=-"):
        clip.write_bytes(head + data)
        with pytest.raises(ClipRejected, match="VIDEO_MAGIC"):
            read_frames(clip)
