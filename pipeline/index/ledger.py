"""The ledger: what became of every clip. in = done + quarantined, always."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path

from stroi.cache.errors import RefusedInput, StroiError
from stroi.cache.files.atomic import write_atomic
from stroi.cache.ledger import COLUMNS, LEDGER_NAME
from stroi.pipeline.index.csv import csv_bytes, iterate_csv

CONVERT = "ffmpeg -i FILE -c:v libx264 -pix_fmt yuv420p NEW.mp4"
"""The command that makes a video readable; FILE and NEW are the user's names."""

CONVERTED = (
    "VIDEO_FRAMES",
    "VIDEO_KIND",
    "VIDEO_MAGIC",
    "VIDEO_OPEN",
    "VIDEO_SIZE",
)
"""Codes that it may mend."""

MAX_DETAIL = 2000
"""Longest detail in characters."""


@dataclass(frozen=True, order=True)
class ClipOutcome:
    """What became of one clip.

    Attributes:
        id: Sample id.
        code: Why it was quarantined, such as ``VIDEO_OPEN``; empty when it was done.
        detail: One sentence: why it was quarantined and what to do about it; for a done clip what
            was done, or nothing.
    """

    id: str
    code: str = ""
    detail: str = ""

    @property
    def done(self) -> bool:
        """Whether the clip came through."""
        return not self.code


@dataclass(frozen=True)
class Ledger:
    """Outcomes of one stage, sorted by id."""

    outcomes: tuple[ClipOutcome, ...]

    @property
    def done(self) -> tuple[str, ...]:
        """Ids of the clips that came through."""
        return tuple(outcome.id for outcome in self.outcomes if outcome.done)

    @property
    def quarantined(self) -> tuple[ClipOutcome, ...]:
        """Outcomes of the others."""
        return tuple(outcome for outcome in self.outcomes if not outcome.done)

    def summary(self) -> str:
        """Counts that add up, in one line."""
        lost = len(self.quarantined)
        return f"{len(self.outcomes)} clips = {len(self.done)} done + {lost} quarantined"


def write_ledger(folder: Path, outcomes: Iterable[ClipOutcome]) -> Ledger:
    """Write ``ledger.csv``: id, status, code, detail; what cannot be printed is escaped."""
    ledger = Ledger(
        tuple(sorted(replace(each, detail=_printable(each.detail)) for each in outcomes))
    )
    rows = (
        (outcome.id, "done" if outcome.done else "quarantined", outcome.code, outcome.detail)
        for outcome in ledger.outcomes
    )
    write_atomic(folder / LEDGER_NAME, csv_bytes(COLUMNS, rows))
    return ledger


def _printable(text: str) -> str:
    """`text` as the ledger's readers take it."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text[:MAX_DETAIL])


def read_ledger(folder: Path) -> Ledger:
    """Read what `write_ledger` wrote.

    Raises:
        RefusedInput: If it is missing or its status and code contradict each other.
    """
    path = folder / LEDGER_NAME
    outcomes = []
    for line, row in iterate_csv(path, required=COLUMNS):
        if row["status"] != ("quarantined" if row["code"] else "done"):
            raise RefusedInput(
                "LEDGER", f"{path}:{line}: status contradicts code", remedy="rerun the stage"
            )
        outcomes.append(ClipOutcome(row["id"], sys.intern(row["code"]), row["detail"]))
    return Ledger(tuple(sorted(outcomes)))


def check_share(ledger: Ledger, limit: float, folder: Path) -> None:
    """Fail if too many clips were quarantined; call it after everything else is written.

    Args:
        ledger: What became of the clips.
        limit: The stage's ``max_quarantined``.
        folder: The stage's out, ``data/<data set>/<stage>``.

    Raises:
        StroiError: If their share passes `limit`, or no clip is left.
    """
    lost = ledger.quarantined
    if lost and (not ledger.done or len(lost) / len(ledger.outcomes) > limit):
        raise StroiError(
            "QUARANTINED",
            f"{len(lost)} of {len(ledger.outcomes)} clips were quarantined, first "
            f"{lost[0].id} ({lost[0].code}): {lost[0].detail}",
            remedy=f"read {folder / LEDGER_NAME}; {_ways_on(ledger, folder)}",
        )


def smallest_limit(lost: int, clips: int) -> float:
    """The smallest ``max_quarantined`` of two digits that allows so many lost clips."""
    return ceil(100 * lost / clips) / 100


def _ways_on(ledger: Ledger, folder: Path) -> str:
    videos = any(outcome.code in CONVERTED for outcome in ledger.quarantined)
    convert = f"; `{CONVERT}` makes a video readable" if videos else ""
    if not ledger.done:
        return f"mend the clips{convert}"
    limit = smallest_limit(len(ledger.quarantined), len(ledger.outcomes))
    return (
        f"mend the clips or raise max_quarantined: set {folder.name}.max_quarantined to {limit:g}"
        f" in profiles/{folder.parent.name}.yaml{convert}"
    )
