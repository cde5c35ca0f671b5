"""The clips of a data set, before any video is opened."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from stroi.cache.errors import RefusedInput
from stroi.pipeline.index.ledger import ClipOutcome
from stroi.pipeline.index.table import ClipEntry
from stroi.trainer.plugins import Plugin


@dataclass(frozen=True)
class DatasetListing:
    """What an adapter returns.

    Attributes:
        clips: Its clips, sorted by id.
        left_out: Entries that are no usable clip, with code and reason: the data set's own list of
            bad samples, a name of another form. They go to the ledger, and do not count towards
            ``max_quarantined``.
        notes: Sentences for the user, such as how many clips of a known data set are missing.
        remarks: The ledger's remark about a good clip, by id.

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
                    remedy="rename one of them; paths must differ in more than case and ending",
                )

    @classmethod
    def of(cls, clips: Iterable[ClipEntry]) -> DatasetListing:
        """A listing of `clips` alone."""
        return cls(tuple(sorted(clips, key=lambda clip: clip.id)))


@dataclass(frozen=True, kw_only=True)
class DatasetAdapter(Plugin):
    """How the clips of a data set are found, of group ``datasets``.

    Attributes:
        list_clips: Its root, a folder, to a `DatasetListing`; nothing is opened that need not be.
    """

    list_clips: Callable[..., DatasetListing]


def _place(clip: ClipEntry) -> str:
    """The file of a clip, and its frames if it is a part of it."""
    frames = f" from frame {clip.start}" if clip.start or clip.stop else ""
    return f"{clip.video or clip.skeleton!a}{frames}"
