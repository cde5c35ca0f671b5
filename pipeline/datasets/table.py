"""A data set listed in a CSV table: the way in for videos of one's own."""

from __future__ import annotations

from pathlib import Path

from stroi.cache.errors import RefusedInput
from stroi.cache.ids import check_ids
from stroi.pipeline.datasets.listing import Listed
from stroi.pipeline.index import read_csv

REQUIRED = ("sample_id", "video", "label", "subject", "camera")


def list_table(root: Path) -> tuple[Listed, ...]:
    """Clips listed in ``table.csv`` of `root`.

    The columns are ``sample_id, video, label, subject, camera[, split][, skeleton]``; paths are
    relative to `root`. The order of the rows means nothing.

    Raises:
        RefusedInput: If the table is missing or malformed, an id is not valid or double, or a
            row lacks its video or label.
    """
    path = root / "table.csv"
    rows = read_csv(path, required=REQUIRED)
    if not rows:
        raise RefusedInput("CSV_EMPTY", f"{path} lists no clip", remedy="add one row per clip")
    check_ids([row["sample_id"] for _, row in rows])
    for line, row in rows:
        for column in ("video", "label"):
            if not row[column].strip():
                raise RefusedInput(
                    "CSV_VALUE", f"{path}:{line}: {column} is empty", remedy="fill it in"
                )
    return tuple(
        Listed(
            id=row["sample_id"],
            video=row["video"],
            label=row["label"].strip(),
            subject=row["subject"].strip(),
            camera=row["camera"].strip(),
            split=row.get("split", "").strip(),
            skeleton=row.get("skeleton", ""),
        )
        for _, row in rows
    )
