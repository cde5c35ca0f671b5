"""A result belongs to the bytes that the index lists, or there is none."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from stroi.cache.errors import ClipRejected
from stroi.cache.files.digests import sha256_file
from stroi.stages.video import fingerprint as source
from stroi.stages.video.fingerprint import check_unchanged, measure_clip


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
    with pytest.raises(ClipRejected, match=r"VIDEO_CHANGED: 'a\.avi' changed since it was indexed"):
        check_unchanged(video, known)


def test_missing_video_is_rejected_not_a_crash(tmp_path: Path) -> None:
    with pytest.raises(ClipRejected, match=r"VIDEO_OPEN: 'gone\.avi': No such file"):
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


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that are hashed, as it happens; nothing is known at first."""
    names: list[str] = []
    monkeypatch.setattr(source, "_known", {})
    monkeypatch.setattr(
        source, "sha256_file", lambda path: (names.append(path.name), sha256_file(path))[1]
    )
    return names


def written(path: Path, data: bytes) -> str:
    path.write_bytes(data)
    return sha256_file(path)


def test_a_long_video_is_hashed_once_for_all_its_clips(
    tmp_path: Path, hashed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source, "SETTLED", -1.0)
    one, two = written(tmp_path / "1.avi", b"1"), written(tmp_path / "2.avi", b"2")
    for _ in range(20):
        check_unchanged(tmp_path / "1.avi", one)
        check_unchanged(tmp_path / "2.avi", two)
    assert hashed == ["1.avi", "2.avi"]
    with pytest.raises(ClipRejected, match="VIDEO_CHANGED"):
        check_unchanged(tmp_path / "1.avi", two)


def test_what_is_remembered_notices_a_changed_byte_of_kept_size_and_time(
    tmp_path: Path, hashed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source, "SETTLED", -1.0)
    video = tmp_path / "a.avi"
    known = written(video, b"frames")
    check_unchanged(video, known)
    before = video.stat()
    time.sleep(0.05)  # the clock of file systems ticks every 4 to 10 ms
    with video.open("r+b") as file:
        file.write(b"F")
    os.utime(video, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = video.stat()
    assert (after.st_size, after.st_mtime_ns, after.st_ino) == (
        6,
        before.st_mtime_ns,
        before.st_ino,
    )
    with pytest.raises(ClipRejected, match="VIDEO_CHANGED"):
        check_unchanged(video, known)
    video.rename(tmp_path / "old.avi")
    written(video, b"frames")
    check_unchanged(video, known)
    assert hashed == ["a.avi"] * 3


def test_a_file_that_has_just_changed_is_not_remembered(tmp_path: Path, hashed: list[str]) -> None:
    video = tmp_path / "a.avi"
    known = written(video, b"frames")
    for _ in range(3):
        check_unchanged(video, known)
    assert hashed == ["a.avi"] * 3


def test_memory_of_digests_is_bounded(
    tmp_path: Path, hashed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source, "SETTLED", -1.0)
    for number in range(150):
        video = tmp_path / f"{number}.avi"
        check_unchanged(video, written(video, b"%d" % number))
        assert len(source._known) <= 64
