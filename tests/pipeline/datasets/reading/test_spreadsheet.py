"""Tables as spreadsheets, pandas and people write them."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import pytest

from stroi.cache.errors import RefusedInput
from stroi.pipeline.datasets.table import list_table, read_table
from stroi.pipeline.index.table import ClipEntry

HEADER = ["sample_id", "video", "label", "subject", "camera"]
ROWS = [
    ["a", "wave/1.mp4", "wave", "1", "front"],
    ["b", "wave/2.mp4", "wave", "2", "front"],
    ["c", "kick/1.mp4", "kick", "1", "side"],
]
CLIPS = [ClipEntry(*row) for row in ROWS]


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    for _, video, *_ in ROWS:
        (tmp_path / video).parent.mkdir(exist_ok=True)
        (tmp_path / video).write_bytes(video.encode())
    return tmp_path


def text(header: list[str], rows: list[list[str]], sep: str = ",", end: str = "\r\n") -> str:
    return "".join(sep.join(row) + end for row in (header, *rows))


def column(number: int, *values: str) -> str:
    """The table with other values in one column."""
    return text(
        HEADER,
        [
            [*row[:number], value, *row[number + 1 :]]
            for row, value in zip(ROWS, values, strict=True)
        ],
    )


PLAIN = text(HEADER, ROWS)
READ = {
    "plain": PLAIN.encode(),
    "marked as UTF-8": b"\xef\xbb\xbf" + PLAIN.encode(),
    "UTF-16 with tabs": text(HEADER, ROWS, "\t").encode("utf-16"),
    "semicolons": text(HEADER, ROWS, ";").encode(),
    "tabs": text(HEADER, ROWS, "\t").encode(),
    "bars": text(HEADER, ROWS, "|").encode(),
    "spaces behind commas": text(HEADER, ROWS, ", ").encode(),
    "quotes behind spaces": PLAIN.replace(",wave,", ', "wave",').encode(),
    "a line for Excel": b"sep=;\r\n" + text(HEADER, ROWS, ";").encode(),
    "empty rows": (PLAIN + ",,,,\r\n,,,,\r\n\r\n").encode(),
    "an empty row inside": PLAIN.replace("\r\nb", "\r\n,,,,\r\nb").encode(),
    "empty columns": text([*HEADER, "", ""], [[*row, "", ""] for row in ROWS]).encode(),
    "more fields than columns": text(HEADER, [[*row, "", ""] for row in ROWS]).encode(),
    "numbers of rows": text(
        ["", *HEADER], [[str(number), *row] for number, row in enumerate(ROWS)]
    ).encode(),
    "capitals": text([name.upper() for name in HEADER], ROWS).encode(),
    "words in the header": text(["Sample ID", *map(str.title, HEADER[1:])], ROWS).encode(),
    "old line ends": text(HEADER, ROWS, end="\r").encode(),
    "no last line end": PLAIN.rstrip().encode(),
    "backslashes": PLAIN.replace("/", "\\").encode(),
    "dots": PLAIN.replace("kick/", "./kick/").replace("wave/", ".\\wave\\").encode(),
    "other case": PLAIN.replace("wave/1.mp4", "Wave/1.MP4").encode(),
}


@pytest.mark.parametrize("case", READ)
def test_what_can_mean_one_thing_only_is_read(raw: Path, case: str) -> None:
    (raw / "table.csv").write_bytes(READ[case])
    assert sorted(list_table(raw).clips) == sorted(CLIPS)


def test_absolute_paths_inside_the_data_set_are_read(raw: Path, tmp_path: Path) -> None:
    """Also through the link by which the project sees it, and where each file is a link."""
    (raw / "table.csv").write_text(column(1, *(str(raw / row[1]) for row in ROWS)))
    assert sorted(list_table(raw).clips) == sorted(CLIPS)
    link = tmp_path / "link"
    link.symlink_to(raw)
    assert sorted(list_table(link).clips) == sorted(CLIPS)
    links = tmp_path / "links"
    for _, video, *_ in ROWS:
        (links / video).parent.mkdir(parents=True, exist_ok=True)
        (links / video).symlink_to(raw / video)
    assert sorted(read_table(raw / "table.csv", links).clips) == sorted(CLIPS)


def test_an_absolute_path_of_a_missing_file_keeps_its_place(raw: Path) -> None:
    (raw / "table.csv").write_text(PLAIN.replace("kick/1.mp4", f"{raw}/kick/9.mp4"))
    assert {clip.video for clip in list_table(raw).clips} >= {"kick/9.mp4"}


@pytest.mark.parametrize("forms", [("NFC", "NFD"), ("NFD", "NFC")])
def test_accents_have_two_forms_and_mean_one_file_and_one_class(
    raw: Path, forms: tuple[str, str]
) -> None:
    there, written = (unicodedata.normalize(form, "gr\u00fc\u00dfen") for form in forms)
    (raw / there).mkdir()
    (raw / there / "1.mp4").write_bytes(b"1")
    rows = [["d", f"{written}/1.mp4", written, "1", ""], ["e", "wave/1.mp4", there, "1", ""]]
    (raw / "table.csv").write_text(text(HEADER, rows), encoding="utf-8")
    first, second = list_table(raw).clips
    assert first.video == f"{there}/1.mp4"
    assert first.label == second.label == unicodedata.normalize("NFC", there)


def test_two_files_that_differ_in_case_are_not_confused(raw: Path) -> None:
    (raw / "wave" / "A.mp4").write_bytes(b"A")
    (raw / "wave" / "a.mp4").write_bytes(b"a")
    if len(os.listdir(raw / "wave")) < 4:  # noqa: PTH208
        pytest.skip("this file system knows no case")
    (raw / "table.csv").write_text(column(1, "wave/a.mp4", "wave/A.mp4", "wave/a.MP4"))
    assert [clip.video for clip in list_table(raw).clips] == [
        "wave/a.mp4", "wave/A.mp4", "wave/a.MP4"
    ]  # fmt: skip


def test_whole_numbers_as_pandas_writes_them(raw: Path) -> None:
    header = [*HEADER, "start", "stop"]
    rows = [[*ROWS[0], "0.0", "20.0"], [*ROWS[1], "", '"20,0"'], [*ROWS[2], "nan", "NaN"]]
    (raw / "table.csv").write_text(text(header, rows))
    assert [(clip.start, clip.stop) for clip in list_table(raw).clips] == [(0, 20), (0, 20), (0, 0)]


def with_frames(start: str, stop: str) -> str:
    return text([*HEADER, "start", "stop"], [[*ROWS[0], start, stop]])


REFUSED = {
    "Windows' letters": (
        column(2, "g\u00eahen", "wave", "kick").encode("cp1252"),
        "CSV_TEXT: .*no UTF-8 text .*: iconv -f WINDOWS-1252 -t UTF-8 table.csv > new.csv",
    ),
    "a workbook": (b"PK\x03\x04xl", "CSV_TEXT: .*is a workbook, no text; save it as CSV UTF-8"),
    "a space in an id": (
        column(0, "clip 1", "b", "c").encode(),
        r"ID_BAD: .*table.csv:2: 'clip 1' cannot be a sample id; .*; for example 'clip_1'",
    ),
    "another system": (
        column(1, r"C:\Users\ann\wave\1.mp4", "wave/2.mp4", "kick/1.mp4").encode(),
        r"VIDEO_OUTSIDE: .*; write it relative to .*: 'wave/1.mp4'",
    ),
    "another folder": (
        column(1, "/home/ann/wave/1.mp4", "wave/2.mp4", "kick/1.mp4").encode(),
        r"VIDEO_OUTSIDE: .*'/home/ann/wave/1.mp4' is not inside .*: 'wave/1.mp4'",
    ),
    "upwards": (
        column(1, "../videos/wave/1.mp4", "wave/2.mp4", "kick/1.mp4").encode(),
        r"VIDEO_OUTSIDE: .*: 'wave/1.mp4'",
    ),
    "half a frame": (
        with_frames("0", "20.5").encode(),
        "CSV_VALUE: .*stop '20.5' is no frame number; write a whole number, counted from 0 in",
    ),
    "a point that may mean thousands": (
        with_frames("0", "20.000").encode(), "stop '20.000' is no frame number",
    ),
    "an error of Excel": (
        column(3, "1", "#REF!", "2").encode(), "CSV_VALUE: .*:3: #REF! is an error of the spreads",
    ),
    "a time": (with_frames("0", "0:20").encode(), "'0:20' is no frame number; .*, not in seconds"),
    "backwards": (with_frames("9", "9.0").encode(), "no frame from 9 to 9; let stop be larger"),
    "a column without a name": (
        text([*HEADER, ""], [[*row, "x"] for row in ROWS]).encode(),
        "CSV_ROW: .*:2: not 5 fields; quote fields that contain commas, and write empty fields too",
    ),
    "a nameless column inside": (
        text([HEADER[0], "", *HEADER[1:]], [[row[0], "x", *row[1:]] for row in ROWS]).encode(),
        "CSV_COLUMNS: .*:2: 'x' is in a column without a name; name the column in the first line",
    ),
    "a name misspelt": (
        text([*HEADER[:3], "subjct", "camera"], ROWS).encode(),
        "CSV_COLUMNS: .*no column subject; .*; rename 'subjct' to subject",
    ),
    "no header": (
        text(ROWS[0], ROWS[1:]).encode(),
        "CSV_COLUMNS: .*no column sample_id, .*the first line must name the columns; it has: a, wa",
    ),
    "a short row": (PLAIN.replace(",side", "").encode(), "CSV_ROW: .*:4: not 5 fields; quote"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_clear_is_refused_with_the_fix(raw: Path, case: str) -> None:
    data, expected = REFUSED[case]
    (raw / "table.csv").write_bytes(data)
    with pytest.raises(RefusedInput, match=expected) as caught:
        list_table(raw)
    assert str(caught.value).isprintable()


def test_a_missing_table_is_not_a_stage_s(raw: Path) -> None:
    with pytest.raises(RefusedInput, match=r"CSV_MISSING: .*table.csv does not exist; list the"):
        list_table(raw)
