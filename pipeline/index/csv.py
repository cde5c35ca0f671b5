"""CSV files: the same bytes on every platform; every problem is named with its line."""

from __future__ import annotations

import csv
import io
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from stroi.cache.errors import RefusedInput
from stroi.cache.files.opening import open_regular
from stroi.cache.ids import check_ids
from stroi.cache.ledger import MAX_TABLE_BYTES

MAX_TEXT = 200
"""Longest label, path or name in characters."""

_NAMED = 50
"""Columns that a message names."""


def csv_bytes(columns: Iterable[str], rows: Iterable[Iterable[object]]) -> bytes:
    """A CSV file, UTF-8, with line feeds on every platform.

    Raises:
        RefusedInput: ``CSV_SIZE`` if `iterate_csv` would refuse it.
    """
    data = io.BytesIO()
    text = io.TextIOWrapper(data, "utf-8", newline="", write_through=True)
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for line, row in enumerate(rows, 2):
        writer.writerow(row)
        if data.tell() > MAX_TABLE_BYTES:
            raise _too_large(f"new table:{line}: more than {MAX_TABLE_BYTES} bytes")
    return data.getvalue()


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
        RefusedInput: ``CSV_MISSING``, ``CSV_TEXT`` (no regular file or no UTF-8), ``CSV_SIZE``,
            ``CSV_COLUMNS`` or ``CSV_ROW`` (ragged, wrongly quoted, or a field of more than 131072
            characters).
    """
    with open_csv(path) as text:
        yield from _rows(path, text, required)


@contextmanager
def open_csv(
    path: Path,
    *,
    missing: str = "run the stage that writes it, or `dvc pull` its folder",
    encoding: Callable[[bytes], str] = lambda head: "utf-8-sig",
) -> Iterator[TextIO]:
    """Open a CSV file, its line ends as they are.

    Args:
        path: The file.
        missing: The remedy if there is no such file.
        encoding: The encoding by the first bytes of the file.

    Raises:
        RefusedInput: ``CSV_MISSING``, ``CSV_SIZE``, or ``CSV_TEXT``, also while it is read.
    """
    try:
        with open_regular(path) as (fd, size):
            if size > MAX_TABLE_BYTES:
                raise _too_large(f"{path}: {size} bytes, at most {MAX_TABLE_BYTES} are read")
            form = encoding(os.pread(fd, 4, 0))
            with os.fdopen(fd, encoding=form, newline="", closefd=False) as text:
                yield text
    except FileNotFoundError:
        raise RefusedInput("CSV_MISSING", f"{path} does not exist", remedy=missing) from None
    except OSError as error:
        raise RefusedInput(
            "CSV_TEXT", f"{path}: cannot be read ({error.strerror})", remedy="give a CSV file"
        ) from None
    except UnicodeError as error:
        reason = getattr(error, "reason", "cut short")
        raise RefusedInput(
            "CSV_TEXT",
            f"{path}: no UTF-8 text ({reason})",
            remedy="save it as UTF-8 (Excel: CSV UTF-8), or if it is from Windows:"
            f" iconv -f WINDOWS-1252 -t UTF-8 {path.name} > new.csv",
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
        remedy = f"use at most {MAX_TEXT} printable characters, none of them a space at either end"
        raise _bad(path, line, f"{column} {value[:40]!a} is no plain text", remedy)
    return value


def check_inside(path: Path, line: int, column: str, value: str) -> str:
    """`value`, if as a path it stays inside the folder that it is relative to.

    Raises:
        RefusedInput: ``VIDEO_OUTSIDE``, or as `check_text`.
    """
    check_text(path, line, column, value)
    if value.startswith("/") or ".." in value.split("/"):
        raise outside(path, line, column, value)
    return value


def outside(path: Path, line: int, column: str, value: str) -> RefusedInput:
    """The refusal of a path that leaves the data set, for the caller to raise."""
    return RefusedInput(
        "VIDEO_OUTSIDE",
        f"{path}:{line}: {column} {value!a} is not inside the data set's folder",
        remedy="put the videos, or a link to each, into the data set's folder",
    )


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


def _rows(
    path: Path, text: Iterable[str], required: Iterable[str]
) -> Iterator[tuple[int, dict[str, str]]]:
    reader = csv.reader(text, strict=True)
    header: list[str] | None = None
    try:
        for row in reader:
            if header is None:
                header = row
                check_header(path, header, required)
            elif row:
                yield reader.line_num, _named(path, reader.line_num, header, row)
    except csv.Error as error:
        raise bad_row(path, reader.line_num, error) from None
    if header is None:
        check_header(path, [], required)


def bad_row(path: Path, line: int, error: csv.Error) -> RefusedInput:
    """The refusal of a row that is no CSV, for the caller to raise."""
    return RefusedInput(
        "CSV_ROW", f"{path}:{line}: {error}", remedy="close every quote, and quote quotes"
    )


def check_header(
    path: Path, header: list[str], required: Iterable[str], suggestion: str = ""
) -> None:
    """Refuse a header without a required column, or with two of one name.

    Raises:
        RefusedInput: ``CSV_COLUMNS``.
    """
    missing = [name for name in required if name not in header]
    if missing:
        names = ", ".join(ascii(name[:40])[1:-1] for name in header[:_NAMED])
        raise RefusedInput(
            "CSV_COLUMNS",
            f"{path}: no column {', '.join(missing)}",
            remedy=f"the first line must name the columns; it has: {names or 'none'}"
            + (f"; {suggestion}" if suggestion else ""),
        )
    twice = sorted(name for name, count in Counter(header).items() if count > 1)
    if twice:
        raise RefusedInput(
            "CSV_COLUMNS",
            f"{path}: two columns are called {twice[0][:40]!a}",
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


def _too_large(problem: str) -> RefusedInput:
    return RefusedInput("CSV_SIZE", problem, remedy="split the table")


def _bad(path: Path, line: int, problem: str, remedy: str) -> RefusedInput:
    return RefusedInput("CSV_VALUE", f"{path}:{line}: {problem}", remedy=remedy)
