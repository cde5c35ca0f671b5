"""A data set listed in a CSV table: the way in for videos of one's own."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from pathlib import Path

from stroi.cache.errors import RefusedInput
from stroi.cache.ids import ID_BYTES
from stroi.pipeline.datasets.listing import DatasetListing
from stroi.pipeline.datasets.reading.places import PlaceFinder, is_absolute
from stroi.pipeline.datasets.reading.spreadsheet import read_spreadsheet
from stroi.pipeline.index.csv import check_inside, check_row_id, check_text, outside
from stroi.pipeline.index.table import ClipEntry

TABLE = "table.csv"
REQUIRED = ("sample_id", "video", "label", "subject", "camera")
OPTIONAL = ("group", "split", "start", "stop", "skeleton")

_TEXTS = ("label", "subject", "camera", "group", "split")
_WHOLE = re.compile(r"([0-9]{1,9})([.,]0)?", re.ASCII)
"""20.000 may be a thousand times as many, and is refused."""

_UNFIT = re.compile(r"[^A-Za-z0-9_.-]+")


def list_table(root: Path) -> DatasetListing:
    """Clips listed in ``table.csv`` of `root`.

    The columns are ``sample_id, video, label, subject, camera`` and optionally ``group, split,
    start, stop, skeleton``; paths are relative to `root`. The order of the rows means nothing.

    Raises:
        RefusedInput: ``CSV_*`` if the table is missing or malformed, or a row lacks its video or
            label; ``ID_BAD``, ``ID_DUPLICATE``; ``VIDEO_OUTSIDE`` if a path leaves `root`.
    """
    return read_table(root / TABLE, root)


def read_table(path: Path, root: Path, skeletons: Path | None = None) -> DatasetListing:
    """Clips listed in a table anywhere, as `list_table`.

    Args:
        path: The table.
        root: The folder that its paths are relative to.
        skeletons: The one that those of skeletons are relative to, if it is another; the table
            then needs no videos.
    """
    ids: dict[str, int] = {}
    listed: list[ClipEntry] = []
    finder = PlaceFinder(root)
    of_skeletons = PlaceFinder(skeletons) if skeletons else finder
    needed = [name for name in REQUIRED if name != "video" or skeletons is None]
    for line, row in read_spreadsheet(path, required=needed, optional=(*OPTIONAL, "video")):
        _check_id(path, line, row["sample_id"], ids)
        listed.append(_listed(path, line, row, finder, of_skeletons))
    if not listed:
        raise RefusedInput("CSV_EMPTY", f"{path} lists no clip", remedy="add one row per clip")
    return DatasetListing.of(listed)


def _check_id(path: Path, line: int, name: str, ids: dict[str, int]) -> None:
    try:
        check_row_id(path, line, name, ids)
    except RefusedInput as error:
        plain = _UNFIT.sub("_", name).strip("_.-")[:ID_BYTES]
        better = f"; for example {plain!a}" if error.code == "ID_BAD" and plain else ""
        raise RefusedInput(error.code, error.message, remedy=error.remedy + better) from None


def _listed(
    path: Path,
    line: int,
    row: Mapping[str, str],
    finder: PlaceFinder,
    of_skeletons: PlaceFinder,
) -> ClipEntry:
    # One name in two forms of Unicode would be two classes.
    normal = {name: unicodedata.normalize("NFC", row.get(name, "")) for name in _TEXTS}
    texts = {
        column: check_text(path, line, column, value, empty=column != "label")
        for column, value in normal.items()
    }
    start, stop = (_frame(path, line, name, row.get(name, "")) for name in ("start", "stop"))
    if stop and stop <= start:
        raise _value(path, line, f"no frame from {start} to {stop}", "let stop be larger")
    skeleton, video = row.get("skeleton", ""), row.get("video", "")
    return ClipEntry(
        id=row["sample_id"],
        video=_place(path, line, "video", video, finder) if video or not skeleton else "",
        start=start,
        stop=stop,
        skeleton=_place(path, line, "skeleton", skeleton, of_skeletons) if skeleton else "",
        **texts,
    )


def _place(path: Path, line: int, column: str, written: str, finder: PlaceFinder) -> str:
    place = finder.find(written) if written else written
    try:
        if is_absolute(place.replace("\\", "/")):
            raise outside(path, line, column, place)
        return check_inside(path, line, column, place)
    except RefusedInput as error:
        meant = finder.suggest(written) if error.code == "VIDEO_OUTSIDE" else ""
        if not meant:
            raise
        remedy = f"write it relative to {finder.root}: {meant!a}"
        raise RefusedInput(error.code, error.message, remedy=remedy) from None


def _frame(path: Path, line: int, column: str, text: str) -> int:
    """A frame number of a table; 0 where the cell is empty. pandas writes 20 as 20.0."""
    if not text or text.casefold() == "nan":
        return 0
    number = _WHOLE.fullmatch(text)
    if not number:
        remedy = "write a whole number, counted from 0 in frames, not in seconds"
        raise _value(path, line, f"{column} {text[:40]!a} is no frame number", remedy)
    return int(number[1])


def _value(path: Path, line: int, problem: str, remedy: str) -> RefusedInput:
    return RefusedInput("CSV_VALUE", f"{path}:{line}: {problem}", remedy=remedy)
