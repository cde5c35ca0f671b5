"""CSV files: written alike on every platform, read within limits and with line numbers."""

from __future__ import annotations

import csv
import io
import itertools
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from stroi.cache.errors import RefusedInput
from stroi.cache.files.opening import open_regular
from stroi.cache.ids import check_ids
from stroi.cache.ledger import MAX_TABLE_BYTES

MAX_ROWS = 10**7
MAX_LINES = 2 * MAX_ROWS
"""Lines, empty ones too; a quoted field may have several."""

MAX_LINE = 2**16
"""Longest line in characters."""

MAX_COLUMNS = 1024
MAX_FIELD = 8192
"""Longest field in characters."""

MAX_TEXT = 200
"""Longest label, path or name in characters."""

_NEW = Path("new table")


def csv_bytes(columns: Iterable[str], rows: Iterable[Iterable[object]]) -> bytes:
    """A CSV file, UTF-8, with line feeds on every platform.

    Raises:
        RefusedInput: ``CSV_SIZE`` or ``CSV_TEXT`` if `iterate_csv` would not read it.
    """
    sink = _Sink()
    writer = csv.writer(sink, lineterminator="\n")
    header = tuple(columns)
    if len(header) > MAX_COLUMNS:
        raise _too_much(_NEW, 1, f"{len(header)} columns, at most {MAX_COLUMNS} are read")
    for number, row in enumerate(itertools.chain([header], map(tuple, rows))):
        if number > MAX_ROWS:
            raise _too_much(_NEW, sink.lines, f"more than {MAX_ROWS} rows")
        if writer.writerow(row) > MAX_FIELD and max(len(str(field)) for field in row) > MAX_FIELD:
            raise _too_much(_NEW, sink.lines, f"a field of more than {MAX_FIELD} characters")
    return sink.buffer.getvalue()


class _Sink:
    """Takes the lines of a new table as the CSV writer makes them, within the reader's limits."""

    def __init__(self) -> None:
        self.buffer = io.BytesIO()
        self.lines = 0

    def write(self, row: str) -> int:
        """Take a row."""
        self.lines += row.count("\n")
        if self.lines > MAX_LINES:
            raise _too_much(_NEW, self.lines, f"more than {MAX_LINES} lines")
        if len(row) > MAX_LINE:
            raise _too_much(_NEW, self.lines, f"a line of more than {MAX_LINE} characters")
        if "\0" in row:
            raise _nul(_NEW, self.lines)
        self.buffer.write(row.encode())
        if self.buffer.tell() > MAX_TABLE_BYTES:
            raise _too_much(_NEW, self.lines, f"more than {MAX_TABLE_BYTES} bytes")
        return len(row)


def read_csv(path: Path, *, required: Iterable[str]) -> list[tuple[int, dict[str, str]]]:
    """Rows of a CSV file with their line numbers (from 1).

    Raises:
        RefusedInput: As `iterate_csv`.
    """
    return list(iterate_csv(path, required=required))


