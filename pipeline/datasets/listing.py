"""What an adapter yields: clips as their data set lists them, before anyone opened a video."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from stroi.pipeline.ledger import Outcome


@dataclass(frozen=True)
class Listed:
    """One listed clip; fields as in `stroi.pipeline.index.Sample`."""

    id: str
    video: str
    label: str
    subject: str = ""
    camera: str = ""
    group: str = ""
    split: str = ""
    start: int = 0
    stop: int = 0
    skeleton: str = ""


@dataclass(frozen=True)
class Listing:
    """A data set as its adapter found it.

    Attributes:
        clips: Its clips, sorted by id.
        left_out: What looks like a clip and is none, with codes and reasons: the data set's own
            list of bad samples, a name that says nothing. They go to the ledger, and do not count
            as quarantined when it is judged whether too many are.
        notes: Sentences for the user, such as what is missing of a data set of known size.
        remarks: What the ledger should say about a clip that is good, by id.
    """

    clips: tuple[Listed, ...]
    left_out: tuple[Outcome, ...] = ()
    notes: tuple[str, ...] = ()
    remarks: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, clips: Iterable[Listed]) -> Listing:
        """A listing of `clips` alone."""
        return cls(tuple(sorted(clips, key=lambda clip: clip.id)))
