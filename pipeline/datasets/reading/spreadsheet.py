"""Tables as spreadsheets, pandas and people write them: what can mean one thing only is read.

Tables of the pipeline itself are read strictly (`stroi.pipeline.index.csv`).
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from itertools import chain, islice
from pathlib import Path

from stroi.cache.errors import RefusedInput
from stroi.pipeline.index.csv import bad_row, check_header, open_csv

DELIMITERS = ",;\t|"
"""Tried in this order; the one that finds most of the columns is taken."""

_HINT = re.compile(r"sep=(.)", re.IGNORECASE)
"""The first line that names the delimiter to Excel."""

_HEAD = 4096
"""Characters of the first line in which the delimiter is searched."""

_ERRORS = {"#DIV/0!", "#N/A", "#NAME?", "#NULL!", "#NUM!", "#REF!", "#VALUE!"}
"""What a spreadsheet writes for a cell that it could not compute."""

_WORKBOOK = b"PK\x03\x04"


def read_spreadsheet(
    path: Path, *, required: Sequence[str], optional: Sequence[str] = ()
) -> Iterator[tuple[int, dict[str, str]]]:
    """Rows of a table with the numbers of the lines on which they end, one at a time.

    Read are UTF-8 and, with a byte order mark, UTF-16; commas, semicolons, tabs and bars between
    the fields; spaces around them; names of columns in any case; empty rows, empty fields behind
    the last column, and the column of row numbers that pandas writes.

    Args:
        path: The file.
        required: Columns that it must have.
        optional: Columns whose names are also read in any case; further ones are passed on.

    Raises:
        RefusedInput: ``CSV_MISSING``, ``CSV_TEXT``, ``CSV_SIZE``, ``CSV_COLUMNS`` or ``CSV_ROW``.
    """
    remedy = "list the clips in it (docs/own-videos.md has the columns)"
    with open_csv(path, missing=remedy, encoding=lambda head: _encoding(path, head)) as text:
        lines = iter(text)
        head = list(islice(lines, 2))
        delimiter, skipped = _delimiter(head, required)
        reader = csv.reader(
            chain(head[skipped:], lines), delimiter=delimiter, strict=True, skipinitialspace=True
        )
        columns: list[str] = []
        number = 0
        try:
            for row in reader:
                fields = [field.strip() for field in row]
                if not any(fields):
                    continue
                line = reader.line_num + skipped
                if columns:
                    yield line, _named(path, line, columns, fields, number)
                    number += 1
                else:
                    columns = _columns(path, fields, required, optional)
        except csv.Error as error:
            raise bad_row(path, reader.line_num + skipped, error) from None
        if not columns:
            check_header(path, [], required)


def _encoding(path: Path, head: bytes) -> str:
    if head.startswith(_WORKBOOK):
        raise RefusedInput(
            "CSV_TEXT", f"{path}: is a workbook, no text", remedy="save it as CSV UTF-8"
        )
    return "utf-16" if head.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"


def _delimiter(head: Sequence[str], required: Sequence[str]) -> tuple[str, int]:
    """The delimiter, and the number of lines before the header."""
    hint = _HINT.fullmatch(head[0].strip("\r\n")) if head else None
    if hint:
        return hint[1], 1
    header = head[0][:_HEAD] if head else ""
    found = [len({_plain(name) for name in header.split(one)} & {*required}) for one in DELIMITERS]
    return DELIMITERS[found.index(max(found))], 0


def _plain(name: str) -> str:
    """A column's name in lower case, its words joined by ``_``."""
    return re.sub(r"[\s-]+", "_", name.strip().strip('"').strip().casefold())


def _columns(
    path: Path, header: list[str], required: Sequence[str], optional: Sequence[str]
) -> list[str]:
    while not header[-1]:
        header.pop()
    known = {*required, *optional}
    names = [_plain(name) if _plain(name) in known else name for name in header]
    check_header(path, [name for name in names if name], required, _suggest(names, known))
    return names


def _suggest(names: Sequence[str], known: set[str]) -> str:
    """Which of the names may be meant as one of the known."""
    free = sorted(known - set(names))
    for name in names:
        close = get_close_matches(_plain(name), free, n=1)
        if name not in known and close:
            return f"rename {name[:40]!a} to {close[0]}"
    return ""


def _named(
    path: Path, line: int, columns: list[str], fields: list[str], number: int
) -> dict[str, str]:
    while len(fields) > len(columns) and not fields[-1]:
        fields.pop()
    if len(fields) != len(columns):
        raise RefusedInput(
            "CSV_ROW",
            f"{path}:{line}: not {len(columns)} fields",
            remedy="quote fields that contain commas, and write empty fields too",
        )
    nameless = [field for name, field in zip(columns, fields, strict=True) if field and not name]
    counted = not columns[0] and nameless in ([str(number)], [str(number + 1)])
    if nameless and not counted:
        raise RefusedInput(
            "CSV_COLUMNS",
            f"{path}:{line}: {nameless[0][:40]!a} is in a column without a name",
            remedy="name the column in the first line, or empty it",
        )
    for field in fields:
        if field in _ERRORS:
            raise RefusedInput(
                "CSV_VALUE",
                f"{path}:{line}: {field} is an error of the spreadsheet",
                remedy="correct the cell and save the table again",
            )
    return {name: field for name, field in zip(columns, fields, strict=True) if name}
