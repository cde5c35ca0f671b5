"""UT-Interaction: names become clips."""

from __future__ import annotations

from pathlib import Path

import pytest

from stroi.cache.errors import RefusedInput
from stroi.pipeline.datasets import ADAPTERS, Listed

LIST = ADAPTERS["ut-interaction"]


def test_names(tmp_path: Path) -> None:
    for name in ("0_1_4.avi", "12_3_0.avi", "7_10_5.avi", "notes.txt", "1_1_9.avi"):
        (tmp_path / name).write_bytes(b"video")
    assert LIST(tmp_path).clips == (
        Listed("ut_000_punch", "0_1_4.avi", "punch", "1", "1"),
        Listed("ut_007_push", "7_10_5.avi", "push", "10", "1"),
        Listed("ut_012_handshake", "12_3_0.avi", "handshake", "3", "1"),
    )


def test_folder_without_such_names_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RefusedInput, match=r"DATASET_EMPTY: .*give the folder of one set"):
        LIST(tmp_path)


def test_real_set_has_its_sixty_clips(real_data: Path) -> None:
    clips = LIST(real_data / "ut_interaction" / "set1").clips
    assert len(clips) == 60
    assert {clip.subject for clip in clips} == {str(number) for number in range(1, 11)}
