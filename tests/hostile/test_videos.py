"""Videos of a stranger read no other file, and are short of nothing in silence."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from handmade_videos import black_jpeg, black_png, bombs, mux, write
from measured import most_seconds
from received import PEAK, assert_inspect_refuses, stroi

from stroi.cache.errors import ClipRejected
from stroi.stages.tools.inspect import VIDEO_BYTES
from stroi.stages.video.reader import read_frames

PICTURE = black_jpeg(96, 64)
BLACK = np.zeros((64, 96, 3), np.uint8)
GOOD = mux([PICTURE] * 40, 40)


def mp4(folder: Path) -> bytes:
    return write(folder / "source.mp4", "mp4v", [BLACK] * 40).read_bytes()


def damaged() -> bytes:
    """Pictures 10 to 29 of 40 are no pictures any more; the decoder gives up at the first."""
    rubbish = b"\0" * len(PICTURE)
    return mux([PICTURE] * 10 + [rubbish] * 20 + [PICTURE] * 10, 40)


def boxes(*sizes: int) -> bytes:
    """An MP4 file whose table of samples claims to be long."""
    size = 8 + 12 + sizes[0]
    table = size.to_bytes(4, "big") + b"stsz" + bytes(8) + sizes[1].to_bytes(4, "big")
    moov = (8 + len(table)).to_bytes(4, "big") + b"moov" + table
    return b"\0\0\0\x14ftypisom\0\0\0\0isom" + moov


PLAYLISTS = {
    "ffconcat": b"ffconcat version 1.0\nfile canary.avi\n",
    "HLS": b"#EXTM3U\n#EXTINF:1,\ncanary.avi\n#EXT-X-ENDLIST\n",
    "HLS with an address": b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/x\n#EXT-X-ENDLIST\n",
    "DASH": b'<?xml version="1.0"?><MPD><BaseURL>canary.avi</BaseURL></MPD>',
    "SDP": b"v=0\no=- 0 0 IN IP4 127.0.0.1\nm=video 9 RTP/AVP 96\n",
    "playlist in RIFF": b"RIFF....#EXTM3U\n#EXTINF:1,\ncanary.avi\n",
    "subtitles": b"1\n00:00:00,000 --> 00:00:01,000\nx\n",
    "stills": b"GIF89a" + bytes(100),
    "text": b"\x1b]0;title\x07" * 9,
    "GXF": b"\0\0\0\0\1\xbc" + bytes(99),
}


@pytest.mark.parametrize("case", PLAYLISTS)
@pytest.mark.parametrize("suffix", [".avi", ".mp4"])
def test_what_is_no_video_is_never_parsed(tmp_path: Path, case: str, suffix: str) -> None:
    canary = tmp_path / "canary.avi"
    canary.write_bytes(GOOD)
    os.utime(canary, ns=(0, canary.stat().st_mtime_ns))
    path = tmp_path / f"clip{suffix}"
    path.write_bytes(PLAYLISTS[case])
    assert_inspect_refuses(
        path, "VIDEO_MAGIC", "not a video of a kind that is read (it begins with"
    )


VIDEOS: dict[str, tuple[Callable[[Path], bytes], str, str]] = {
    "nothing": (lambda folder: b"", "VIDEO_EMPTY", "the file has 0 bytes; fetch the file again"),
    "no picture": (lambda folder: mux([], 0), "VIDEO_EMPTY", "not one frame decodes"),
    "header alone": (lambda folder: GOOD[:100], "VIDEO_OPEN", "no video stream that can be decode"),
    "cut": (lambda folder: GOOD[: len(GOOD) // 2], "VIDEO_FRAMES", "the video is damaged or cut ("),
    "cut MP4": (lambda folder: mp4(folder)[:500], "VIDEO_OPEN", "no video stream that can be deco"),
    "damaged": (lambda folder: damaged(), "VIDEO_FRAMES", "damaged or cut (about frame 10: "),
    "12,000 px": (
        lambda folder: mux([black_jpeg(12_000, 8_000)], 1), "VIDEO_SIZE", "frames of 0 x 0 px; enc",
    ),
    "8 px": (lambda folder: mux([black_jpeg(8, 8)] * 9, 9), "VIDEO_SIZE", "frames of 8 x 16 px"),
    "2 GB picture": (
        lambda folder: mux([black_png(16_000, 16_000)], 1, code=b"MPNG"),
        "VIDEO_SIZE", "frames of 0 x 0 px; encode it with sides from 16 to 8192 px",
    ),
    "2 GB pictures later": (
        lambda folder: mux(
            [*[black_png(96, 64)] * 3, *[black_png(16_000, 16_000)] * 9], 12, code=b"MPNG"
        ),
        "VIDEO_FRAMES", "damaged or cut (about frame 3: ",
    ),
    "unknown codec": (
        lambda folder: mux([PICTURE] * 9, 9, code=b"\x1b[0m"), "VIDEO_OPEN", "no video stream that",
    ),
    "raw 30,000 px": (
        lambda folder: mux([PICTURE] * 9, 9, code=bytes(4), size=(30_000, 30_000)),
        "VIDEO_SIZE", "frames of 0 x 0 px",
    ),
    "table of 2^32 samples": (
        lambda folder: boxes(0, 2**32 - 1), "VIDEO_OPEN", "no video stream that can be decoded",
    ),
    "table of 4 GB": (
        lambda folder: boxes(2**32 - 40, 2**30), "VIDEO_OPEN", "no video stream that can be",
    ),
    "rubbish in AVI": (
        lambda folder: b"RIFF\xff\xff\xff\xffAVI " + b"LIST\xff\xff\xff\xff" * 9,
        "VIDEO_OPEN", "no video stream",
    ),
    "rubbish in Matroska": (
        lambda folder: b"\x1aE\xdf\xa3\x01" + b"\xff" * 99, "VIDEO_OPEN", "no video stream",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", VIDEOS)
def test_videos(tmp_path: Path, case: str) -> None:
    make, code, says = VIDEOS[case]
    data = make(tmp_path)
    (tmp_path / "source.mp4").unlink(missing_ok=True)
    path = tmp_path / "clip.avi"
    path.write_bytes(data)
    assert_inspect_refuses(path, code, says, peak=PEAK + VIDEO_BYTES)


SPECIAL: dict[str, tuple[Callable[[Path], object], str]] = {
    "fifo": (os.mkfifo, "not a plain file"),
    "device": (lambda path: path.symlink_to("/dev/zero"), "not a plain file"),
    "absent": (lambda path: None, "cannot be opened (No such file or directory)"),
}


@pytest.mark.parametrize("case", SPECIAL)
@pytest.mark.parametrize("name", ["clip.avi", "clip%03d.avi"])
def test_what_is_no_plain_file_does_not_hang(tmp_path: Path, case: str, name: str) -> None:
    make, says = SPECIAL[case]
    (tmp_path / "clip000.avi").write_bytes(GOOD)
    make(tmp_path / name)
    assert_inspect_refuses(tmp_path / name, "VIDEO_OPEN", says)


def test_addresses_are_names(tmp_path: Path) -> None:
    path = tmp_path / "concat:clip000.avi"
    (tmp_path / "clip000.avi").write_bytes(GOOD)
    assert_inspect_refuses(path, "VIDEO_OPEN", "cannot be opened (No such file or directory)")


@pytest.mark.parametrize("case", bombs())
def test_bombs_cost_little(tmp_path: Path, case: str) -> None:
    (tmp_path / "clip.avi").write_bytes(bombs()[case])
    done = stroi(["inspect", "clip.avi"], tmp_path)
    assert done.returncode == 3
    assert done.last_error.startswith(("error: VIDEO_SIZE: ", "error: VIDEO_FRAMES: "))
    assert done.peak_bytes < PEAK + VIDEO_BYTES
    assert done.seconds < most_seconds()


def test_good_videos_are_described(tmp_path: Path) -> None:
    (tmp_path / "clip.avi").write_bytes(mux([PICTURE] * 38, 40))
    (tmp_path / "clip.mp4").write_bytes(mp4(tmp_path))
    done = stroi(["inspect", "clip.avi", "clip.mp4"], tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "clip.avi: video: 38 frames, 96 x 64 px, 12.5 f" in done.stdout
    assert "clip.mp4: video: 40 frames, 96 x 64 px" in done.stdout


def test_a_run_meets_the_same_refusal(tmp_path: Path) -> None:
    """What `inspect` refuses is what a run quarantines: one reader, one code."""
    path = tmp_path / "clip.avi"
    path.write_bytes(damaged())
    with pytest.raises(ClipRejected, match=r"VIDEO_FRAMES.*about frame 10: "):
        list(read_frames(path))
