"""Clips that are prepared once, for all epochs, streams and seeds of a process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from stroi.cache.skeletons import Clip
from stroi.cache.skeletons3d import JointClip
from stroi.trainer.data.skeleton_input import ClipSource, SkeletonSet, prepare_all


class PreparedClips:
    """Clips by sample id that keep in memory what was prepared of them.

    Args:
        source: The clips.
        ids: Ids of all of them, sorted.

    Attributes:
        source: The clips.
        ids: Their ids.
    """

    def __init__(self, source: ClipSource, ids: Sequence[str] = ()) -> None:
        self.source = source
        self.ids = tuple(ids)
        self._sets: dict[tuple[object, ...], SkeletonSet] = {}

    def __getitem__(self, sample_id: str, /) -> Clip | JointClip:
        """One clip as it is."""
        return self.source[sample_id]

    def prepare(self, ids: Sequence[str], **preparation: Any) -> SkeletonSet:
        """The same as `prepare_all`, and the same arrays every time: not to be written to.

        Raises:
            StroiError: As `prepare_all`.
        """
        key = (tuple(sorted(ids)), *sorted(preparation.items()))
        if key not in self._sets:
            self._sets[key] = prepare_all(self.source, ids, **preparation)
        return self._sets[key]


def kept(clips: ClipSource) -> PreparedClips:
    """`clips`, if they keep what was prepared of them, or clips that do."""
    return clips if isinstance(clips, PreparedClips) else PreparedClips(clips)


def prepared_chunks(
    clips: ClipSource, ids: Sequence[str], size: int, **preparation: Any
) -> Iterator[SkeletonSet]:
    """Prepared clips, `size` of them at a time; all at once if they keep them.

    Args:
        clips: Clips by sample id.
        ids: Which of them, sorted.
        size: Clips of a chunk.
        **preparation: As for `prepare_all`.

    Raises:
        StroiError: As `prepare_all`.
    """
    starts = range(0, len(ids), size)
    if isinstance(clips, PreparedClips):
        whole = clips.prepare(ids, **preparation)
        yield from (whole.part(start, start + size) for start in starts)
    else:
        yield from (prepare_all(clips, ids[at : at + size], **preparation) for at in starts)
