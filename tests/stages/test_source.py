"""A result belongs to the bytes that the index lists, or there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from stroi.cache.digests import sha256_file
from stroi.cache.errors import ClipRejected
from stroi.stages.source import check_unchanged, measure_clip


def test_same_bytes_pass_whatever_the_clock_says(tmp_path: Path) -> None:
    video = tmp_path / "a.avi"
    video.write_bytes(b"frames")
    known = sha256_file(video)
    video.touch()
    check_unchanged(video, known)


def test_one_changed_byte_of_equal_size_is_noticed(tmp_path: Path) -> None:
    video = tmp_path / "a.avi"
    video.write_bytes(b"frames")
    known = sha256_file(video)
    video.write_bytes(b"Frames")
    with pytest.raises(ClipRejected, match=r"VIDEO_CHANGED: a\.avi changed since it was indexed"):
        check_unchanged(video, known)


def test_missing_video_is_rejected_not_a_crash(tmp_path: Path) -> None:
    with pytest.raises(ClipRejected, match=r"VIDEO_OPEN: gone\.avi: No such file"):
        check_unchanged(tmp_path / "gone.avi", "0" * 64)


def test_folder_of_frames_is_its_frames(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / f"{number}.png").write_bytes(b"frame %d" % number)
    known, size = measure_clip(tmp_path)
    assert size == 21
    (tmp_path / "notes.txt").write_text("no frame")
    check_unchanged(tmp_path, known)
    (tmp_path / "1.png").write_bytes(b"Frame 1")
    with pytest.raises(ClipRejected, match="VIDEO_CHANGED"):
        check_unchanged(tmp_path, known)
    (tmp_path / "1.png").unlink()
    with pytest.raises(ClipRejected, match=r"VIDEO_FRAMES: .* frame 1 is missing"):
        check_unchanged(tmp_path, known)
