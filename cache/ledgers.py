"""The ledger beside the shards, as a cache's reader sees it: which clips were left out, and why."""

from __future__ import annotations

import csv
import io
from collections import Counter
from pathlib import Path

from stroi.cache.errors import RefusedInput
from stroi.cache.regular import read_regular

LEDGER_NAME = "ledger.csv"
COLUMNS = ("id", "status", "code", "detail")
WITHHELD = "not exported: it names a file of the machine that made the cache"
_PLACE = ("/", "\\", "~")
_MAX_BYTES = 1 << 26
_REMEDY = "fetch or rebuild the cache"


def read_rows(folder: Path) -> list[tuple[str, ...]]:
    """Rows (id, status, code, detail) of a cache's ledger; none if it has no ledger.

    Raises:
        RefusedInput: ``LEDGER`` if it is not one.
    """
    path = folder / LEDGER_NAME
    if not path.exists():
        return []
    data = read_regular(path, "LEDGER", _MAX_BYTES, remedy=_REMEDY)
    try:
        rows = list(csv.reader(io.StringIO(data.decode("utf-8"), newline=""), strict=True))
    except (ValueError, csv.Error) as error:
        raise RefusedInput("LEDGER", f"{path} is no CSV: {error}", remedy=_REMEDY) from None
    if not rows or tuple(rows[0]) != COLUMNS or any(len(row) != len(COLUMNS) for row in rows):
        raise RefusedInput("LEDGER", f"{path} is no ledger", remedy=_REMEDY)
    return [tuple(row) for row in rows[1:]]


def count_codes(rows: list[tuple[str, ...]]) -> dict[str, int]:
    """How many clips were quarantined for each code, by code."""
    return dict(sorted(Counter(code for _, _, code, _ in rows if code).items()))


def withhold_places(rows: list[tuple[str, ...]]) -> bytes:
    """A ledger for strangers: details that name a place on this machine are left out.

    A detail goes as a whole: where a path ends cannot be told once it has spaces in it.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for *head, detail in rows:
        named = any(mark in detail for mark in _PLACE)
        writer.writerow((*head, WITHHELD if named else detail))
    return text.getvalue().encode()
