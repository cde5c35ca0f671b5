"""Command ``table``: names become rows, files become links."""

from __future__ import annotations

from pathlib import Path

import pytest

from stroi.cache.errors import RefusedInput
from stroi.pipeline.cli import run
from stroi.pipeline.datasets import ADAPTERS
from stroi.stages.table import ut_interaction, write_table


def _videos(folder: Path) -> Path:
    folder.mkdir()
    for name in ("0_1_4.avi", "12_3_0.avi", "7_10_5.avi", "notes.txt", "1_1_9.avi"):
        (folder / name).write_bytes(b"video")
    return folder


def test_ut_interaction_names(tmp_path: Path) -> None:
    assert ut_interaction(_videos(tmp_path / "set1")) == [
        ("ut_000_punch", "0_1_4.avi", "punch", "1", "1"),
        ("ut_012_handshake", "12_3_0.avi", "handshake", "3", "1"),
        ("ut_007_push", "7_10_5.avi", "push", "10", "1"),
    ]


def test_command_makes_a_data_set_that_the_table_adapter_reads(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    videos = _videos(tmp_path / "set1")
    arguments = ["table", "ut-interaction", str(videos), "--root", str(tmp_path), "--dataset", "ut"]
    assert run(arguments) == 0
    assert "3 clips of 3 classes" in capsys.readouterr().out
    raw = tmp_path / "data" / "ut" / "raw"
    listed = ADAPTERS["table"](raw).clips
    assert {clip.label for clip in listed} == {"punch", "handshake", "push"}
    assert all((raw / clip.video).read_bytes() == b"video" for clip in listed)
    assert run(arguments) == 0


def test_folder_without_such_names_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RefusedInput, match="give the folder that holds the videos themselves"):
        write_table(tmp_path / "raw", tmp_path, [])


def test_a_video_in_the_way_is_not_overwritten(tmp_path: Path) -> None:
    videos = _videos(tmp_path / "set1")
    (tmp_path / "raw" / "videos").mkdir(parents=True)
    (tmp_path / "raw" / "videos" / "0_1_4.avi").write_bytes(b"mine")
    with pytest.raises(RefusedInput, match="is no link; move it away"):
        write_table(tmp_path / "raw", videos, ut_interaction(videos))


def test_real_set_has_its_sixty_clips(real_data: Path) -> None:
    rows = ut_interaction(real_data / "ut_interaction" / "set1")
    assert len(rows) == 60
    assert {row[3] for row in rows} == {str(number) for number in range(1, 11)}
