"""A data set listed in a CSV table: the way in for videos of one's own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from stroi.cache.errors import RefusedInput
from stroi.pipeline.datasets.listing import DatasetListing
from stroi.pipeline.index.csv import check_inside, check_row_id, check_text, iterate_csv
from stroi.pipeline.index.table import ClipEntry

TABLE = "table.csv"
REQUIRED = ("sample_id", "video", "label", "subject", "camera")
OPTIONAL = ("group", "split", "start", "stop", "skeleton")


def list_table(root: Path) -> DatasetListing:
    """Clips listed in ``table.csv`` of `root`.

    The columns are ``sample_id, video, label, subject, camera`` and, if wanted, ``group, split,
    start, stop, skeleton``; paths are relative to `root`. The order of the rows means nothing.

    Raises:
        RefusedInput: ``CSV_*`` if the table is missing or malformed, or a row lacks its video or
            label; ``ID_BAD``, ``ID_DUPLICATE``; ``VIDEO_OUTSIDE`` if a path leaves `root`.
    """
    return read_table(root / TABLE)


def read_table(path: Path) -> DatasetListing:
    """Clips listed in a table anywhere; see `list_table`."""
    ids: dict[str, int] = {}
    listed: list[ClipEntry] = []
    for line, row in iterate_csv(path, required=REQUIRED):
        check_row_id(path, line, row["sample_id"], ids)
        listed.append(_listed(path, line, row))
    if not listed:
        raise RefusedInput("CSV_EMPTY", f"{path} lists no clip", remedy="add one row per clip")
    return DatasetListing.of(listed)


def _listed(path: Path, line: int, row: Mapping[str, str]) -> ClipEntry:
    stripped = {name: value.strip() for name, value in row.items()}
    texts = {
        column: check_text(path, line, column, stripped.get(column, ""), empty=column != "label")
        for column in ("label", "subject", "camera", "group", "split")
    }
    start, stop = (check_frame(path, line, name, stripped.get(name, "")) for name in _FRAMES)
    if stop and stop <= start:
        raise _value(path, line, f"no frame from {start} to {stop}")
    skeleton = row.get("skeleton", "")
    return ClipEntry(
        id=row["sample_id"],
        video=check_inside(path, line, "video", row["video"]),
        start=start,
        stop=stop,
        skeleton=check_inside(path, line, "skeleton", skeleton) if skeleton else "",
        **texts,
    )


_FRAMES = ("start", "stop")


def check_frame(path: Path, line: int, column: str, text: str) -> int:
    """A frame number of a table; 0 where the cell is empty.

    Raises:
        RefusedInput: ``CSV_VALUE``.
    """
    if not text:
        return 0
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise _value(path, line, f"{column} {text[:40]!a} is no frame number")
    return int(text)


def _value(path: Path, line: int, problem: str) -> RefusedInput:
    return RefusedInput("CSV_VALUE", f"{path}:{line}: {problem}", remedy="correct the row")