def iterate_csv(path: Path, *, required: Iterable[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Rows of a CSV file with the numbers of the lines on which they end, one at a time.

    Args:
        path: The file, UTF-8 with or without a byte order mark.
        required: Columns that it must have; further ones are passed on.

    Raises:
        RefusedInput: ``CSV_MISSING``, ``CSV_TEXT`` (no plain file, no UTF-8, a NUL), ``CSV_SIZE``
            (a file, a row or a field beyond the limits of this module),
            ``CSV_COLUMNS`` or ``CSV_ROW`` (ragged, or wrongly quoted).
    """
    try:
        with open_regular(path) as (fd, size):
            if size > MAX_TABLE_BYTES:
                raise _too_much(path, 1, f"{size} bytes, at most {MAX_TABLE_BYTES} are read")
            with os.fdopen(fd, encoding="utf-8-sig", newline="", closefd=False) as text:
                yield from _rows(path, _lines(path, text), required)
    except FileNotFoundError:
        raise RefusedInput(
            "CSV_MISSING",
            f"{path} does not exist",
            remedy="run the stage that writes it, or `dvc pull` its folder",
        ) from None
    except OSError as error:
        raise RefusedInput(
            "CSV_TEXT", f"{path}: cannot be read ({error.strerror})", remedy="give a CSV file"
        ) from None
    except UnicodeDecodeError as error:
        raise RefusedInput(
            "CSV_TEXT", f"{path}: no UTF-8 text ({error.reason})", remedy="save it as UTF-8"
        ) from None


def check_text(path: Path, line: int, column: str, value: str, *, empty: bool = False) -> str:
    """`value`, if it can stand in one line of a list.

    Raises:
        RefusedInput: ``CSV_VALUE`` if it is empty (unless that is allowed), long, begins or ends
            with a space, or holds what cannot be printed.
    """
    if not value and not empty:
        raise _bad(path, line, f"{column} is empty", "fill it in")
    if value != value.strip() or not value.isprintable() or len(value) > MAX_TEXT:
        shown = f"{column} {value[:40]!a}"
        remedy = f"use at most {MAX_TEXT} printable characters, none of them a space at either end"
        raise _bad(path, line, f"{shown} is no plain text", remedy)
    return value


def check_inside(path: Path, line: int, column: str, value: str) -> str:
    """`value`, if as a path it stays inside the folder that it is relative to.

    Raises:
        RefusedInput: ``VIDEO_OUTSIDE``, or as `check_text`.
    """
    check_text(path, line, column, value)
    if value.startswith("/") or ".." in value.split("/"):
        raise RefusedInput(
            "VIDEO_OUTSIDE",
            f"{path}:{line}: {column} {value!a} is not inside the data set's folder",
            remedy="put the videos, or a link to each, into the data set's folder",
        )
    return value


def check_row_id(path: Path, line: int, name: str, earlier: dict[str, int]) -> None:
    """Refuse a sample id that is not safe, or that an earlier row has.

    Args:
        path: The file, for messages.
        line: Line of the row.
        name: Its sample id.
        earlier: Line of each id so far, without regard to case; this one is added.

    Raises:
        RefusedInput: ``ID_BAD`` with the line, ``ID_DUPLICATE`` with both.
    """
    try:
        check_ids((name,))
    except RefusedInput as error:
        problem = f"{path}:{line}: {name[:70]!a} cannot be a sample id"
        raise RefusedInput(error.code, problem, remedy=error.remedy) from None
    first = earlier.setdefault(name.casefold(), line)
    if first != line:
        raise RefusedInput(
            "ID_DUPLICATE",
            f"{path}:{line}: the sample id {name!a} is that of line {first}",
            remedy="give every sample an id of its own, differing in more than case",
        )


def _lines(path: Path, text: Iterable[str]) -> Iterator[str]:
    for number, line in enumerate(text, 1):
        if number > MAX_LINES:
            raise _too_much(path, number, f"more than {MAX_LINES} lines")
        if len(line) > MAX_LINE:
            raise _too_much(path, number, f"a line of more than {MAX_LINE} characters")
        if "\0" in line:
            raise _nul(path, number)
        yield line


def _rows(
    path: Path, lines: Iterator[str], required: Iterable[str]
) -> Iterator[tuple[int, dict[str, str]]]:
    reader = csv.reader(lines, strict=True)
    header: list[str] | None = None
    count = 0
    try:
        for row in reader:
            if max(map(len, row), default=0) > MAX_FIELD:
                problem = f"a field of more than {MAX_FIELD} characters"
                raise _too_much(path, reader.line_num, problem)
            if header is None:
                header = row
                _check_header(path, header, required)
            elif row:
                count += 1
                if count > MAX_ROWS:
                    raise _too_much(path, reader.line_num, f"more than {MAX_ROWS} rows")
                yield reader.line_num, _named(path, reader.line_num, header, row)
    except csv.Error as error:
        text = f"{path}:{reader.line_num}: {error}"
        raise RefusedInput("CSV_ROW", text, remedy="close every quote, and quote quotes") from None
    if header is None:
        _check_header(path, [], required)


def _check_header(path: Path, header: list[str], required: Iterable[str]) -> None:
    if len(header) > MAX_COLUMNS:
        raise _too_much(path, 1, f"{len(header)} columns, at most {MAX_COLUMNS} are read")
    lacking = [name for name in required if name not in header]
    if lacking:
        names = ", ".join(ascii(name[:40])[1:-1] for name in header)
        raise RefusedInput(
            "CSV_COLUMNS",
            f"{path}: no column {', '.join(lacking)}",
            remedy=f"the first line must name the columns; it has: {names or 'none'}",
        )
    doubled = sorted(name for name in header if header.count(name) > 1)
    if doubled:
        raise RefusedInput(
            "CSV_COLUMNS",
            f"{path}: two columns are called {doubled[0][:40]!a}",
            remedy="rename or remove one of them",
        )


def _named(path: Path, line: int, header: list[str], row: list[str]) -> dict[str, str]:
    if len(row) != len(header):
        raise RefusedInput(
            "CSV_ROW",
            f"{path}:{line}: not {len(header)} fields",
            remedy="quote fields that contain commas",
        )
    return dict(zip(header, row, strict=True))


def _nul(path: Path, line: int) -> RefusedInput:
    text = f"{path}:{line}: holds a NUL character"
    return RefusedInput("CSV_TEXT", text, remedy="save it as UTF-8")


def _too_much(path: Path, line: int, problem: str) -> RefusedInput:
    return RefusedInput("CSV_SIZE", f"{path}:{line}: {problem}", remedy="split the table")


def _bad(path: Path, line: int, problem: str, remedy: str) -> RefusedInput:
    return RefusedInput("CSV_VALUE", f"{path}:{line}: {problem}", remedy=remedy)
