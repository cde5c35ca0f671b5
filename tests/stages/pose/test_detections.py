"""Kept detections come back whole or not at all."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from stroi.stages.pose.detections import Detections, detect, load_detections, save_detections


def _detections() -> Detections:
    people = np.random.default_rng(0).random((4, 25, 3)).astype(np.float32)
    return Detections(people, np.array([2, 0, 1, 1], np.int32), 320, 240, 29.97)


def test_people_go_to_their_frames() -> None:
    found = _detections()
    frames = found.by_frame()
    assert [len(people) for people in frames] == [2, 0, 1, 1]
    np.testing.assert_array_equal(np.concatenate(frames), found.people)


def test_round_trip(tmp_path: Path) -> None:
    found = _detections().with_remarks("files numbered from 1", "movenet agrees")
    save_detections(tmp_path / "a.npz", found)
    back = load_detections(tmp_path / "a.npz")
    assert back is not None
    np.testing.assert_array_equal(back.people, found.people)
    np.testing.assert_array_equal(back.counts, found.counts)
    assert (back.width, back.height, back.fps) == (320, 240, 29.97)
    assert back.remark == "files numbered from 1; movenet agrees"


def test_kept_files_are_the_same_bytes_each_time(tmp_path: Path) -> None:
    for name in "ab":
        save_detections(tmp_path / name, _detections())
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    with np.load(tmp_path / "a", allow_pickle=False) as data:
        np.testing.assert_array_equal(data["people"], _detections().people)


def test_nobody_in_any_frame_is_kept_too(tmp_path: Path) -> None:
    empty = Detections(np.zeros((0, 25, 3), np.float32), np.zeros(3, np.int32), 320, 240, 0.0)
    save_detections(tmp_path / "a.npz", empty)
    back = load_detections(tmp_path / "a.npz")
    assert back is not None
    assert (back.people.shape, back.counts.tolist()) == ((0, 25, 3), [0, 0, 0])


def test_missing_cut_or_foreign_file_is_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    assert load_detections(path) is None
    save_detections(path, _detections())
    data = path.read_bytes()
    for length in range(0, len(data), 11):
        path.write_bytes(data[:length])
        assert load_detections(path) is None
    path.write_bytes(b"something else")
    assert load_detections(path) is None
    assert load_detections(tmp_path) is None


def test_no_flipped_bit_changes_detections_in_silence(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    save_detections(path, _detections())
    data = path.read_bytes()
    for at in range(len(data)):
        path.write_bytes(data[:at] + bytes([data[at] ^ (1 << at % 8)]) + data[at + 1 :])
        back = load_detections(path)
        # Dates and versions in the zip file mean nothing.
        if back is not None:
            np.testing.assert_array_equal(back.people, _detections().people)
            assert (back.width, back.height, back.fps) == (320, 240, 29.97)


GOOD = _detections()
PLACE = np.array([320, 240, 29.97])
REMARK = np.array("turned by 90 degrees clockwise")


def _zip(**arrays: NDArray[Any] | bytes) -> bytes:
    """A zip file of arrays, or of bytes that stand for one."""
    buffer = io.BytesIO()
    good = {"people": GOOD.people, "counts": GOOD.counts, "size": PLACE, "remark": REMARK}
    given: dict[str, NDArray[Any] | bytes] = {**good, **arrays}
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, array in given.items():
            content = io.BytesIO()
            if isinstance(array, bytes):
                content.write(array)
            else:
                np.lib.format.write_array(content, array)
            archive.writestr(f"{name}.npy", content.getvalue())
    return buffer.getvalue()


def _claiming(shape: str, dtype: str = "<f4") -> bytes:
    text = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': ({shape}), }}\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode() + bytes(300)


HOSTILE = {
    "objects": _zip(people=np.array([{}] * 4, object)),
    "8 TiB": _zip(people=_claiming("999999999, 999999999, 3")),
    "more than there is": _zip(people=_claiming("2, 25, 3")),
    "2^64 elements": _zip(people=_claiming("4294967296, 4294967296, 1")),
    "code in the header": _zip(people=_claiming("__import__('os').getpid(), 25, 3")),
    "nested header": _zip(people=_claiming("(" * 90)),
    "double precision": _zip(people=GOOD.people.astype(np.float64)),
    "big-endian": _zip(people=GOOD.people.astype(">f4")),
    "20 joints": _zip(people=np.zeros((4, 20, 3), np.float32)),
    "no joints": _zip(people=np.zeros(4, np.float32)),
    "NaN": _zip(people=np.full((4, 25, 3), np.nan, np.float32)),
    "other count": _zip(counts=np.array([2, 0, 1], np.int32)),
    "negative count": _zip(counts=np.array([5, -1], np.int32)),
    "counts that wrap": _zip(counts=np.array([2**31 - 1, 2**31 - 1, 6], np.int32)),
    "no frame": _zip(counts=np.zeros(0, np.int32), people=np.zeros((0, 25, 3), np.float32)),
    "no width": _zip(size=np.array([0, 240, 29.97])),
    "giant height": _zip(size=np.array([320, 1e9, 29.97])),
    "infinite width": _zip(size=np.array([np.inf, 240, 29.97])),
    "rate of NaN": _zip(size=np.array([320, 240, np.nan])),
    "negative rate": _zip(size=np.array([320, 240, -1.0])),
    "two numbers": _zip(size=np.array([320.0, 240.0])),
    "a remark of bytes": _zip(remark=np.array(b"turned")),
    "two remarks": _zip(remark=np.array(["turned", "mirrored"])),
    "an escape sequence": _zip(remark=np.array("\x1b[31m")),
    "two lines": _zip(remark=np.array("done\ndone")),
    "a long remark": _zip(remark=np.array("x" * 501)),
    "no counts": _zip().replace(b"counts.npy", b"others.npy"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_store_holds_nothing(tmp_path: Path, case: str) -> None:
    (tmp_path / "good.npz").write_bytes(_zip())
    assert load_detections(tmp_path / "good.npz") is not None
    (tmp_path / "a.npz").write_bytes(HOSTILE[case])
    assert load_detections(tmp_path / "a.npz") is None


def test_pipes_and_giants_are_nothing(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.npz")
    assert load_detections(tmp_path / "pipe.npz") is None
    with (tmp_path / "giant.npz").open("wb") as file:
        file.truncate(2**40)
    assert load_detections(tmp_path / "giant.npz") is None


class _Brightness:
    """An estimator whose one person stands at the frame's brightness."""

    name = "brightness"
    digest = "0" * 64

    def __call__(self, bgr: NDArray[np.uint8]) -> NDArray[np.float32]:
        return np.full((1, 25, 3), round(float(bgr.mean()), -1), np.float32)


def test_every_frame_is_estimated_in_order(tmp_path: Path) -> None:
    path = tmp_path / "a.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 15.0, (64, 48))
    for brightness in (50, 100, 150, 200):
        writer.write(np.full((48, 64, 3), brightness, np.uint8))
    writer.release()
    found = detect(path, _Brightness())
    assert (found.width, found.height, found.fps) == (64, 48, 15.0)
    assert found.people[:, 0, 0].tolist() == [50, 100, 150, 200]
    assert found.counts.tolist() == [1, 1, 1, 1]
