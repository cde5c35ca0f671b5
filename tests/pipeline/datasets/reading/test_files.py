"""Copies of a video and missing files are found by names and sizes, before anything is digested."""

from __future__ import annotations

from pathlib import Path

import pytest

from stroi.cache.errors import RefusedInput
from stroi.pipeline.datasets.reading import files
from stroi.pipeline.datasets.reading.files import missing_notes, twin_notes, with_digests
from stroi.pipeline.datasets.reading.places import check_places
from stroi.pipeline.index.table import ClipEntry


def make(root: Path, content: dict[str, bytes]) -> list[ClipEntry]:
    for place, data in content.items():
        (root / place).parent.mkdir(parents=True, exist_ok=True)
        (root / place).write_bytes(data)
    return [ClipEntry(place.replace("/", "_"), place, place.split("/")[0]) for place in content]


def test_copies_are_named_and_a_class_of_their_own_counts(tmp_path: Path) -> None:
    videos = {"wave/a": b"1", "wave/b": b"1", "kick/c": b"1", "kick/d": b"2", "kick/e": b"33"}
    samples = with_digests(tmp_path, make(tmp_path, videos))
    assert list(twin_notes(samples)) == [
        "1 videos are there under two names (1 in two classes): 'kick/c' and 'wave/a': keep one of"
        " each, because a split that has them on two sides is refused"
    ]


def test_nothing_but_files_of_one_size_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    digest = files.sha256_file

    def note(path: Path) -> str:
        seen.append(path.name)
        return digest(path)

    monkeypatch.setattr(files, "sha256_file", note)
    samples = with_digests(tmp_path, make(tmp_path, {"x/a": b"1", "x/b": b"2", "x/c": b"333"}))
    assert seen == ["a", "b"]
    assert len({sample.sha256 for sample in samples}) == 3
    assert list(twin_notes(samples)) == []


def test_parts_of_one_video_are_one_file_and_no_copies(tmp_path: Path) -> None:
    make(tmp_path, {"x/a": b"1"})
    clips = [ClipEntry("one", "x/a", "x", stop=5), ClipEntry("two", "x/a", "y", start=5)]
    one, two = with_digests(tmp_path, clips)
    assert one.sha256 == two.sha256 != ""
    assert list(twin_notes([one, two])) == []


def test_folders_of_frames_are_compared_too_and_empty_files_are_not(tmp_path: Path) -> None:
    make(tmp_path, {f"x/{name}/1.png": b"1" for name in "ab"} | {"x/c": b"", "x/d": b""})
    clips = [ClipEntry(name, f"x/{name}", "x") for name in "abcd"]
    (said,) = twin_notes(with_digests(tmp_path, clips))
    assert said.startswith("1 videos are there under two names: 'x/a' and 'x/b': keep")


def test_missing_files_are_counted_and_what_may_be_meant_is_named(tmp_path: Path) -> None:
    make(tmp_path, {"wave/1.mp4": b"1", "wave/2.mp4": b"2"})
    names = ("wave/1.mp4", "wave/2", "videos/wave/1.mp4", "gone/3.mp4")
    clips = [ClipEntry(f"c{number}", name, "x") for number, name in enumerate(names)]
    assert missing_notes(tmp_path, clips) == (
        [
            "the files of 3 of 4 clips are missing: 'gone/3.mp4', 'videos/wave/1.mp4' (perhaps"
            " 'wave/1.mp4'), 'wave/2' (perhaps 'wave/2.mp4')"
        ],
        3,
    )
    assert missing_notes(tmp_path, clips[:1]) == ([], 0)


def test_a_linked_folder_of_json_is_refused(tmp_path: Path) -> None:
    make(tmp_path, {"raw/x/a": b"1", "json/a/1.json": b"{}"})
    (tmp_path / "raw" / "poses").symlink_to(tmp_path / "json")
    with pytest.raises(RefusedInput, match=r"LINKED_FOLDER: .*poses is a link, and DVC would not"):
        check_places(tmp_path / "raw", ["x/a", "poses/a"])
    check_places(tmp_path / "raw", ["x/a"])
