"""Where a new data set lies: links that DVC sees through, and nothing overwritten."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from stroi.cache.errors import RefusedInput, StroiError
from stroi.pipeline.datasets.registry import adapter
from stroi.pipeline.index.table import ClipEntry
from stroi.stages.tools.init.links import link_folder, link_table


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    return tmp_path / "project" / "data" / "mine" / "raw"


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    folder = tmp_path / "videos"
    (folder / "day 1").mkdir(parents=True)
    (folder / "day 1" / "a.avi").write_bytes(b"a")
    (folder / "frames").mkdir()
    for number in range(3):
        (folder / "frames" / f"{number}.png").write_bytes(b"image")
    return folder


def test_a_folder_is_linked_once_and_again(raw: Path, videos: Path) -> None:
    for _ in range(2):
        link_folder(raw, videos)
        assert raw.readlink() == videos
    assert (raw / "day 1" / "a.avi").read_bytes() == b"a"


def test_videos_that_lie_in_the_project_already_are_left_there(raw: Path) -> None:
    raw.mkdir(parents=True)
    link_folder(raw, raw)
    assert not raw.is_symlink()


def test_another_link_is_replaced_by_force_alone(raw: Path, videos: Path, tmp_path: Path) -> None:
    link_folder(raw, videos)
    (tmp_path / "others").mkdir()
    with pytest.raises(
        RefusedInput, match=r"INIT_RAW: .*raw is a link to .*or replace the link by --force"
    ):
        link_folder(raw, tmp_path / "others")
    link_folder(raw, tmp_path / "others", force=True)
    assert raw.readlink() == tmp_path / "others"


def test_a_folder_that_is_there_is_never_replaced(raw: Path, videos: Path) -> None:
    raw.mkdir(parents=True)
    (raw / "mine.avi").write_bytes(b"mine")
    with pytest.raises(
        RefusedInput, match=r"INIT_RAW: .*raw is a file or folder, not .*move it away$"
    ):
        link_folder(raw, videos, force=True)
    assert (raw / "mine.avi").read_bytes() == b"mine"


def test_a_folder_that_holds_the_project_is_refused(raw: Path, tmp_path: Path) -> None:
    with pytest.raises(
        RefusedInput, match=r"INIT_INSIDE: .*give a folder that contains nothing but"
    ):
        link_folder(raw, tmp_path)
    assert not os.path.lexists(raw)


@pytest.mark.skipif(os.getuid() == 0, reason="nothing is read-only for root")
def test_a_folder_that_cannot_be_written(raw: Path, videos: Path) -> None:
    raw.parent.mkdir(parents=True)
    raw.parent.chmod(0o555)
    with pytest.raises(StroiError, match="OUTPUT_READ_ONLY"):
        link_folder(raw, videos)


def test_a_place_that_cannot_be_a_folder(raw: Path, videos: Path) -> None:
    raw.parent.parent.mkdir(parents=True)
    raw.parent.write_bytes(b"a file")
    with pytest.raises(StroiError, match=r"WRITE_FAILED: .*data/mine"):
        link_folder(raw, videos)


def test_a_table_s_files_are_linked_one_by_one(raw: Path, videos: Path, tmp_path: Path) -> None:
    table = tmp_path / "clips.csv"
    rows = "one,day 1/a.avi,wave,s1,\ntwo,frames,sit,s2,\nlost,gone.avi,sit,s2,\n"
    table.write_text(f"sample_id,video,label,subject,camera\n{rows}")
    clips = [ClipEntry("one", "day 1/a.avi", "wave"), ClipEntry("two", "frames", "sit")]
    clips.append(ClipEntry("lost", "gone.avi", "sit"))
    for _ in range(2):
        link_table(raw, videos, table, clips)
    assert (raw / "table.csv").readlink() == table
    links = {str(path.relative_to(raw)) for path in raw.rglob("*") if path.is_symlink()}
    images = {f"frames/{number}.png" for number in range(3)}
    assert links == {"table.csv", "day 1/a.avi", *images}
    assert {clip.id for clip in adapter("table").list_clips(raw).clips} == {"one", "two", "lost"}


def test_a_video_in_the_way_is_not_overwritten(raw: Path, videos: Path, tmp_path: Path) -> None:
    raw.mkdir(parents=True)
    (raw / "table.csv").write_bytes(b"mine")
    with pytest.raises(RefusedInput, match=r"INIT_RAW: .*table.csv is no link; move it away"):
        link_table(raw, videos, tmp_path / "clips.csv", [])
    assert (raw / "table.csv").read_bytes() == b"mine"
