"""The ledger of a cache, for its readers: which clips were left out, and why."""

from __future__ import annotations

import csv
import io
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from stroi.cache.errors import RefusedInput
from stroi.cache.files.opening import open_no_link

LEDGER_NAME = "ledger.csv"
COLUMNS = ("id", "status", "code", "detail")
WITHHELD = "not exported: it names a file of the machine that made the cache"
_PLACE = ("/", "\\", "~")
MAX_TABLE_BYTES = 1 << 32
"""Largest ledger or index that is written, and that is read: ten million rows have room."""
_REMEDY = "fetch or rebuild the cache"


def read_rows(folder: Path) -> list[tuple[str, str, str, str]]:
    """Rows (id, status, code, detail) of a cache's ledger; none if it has no ledger.

    Raises:
        RefusedInput: ``LEDGER`` if it is not one.
    """
    path = folder / LEDGER_NAME
    if not path.exists():
        return []
    with open_no_link(path, "LEDGER", remedy=_REMEDY) as (fd, size):
        if size > MAX_TABLE_BYTES:
            problem = f"{path} has {size} bytes, allowed are {MAX_TABLE_BYTES}"
            raise RefusedInput("LEDGER", problem, remedy=_REMEDY)
        try:
            with open(fd, encoding="utf-8", newline="", closefd=False) as text:
                # Most rows have the same status and code.
                rows = [
                    (name, sys.intern(status), sys.intern(code), detail)
                    for name, status, code, detail in csv.reader(text, strict=True)
                ]
        except (ValueError, csv.Error) as error:
            raise RefusedInput("LEDGER", f"{path} is no ledger: {error}", remedy=_REMEDY) from None
    if not rows or rows[0] != COLUMNS:
        raise RefusedInput("LEDGER", f"{path} is no ledger", remedy=_REMEDY)
    return rows[1:]


def count_codes(rows: Sequence[tuple[str, str, str, str]]) -> dict[str, int]:
    """How many clips were quarantined for each code, by code."""
    return dict(sorted(Counter(code for _, _, code, _ in rows if code).items()))


def withhold_places(rows: Sequence[tuple[str, str, str, str]]) -> bytes:
    """A ledger for strangers: details that name a place on this machine are left out.

    A detail goes as a whole: where a path with spaces ends is unknown.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for *head, detail in rows:
        named = any(mark in detail for mark in _PLACE)
        writer.writerow((*head, WITHHELD if named else detail))
    return text.getvalue().encode()
