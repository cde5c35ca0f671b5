"""CSV files come back as written, within limits, and every mistake has its line."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import stroi.pipeline.index.csv as tables
from stroi.cache.errors import RefusedInput
from stroi.pipeline.index.csv import csv_bytes, iterate_csv, read_csv

FIELD = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0\r"), max_size=9)


@given(st.lists(st.tuples(FIELD, FIELD, FIELD), max_size=5))
def test_rows_come_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str, str]]
) -> None:
    path = tmp_path_factory.getbasetemp() / "rows.csv"
    path.write_bytes(csv_bytes(("a", "b", "c"), rows))
    found = [(row["a"], row["b"], row["c"]) for _, row in read_csv(path, required="abc")]
    assert found == rows


@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_lines_are_counted_as_an_editor_does(tmp_path: Path, start: bytes, end: bytes) -> None:
    text = b'a,b\n1,2\n\n"x\ny",3\n4,5'.replace(b"\n", end)
    (tmp_path / "t.csv").write_bytes(start + text)
    rows = read_csv(tmp_path / "t.csv", required=("a",))
    assert [(line, row["b"]) for line, row in rows] == [(2, "2"), (5, "3"), (6, "5")]


def test_rows_come_one_at_a_time(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a\n1\n2,3\n")
    rows = iterate_csv(tmp_path / "t.csv", required="a")
    assert next(rows) == (2, {"a": "1"})
    with pytest.raises(RefusedInput, match=r"CSV_ROW.*t.csv:3: not 1 fields"):
        next(rows)


REFUSED: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "CSV_COLUMNS.*no column a.*it has: none"),
    "another header": (b"b,\x1b[0m\n", r"CSV_COLUMNS.*it has: b, \\x1b\[0m"),
    "column twice": (b"a,b,b\n", "CSV_COLUMNS.*two columns are called 'b'; rename"),
    "ragged": (b"a,b\n1,2\n1\n", r"CSV_ROW.*t.csv:3: not 2 fields"),
    "open quote": (b'a,b\n1,"2\n3,4\n', r"CSV_ROW.*t.csv:3: unexpected end of data; close every"),
    "stray quote": (b'a,b\n1,"2"x\n', r"CSV_ROW.*t.csv:2: ',' expected after '\"'"),
    "NUL": (b"a,b\n1,\0\n", r"CSV_TEXT.*t.csv:2: holds a NUL character"),
    "not UTF-8": (b"a,b\n1,\xff\n", r"CSV_TEXT.*no UTF-8 text .*; save it as UTF-8"),
    "UTF-16": ("a,b\n1,2\n".encode("utf-16"), "CSV_TEXT"),
    "long field": (b"a,b\n1," + b"x" * 8193 + b"\n", r"CSV_SIZE.*t.csv:2: a field of more than 81"),
    "endless field": (b'a,b\n1,"' + b"x\n" * 100_000, r"CSV_ROW.*field larger than field limit"),
    "endless line": (b"a,b\n" + b"1," * 40_000, r"CSV_SIZE.*csv:2: a line of more than 65536 char"),
    "wide": (b"a" + b",b" * 1024 + b"\n", "CSV_SIZE.*1025 columns, at most 1024 are read; split"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_mistakes_are_refused(tmp_path: Path, case: str) -> None:
    data, expected = REFUSED[case]
    (tmp_path / "t.csv").write_bytes(data)
    with pytest.raises(RefusedInput, match=expected) as caught:
        read_csv(tmp_path / "t.csv", required=("a", "b"))
    assert str(caught.value).isprintable()


def test_limits_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a\n" + "1\n" * 4)
    monkeypatch.setattr(tables, "MAX_ROWS", 3)
    with pytest.raises(RefusedInput, match=r"CSV_SIZE.*t.csv:5: more than 3 rows"):
        read_csv(path, required="a")
    with pytest.raises(RefusedInput, match=r"CSV_SIZE.*new table:4: more than 3 rows"):
        csv_bytes("a", ["1"] * 4)
    assert csv_bytes("a", ["1"] * 3) == b"a\n1\n1\n1\n"
    monkeypatch.setattr(tables, "MAX_LINES", 4)
    path.write_text("a\n" + "\n" * 4)
    with pytest.raises(RefusedInput, match=r"CSV_SIZE.*more than 4 lines; split"):
        read_csv(path, required="a")
    with pytest.raises(RefusedInput, match=r"CSV_SIZE.*more than 4 lines"):
        csv_bytes("a", [["1\n2\n3\n4"]])
    with path.open("r+b") as file:
        file.truncate(2**40)
    with pytest.raises(RefusedInput, match=r"CSV_SIZE.*1099511627776 bytes, at most 4294967296"):
        read_csv(path, required="a")
    monkeypatch.setattr(tables, "MAX_TABLE_BYTES", 100)
    with pytest.raises(RefusedInput, match=r"CSV_SIZE.*more than 100 bytes"):
        csv_bytes("a", [["x" * 99]])


UNREADABLE = {
    "long field": ([["x" * 8193]], "CSV_SIZE.*new table:2: a field of more than 8192"),
    "long line": ([["x" * 8000] * 9], "CSV_SIZE.*a line of more than 65536"),
    "NUL": ([["a\0b"]], "CSV_TEXT.*new table:2: holds a NUL"),
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_what_would_not_be_read_is_not_written(case: str) -> None:
    rows, expected = UNREADABLE[case]
    with pytest.raises(RefusedInput, match=expected):
        csv_bytes(tuple("abcdefghi"[: len(rows[0])]), rows)
    with pytest.raises(RefusedInput, match=r"CSV_SIZE.*1025 columns"):
        csv_bytes(map(str, range(1025)), [])


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name, problem in (
        ("absent", "CSV_MISSING.*run the stage that writes it"),
        ("pipe", "CSV_TEXT.*not a regular file"),
        (".", "CSV_TEXT.*not a regular file"),
    ):
        with pytest.raises(RefusedInput, match=problem):
            read_csv(tmp_path / name, required="a")
