"""Sizes in containers: what proves that bytes are missing, and what proves nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from numbered import number_of
from numbered_containers import FRAMES, write

from stroi.cache.errors import ClipRejected
from stroi.stages.video.decoding.opening import open_video
from stroi.stages.video.reader import check_clip, read_frames

Change = Callable[[bytes], bytes]


def sized(place: int, size: bytes) -> Change:
    return lambda data: data[:place] + size + data[place + len(size) :]


def broadcast(data: bytes) -> bytes:
    """An ASF file that says that it does not know its size, which is written all the same."""
    place = data.index(bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365"))
    data = sized(place + 40, (10**9).to_bytes(8, "little"))(data)
    return sized(place + 88, bytes([data[place + 88] | 1]))(data)


UNPROVEN: dict[str, tuple[str, str, Change]] = {
    "RIFF of size 0": ("avi", "mpeg4", sized(4, bytes(4))),
    "RIFF of size -1": ("avi", "mpeg4", sized(4, b"\xff" * 4)),
    "zeros after AVI": ("avi", "mpeg4", lambda data: data + bytes(999)),
    "text after MP4": ("mp4", "mpeg4", lambda data: data + b"some notes of a phone" * 9),
    "zeros after MP4": ("mp4", "mpeg4", lambda data: data + bytes(999)),
    "text after Matroska": ("matroska", "mpeg4", lambda data: data + b"notes" * 99),
    "zeros after MPEG": ("mpeg", "mpeg2video", lambda data: data + bytes(2048)),
    "no end code": ("mpeg", "mpeg2video", lambda data: data.removesuffix(b"\0\0\1\xb9")),
    "text after FLV": ("flv", "flv", lambda data: data + b"notes" * 9),
    "an ASF broadcast": ("asf", "wmv2", broadcast),
}


@pytest.mark.parametrize("case", UNPROVEN)
def test_what_proves_nothing_is_read(tmp_path: Path, case: str) -> None:
    container, codec, change = UNPROVEN[case]
    path = write(tmp_path / "clip", container, codec)
    path.write_bytes(change(path.read_bytes()))
    assert [number_of(frame) for frame in read_frames(path)] == list(range(FRAMES))
    check_clip(path)


@pytest.mark.parametrize(
    ("container", "codec"),
    [("avi", "mpeg4"), ("mp4", "mpeg4"), ("matroska", "mpeg4"), ("asf", "wmv2"), ("flv", "flv")],
)
def test_missing_bytes_are_counted(tmp_path: Path, container: str, codec: str) -> None:
    options = {"movflags": "faststart"} if container == "mp4" else {}
    path = write(tmp_path / "clip", container, codec, **options)
    data = path.read_bytes()
    for missing in (1, 5, 99):
        path.write_bytes(data[:-missing])
        video = open_video(path)
        assert video.missing_bytes() == missing
        video.close()
        with pytest.raises(ClipRejected, match=r"VIDEO_FRAMES: .*(cut|damaged)"):
            list(read_frames(path))


@pytest.mark.parametrize("packet", [188, 192])
def test_a_transport_stream_ends_with_a_packet(tmp_path: Path, packet: int) -> None:
    options = {"mpegts_m2ts_mode": "1"} if packet == 192 else {}
    path = write(tmp_path / "clip", "mpegts", "mpeg2video", **options)
    data = path.read_bytes()
    assert len(data) % packet == 0
    assert [number_of(frame) for frame in read_frames(path)] == list(range(FRAMES))
    path.write_bytes(data[:-1])
    with pytest.raises(ClipRejected, match=r"VIDEO_FRAMES: .*(damaged or cut|1 bytes are missing)"):
        list(read_frames(path))
