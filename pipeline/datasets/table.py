"""A data set listed in a CSV table: the way in for videos of one's own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from stroi.cache.errors import RefusedInput
from stroi.pipeline.csv_tables import check_inside, check_row_id, check_text, iterate_csv
from stroi.pipeline.datasets.listing import Listed

REQUIRED = ("sample_id", "video", "label", "subject", "camera")


def list_table(root: Path) -> tuple[Listed, ...]:
    """Clips listed in ``table.csv`` of `root`.

    The columns are ``sample_id, video, label, subject, camera[, split][, skeleton]``; paths are
    relative to `root`. The order of the rows means nothing.

    Raises:
        RefusedInput: ``CSV_*`` if the table is missing or malformed, or a row lacks its video or
            label; ``ID_BAD``, ``ID_DUPLICATE``; ``VIDEO_OUTSIDE`` if a path leaves `root`.
    """
    path = root / "table.csv"
    ids: dict[str, int] = {}
    listed: list[Listed] = []
    for line, row in iterate_csv(path, required=REQUIRED):
        check_row_id(path, line, row["sample_id"], ids)
        listed.append(_listed(path, line, row))
    if not listed:
        raise RefusedInput("CSV_EMPTY", f"{path} lists no clip", remedy="add one row per clip")
    return tuple(listed)


def _listed(path: Path, line: int, row: Mapping[str, str]) -> Listed:
    stripped = {name: value.strip() for name, value in row.items()}
    for column in ("label", "subject", "camera"):
        check_text(path, line, column, stripped[column], empty=column != "label")
    split = check_text(path, line, "split", stripped.get("split", ""), empty=True)
    skeleton = row.get("skeleton", "")
    return Listed(
        id=row["sample_id"],
        video=check_inside(path, line, "video", row["video"]),
        label=stripped["label"],
        subject=stripped["subject"],
        camera=stripped["camera"],
        split=split,
        skeleton=check_inside(path, line, "skeleton", skeleton) if skeleton else "",
    )
