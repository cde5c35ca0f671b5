"""The rendered demo: a table that must be as complete as its renderer left it."""

from __future__ import annotations

from pathlib import Path

from stroi.cache.errors import RefusedInput
from stroi.pipeline.datasets.listing import DatasetListing
from stroi.pipeline.datasets.table import list_table


def list_demo(root: Path) -> DatasetListing:
    """Clips of the rendered demo data set.

    Raises:
        RefusedInput: If the table is malformed, or a (class, subject, camera) is not there as
            often as every other: then the demo was cut short or edited.
    """
    listing = list_table(root)
    clips = listing.clips
    axes = [
        sorted({getattr(clip, axis) for clip in clips}) for axis in ("label", "subject", "camera")
    ]
    cells = len(axes[0]) * len(axes[1]) * len(axes[2])
    if len(clips) % cells:
        raise RefusedInput(
            "DEMO_INCOMPLETE",
            f"{root}: {len(clips)} clips do not fill {cells} (class, subject, camera) cells",
            remedy="run `stroi sample` again",
        )
    return listing
