"""First frames of quarantined clips: shown where the video is there and can be read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from stroi.pipeline.index.ledger import ClipOutcome
from stroi.pipeline.index.table import ClipEntry
from stroi.stages.report_page.first_frames import SHOWN, with_first_frames
from stroi.stages.report_page.provenance import Losses, Lost

LOSSES = Losses((), (), 0, 0, 0, {})


def _lost(name: str) -> Lost:
    return Lost("mosaics", ClipOutcome(name, "MOSAIC_BLACK", "nothing to see"))


def test_only_clips_that_can_be_read_have_a_frame(tmp_path: Path) -> None:
    (tmp_path / "clip").mkdir()
    for number in range(3):
        frame = np.full((60, 80, 3), 50 * number, np.uint8)
        cv2.imwrite(str(tmp_path / "clip" / f"{number:05d}.png"), frame)
    (tmp_path / "damaged.avi").write_bytes(b"no video")
    samples = {
        name: ClipEntry(name, video, "wave")
        for name, video in (("a", "clip"), ("b", "damaged.avi"), ("c", "absent.avi"), ("d", ""))
    }
    losses = replace(LOSSES, listed=tuple(map(_lost, "abcde")))
    found = with_first_frames(losses, tmp_path, samples).listed
    assert [lost.outcome.id for lost in found] == list("abcde")
    assert [lost.picture is not None for lost in found] == [True, False, False, False, False]
    assert found[0].picture is not None
    assert (found[0].picture.width, found[0].picture.height) == (160, 120)


def test_a_long_ledger_has_a_few_pictures(tmp_path: Path) -> None:
    (tmp_path / "clip").mkdir()
    for number in range(3):
        cv2.imwrite(str(tmp_path / "clip" / f"{number:05d}.png"), np.zeros((32, 32, 3), np.uint8))
    names = [f"c{number:02d}" for number in range(SHOWN + 3)]
    losses = replace(LOSSES, listed=tuple(map(_lost, names)))
    samples = {name: ClipEntry(name, "clip", "wave") for name in names}
    found = with_first_frames(losses, tmp_path, samples).listed
    assert sum(lost.picture is not None for lost in found) == SHOWN
    assert len(found) == len(names)
