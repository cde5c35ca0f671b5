"""CSV files come back as written, and every mistake has its line."""

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
    "not UTF-8": (b"a,b\n1,\xff\n", r"CSV_TEXT.*no UTF-8 text .*; save it as UTF-8"),
    "UTF-16": ("a,b\n1,2\n".encode("utf-16"), "CSV_TEXT"),
    "endless field": (b'a,b\n1,"' + b"x\n" * 100_000, r"CSV_ROW.*field larger than field limit"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_mistakes_are_refused(tmp_path: Path, case: str) -> None:
    data, expected = REFUSED[case]
    (tmp_path / "t.csv").write_bytes(data)
    with pytest.raises(RefusedInput, match=expected) as caught:
        read_csv(tmp_path / "t.csv", required=("a", "b"))
    assert str(caught.value).isprintable()


def test_what_is_too_large_is_neither_read_nor_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "t.csv"
    with path.open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(RefusedInput, match=r"CSV_SIZE.*1099511627776 bytes, at most 4294967296"):
        read_csv(path, required="a")
    monkeypatch.setattr(tables, "MAX_TABLE_BYTES", 6)
    assert csv_bytes("a", ["3"] * 2) == b"a\n3\n3\n"
    with pytest.raises(RefusedInput, match=r"CSV_SIZE.*new table:4: more than 6 bytes"):
        csv_bytes("a", ["3"] * 3)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name, problem in (
        ("absent", "CSV_MISSING.*run the stage that writes it"),
        ("pipe", "CSV_TEXT.*not a regular file"),
        (".", "CSV_TEXT.*not a regular file"),
    ):
        with pytest.raises(RefusedInput, match=problem):
            read_csv(tmp_path / name, required="a")
