"""The side of a crop, by the size of people or by that of the picture."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from stroi.cache.errors import RefusedInput
from stroi.pipeline.index.table import ClipEntry
from stroi.stages.demo.clips import DemoClip
from stroi.stages.demo.render import render_clip
from stroi.stages.tools.init import crop_size
from stroi.stages.tools.init.crop_size import estimate_crop_size


def grey(path: Path, height: int) -> None:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 15.0, (320, height))
    for _ in range(8):
        writer.write(np.full((height, 320, 3), 128, np.uint8))
    writer.release()


def test_half_a_torso_where_people_are_seen(tmp_path: Path) -> None:
    names = ("a", "b")
    for name, label in zip(names, ("drink", "read"), strict=True):
        pair = "sip" if label == "drink" else "browse"
        clip = DemoClip(name, label, "s01", "c1", pair, seed=0, frames=(30, 31))
        render_clip(clip, tmp_path / f"{name}.avi")
    clips = [ClipEntry(name, f"{name}.avi", "class") for name in names]
    size = estimate_crop_size(tmp_path, clips)
    assert size.reason.startswith("half of ")
    assert size.reason.endswith(" px, the median of 4 torsos in 2 videos")
    length = int(size.reason.split()[2])
    assert abs(size.cell - length / 2) <= 1.5
    assert size.cell % 2 == 0
    # Nothing but the pictures: classes and their order change nothing.
    other = [ClipEntry(clip.id, clip.video, "other") for clip in clips[::-1]]
    assert estimate_crop_size(tmp_path, other) == size


def test_a_tenth_of_the_picture_where_nobody_is(tmp_path: Path) -> None:
    grey(tmp_path / "a.avi", 240)
    (tmp_path / "b.avi").write_bytes(b"no video")
    size = estimate_crop_size(
        tmp_path, [ClipEntry("a", "a.avi", "x"), ClipEntry("b", "b.avi", "x")]
    )
    assert size.cell == 24
    assert size.reason == "a tenth of the height of 240 px: only 0 torsos in 1 videos"
    assert len(size.unreadable) == 1
    assert size.unreadable[0].startswith("b.avi: VIDEO_MAGIC: ")
    assert size.sampled == 2


def test_not_one_video_can_be_read(tmp_path: Path) -> None:
    for name, content in {"a": b"no video", "b": b""}.items():
        (tmp_path / f"{name}.avi").write_bytes(content)
    clips = [ClipEntry(name, f"{name}.avi", "x") for name in ("a", "b")]
    with pytest.raises(RefusedInput) as caught:
        estimate_crop_size(tmp_path, clips)
    assert caught.value.code == "INIT_UNREADABLE"
    assert "none of 2 videos could be read, first a.avi: VIDEO_MAGIC: " in caught.value.message
    (other,) = caught.value.details
    assert other.startswith("b.avi: VIDEO_EMPTY: ")
    assert caught.value.remedy == ""


def test_no_more_than_a_dozen_videos_are_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    def note(video: Path, _estimator: object) -> tuple[int, list[float]]:
        seen.append(video.name)
        return 100, [60.0]

    monkeypatch.setattr(crop_size, "_measure", note)
    clips = [ClipEntry(f"c{number:04d}", f"{number:04d}.avi", "x") for number in range(1000)]
    assert estimate_crop_size(tmp_path, clips).cell == 30
    assert len(seen) == 12
    assert seen[-1] > "0900.avi"
