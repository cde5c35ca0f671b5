"""What an adapter returns: the clips of a data set, before any video was opened."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from stroi.cache.errors import RefusedInput
from stroi.pipeline.index.ledger import ClipOutcome
from stroi.pipeline.index.table import ClipEntry


@dataclass(frozen=True)
class DatasetListing:
    """A data set as its adapter found it.

    Attributes:
        clips: Its clips, sorted by id.
        left_out: What looks like a clip and is none, with codes and reasons: the data set's own
            list of bad samples, a name that says nothing. They go to the ledger, and do not count
            as quarantined when it is judged whether too many are.
        notes: Sentences for the user, such as what is missing of a data set of known size.
        remarks: What the ledger should say about a clip that is good, by id.

    Raises:
        RefusedInput: ``ID_DUPLICATE`` naming the files of two clips that have one id, also if
            their ids differ in case only.
    """

    clips: tuple[ClipEntry, ...]
    left_out: tuple[ClipOutcome, ...] = ()
    notes: tuple[str, ...] = ()
    remarks: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        first: dict[str, ClipEntry] = {}
        for clip in self.clips:
            twin = first.setdefault(clip.id.casefold(), clip)
            if twin is not clip:
                raise RefusedInput(
                    "ID_DUPLICATE",
                    f"{_place(twin)} and {_place(clip)} would both be sample {clip.id!a}",
                    remedy="rename one of them; case and ending do not tell samples apart",
                )

    @classmethod
    def of(cls, clips: Iterable[ClipEntry]) -> DatasetListing:
        """A listing of `clips` alone."""
        return cls(tuple(sorted(clips, key=lambda clip: clip.id)))


def _place(clip: ClipEntry) -> str:
    """The file of a clip, and its frames if it is a part of it."""
    frames = f" from frame {clip.start}" if clip.start or clip.stop else ""
    return f"{clip.video or clip.skeleton!a}{frames}"
