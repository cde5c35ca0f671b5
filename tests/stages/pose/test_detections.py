"""Kept detections come back whole or not at all."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
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
    found = _detections()
    save_detections(tmp_path / "a.npz", found)
    back = load_detections(tmp_path / "a.npz")
    assert back is not None
    np.testing.assert_array_equal(back.people, found.people)
    np.testing.assert_array_equal(back.counts, found.counts)
    assert (back.width, back.height, back.fps) == (320, 240, 29.97)


def test_missing_cut_or_foreign_file_is_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    assert load_detections(path) is None
    save_detections(path, _detections())
    data = path.read_bytes()
    for broken in (data[: len(data) // 2], b"", b"something else"):
        path.write_bytes(broken)
        assert load_detections(path) is None
    np.savez(tmp_path / "b.npz", people=np.zeros(3))
    assert load_detections(tmp_path / "b.npz") is None


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
