"""Tables of segments: good rows become clips, every other one has its code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stroi.cache.errors import RefusedInput
from stroi.cache.ids import check_ids
from stroi.pipeline.datasets import segments
from stroi.pipeline.datasets.segments import (
    MAX_FRAME,
    Row,
    add_once,
    cut,
    files_below,
    overlap_notes,
    split_lines,
)
from stroi.pipeline.index.table import ClipEntry, Sample

VIDEO = ClipEntry("0002-L", "0002-L.avi", "", camera="L", group="0002")


def row(start: object, stop: object, label: str = "bow", line: int = 1) -> Row:
    return Row(line, label, str(start), str(stop), label or "99")


def test_a_row_is_a_clip_of_its_video() -> None:
    clips, left_out = cut(VIDEO, [row(0, 1), row(119, 219, "drop", 2)])
    assert left_out == []
    assert clips == [
        ClipEntry("0002-L_000000_000001", "0002-L.avi", "bow", camera="L", group="0002", stop=1),
        ClipEntry(
            "0002-L_000119_000219", "0002-L.avi", "drop",
            camera="L", group="0002", start=119, stop=219,
        ),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("start", "stop"),
    [
        *((5, 5), (6, 5), (0, 0), ("", 5), (5, ""), (-1, 5), ("0x1", 5), ("1.5", 9), ("1_0", 20)),
        *(("\u0661", 5), (" 1", 5), (0, MAX_FRAME + 1), (0, 10**9), (0, 10**30), ("nan", "inf")),
    ],
)
def test_a_row_without_frames_is_left_out(start: object, stop: object) -> None:
    clips, (lost,) = cut(VIDEO, [row(start, stop, line=7)])
    assert clips == []
    assert (lost.id, lost.code) == ("0002-L_line7", "SEGMENT_FRAMES")
    assert lost.detail.startswith("line 7 of 0002-L's table: no frame from ")
    assert lost.detail.isascii()


def test_a_row_without_class_and_a_second_row_of_the_same_frames_are_left_out() -> None:
    rows = [row(1, 9), row(1, 9, "drop", 2), row(1, 9, line=3), row(9, 12, "", 4), row(9, 12)]
    clips, left_out = cut(VIDEO, rows)
    assert [clip.id for clip in clips] == ["0002-L_000001_000009", "0002-L_000009_000012"]
    assert [(lost.id, lost.code, lost.detail) for lost in left_out] == [
        (
            f"0002-L_line{line}",
            code,
            f"line {line} of 0002-L's table: {problem}",
        )
        for line, code, problem in (
            (2, "SEGMENT_TWICE", "an earlier row has the same frames, as 'bow'"),
            (3, "SEGMENT_TWICE", "an earlier row has the same frames, as 'bow'"),
            (4, "SEGMENT_CLASS", "'99' is no class"),
        )
    ]


@settings(derandomize=True, max_examples=60)
@given(st.lists(st.tuples(st.text(max_size=12), st.text(max_size=12)), max_size=8))
def test_whatever_a_table_says_ids_are_good_and_every_row_is_accounted_for(
    pairs: list[tuple[str, str]],
) -> None:
    rows = [row(start, stop, line=line) for line, (start, stop) in enumerate(pairs, 1)]
    clips, left_out = cut(VIDEO, rows)
    assert len(clips) + len(left_out) == len(rows)
    if clips:
        check_ids(tuple(sorted(clip.id for clip in clips)))
    assert all(0 <= clip.start < clip.stop <= MAX_FRAME for clip in clips)
    assert all(lost.code and lost.detail.isprintable() for lost in left_out)


def test_lines_of_a_table(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"1,2,3,4\r\n\n  5,6,7,8  ")
    assert split_lines(path) == [(1, "1,2,3,4"), (3, "5,6,7,8")]


def too_large(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(2**40)


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda path: path.write_bytes(b"\xff1,2,3,4"), "is no ASCII text"),
        (lambda path: path.mkdir(), "cannot be read"),
        (lambda path: path.write_text("1,2,3,4\n" * 20_001), "has more than 20000 rows"),
        (too_large, "at most 4194304 are read"),
    ],
)
def test_what_is_no_table(tmp_path: Path, make: object, expected: str) -> None:
    path = tmp_path / "a.txt"
    make(path)  # type: ignore[operator]
    with pytest.raises(RefusedInput, match=f"SEGMENT_TABLE: 'a.txt' .*{expected}"):
        split_lines(path)


def test_files_are_found_in_one_order_and_folders_of_pictures_left_alone(tmp_path: Path) -> None:
    for place in ("b/2.txt", "b/1.txt", "a/c/1.txt", "0002-L/000001.png", ".git/x", "z.txt"):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).touch()
    found = list(files_below(tmp_path, re.compile(r"\d{4}-[LMR]")))
    assert found == ["z.txt", "a/c/1.txt", "b/1.txt", "b/2.txt"]


def test_a_linked_folder_and_too_many_files_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    none = re.compile("$^")
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "loop").symlink_to(tmp_path)
    with pytest.raises(RefusedInput, match=r"LINKED_FOLDER: .*loop is a link"):
        list(files_below(tmp_path, none))
    (tmp_path / "a" / "loop").unlink()
    monkeypatch.setattr(segments, "MAX_FILES", 3)
    for number in range(3):
        (tmp_path / f"{number}.txt").touch()
    with pytest.raises(RefusedInput, match=r"DATASET_MISSING: .* holds more than 3 files"):
        list(files_below(tmp_path, none))
    with pytest.raises(RefusedInput, match=r"DATASET_MISSING: .*gone cannot be read \(No such"):
        list(files_below(tmp_path / "gone", none))


def test_one_file_in_two_places_is_refused(tmp_path: Path) -> None:
    known = {"0002-L": "a/0002-L.txt"}
    add_once(known, "0002-L", "a/0002-L.txt", tmp_path)
    with pytest.raises(RefusedInput, match=r"ID_DUPLICATE: .*a/0002-L\.txt and b/0002-L\.txt are"):
        add_once(known, "0002-L", "b/0002-L.txt", tmp_path)
    with pytest.raises(RefusedInput, match="CSV_VALUE"):
        add_once(known, "0003-L", "bad\nfolder/0003-L.txt", tmp_path)


VIDEOS = ["1" * 64, "2" * 64, ""]


def sample(name: str, start: int, stop: int, sha256: str = "1" * 64) -> Sample:
    video = "a.avi" if sha256 else ""
    return Sample(name, video, "x", start=start, stop=stop, bytes=len(sha256), sha256=sha256)


def brute(samples: list[Sample]) -> set[str]:
    """Ids of samples that share a frame with another, each pair compared."""
    frames = [
        (one.id, one.sha256, set(range(one.start, one.stop or 60))) for one in samples if one.sha256
    ]
    return {
        one
        for one, video, shown in frames
        for other, other_video, other_shown in frames
        if one != other and video == other_video and shown & other_shown
    }


@settings(derandomize=True, max_examples=150)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 20), st.integers(0, 20), st.sampled_from(["1" * 64, "2" * 64, ""])
        ),
        max_size=8,
    )
)
def test_clips_that_share_frames_are_those_that_comparing_pairs_finds(
    drawn: list[tuple[int, int, str]],
) -> None:
    samples = [
        sample(f"s{number}", start, start + length if length else 0, video)
        for number, (start, length, video) in enumerate(drawn)
    ]
    expected = brute(samples)
    notes = overlap_notes(reversed(samples))
    assert len(notes) == bool(expected)
    if expected:
        assert notes[0].startswith(
            f"{len(expected)} clips share frames of a video with another clip, such as "
            f"{min(expected)};"
        )
