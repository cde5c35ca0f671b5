"""Clips that are prepared once, for all epochs, streams and seeds of a process."""

from __future__ import annotations

import math
import mmap
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stroi.cache.files.atomic import os_errors_as_ours
from stroi.cache.skeletons import Clip
from stroi.cache.skeletons3d import JointClip
from stroi.trainer.data.skeleton_input import ClipSource, SkeletonSet, prepare_all

MAX_BYTES = 256 << 20
"""Prepared clips that take more lie in a file."""


class PreparedClips:
    """Clips by sample id that keep what was prepared of them.

    Args:
        source: The clips.
        ids: Ids of all of them, sorted.
        scratch: Folder for temporary files, one for every set of more than `MAX_BYTES`: the system
            then writes them out of memory as it needs. Without it every set stays in memory.

    Attributes:
        source: The clips.
        ids: Their ids.
    """

    def __init__(
        self, source: ClipSource, ids: Sequence[str] = (), *, scratch: Path | None = None
    ) -> None:
        self.source = source
        self.ids = tuple(ids)
        self._scratch = scratch
        self._sets: dict[tuple[object, ...], SkeletonSet] = {}

    def __getitem__(self, sample_id: str, /) -> Clip | JointClip:
        """One clip as it is."""
        return self.source[sample_id]

    def prepare(self, ids: Sequence[str], **preparation: Any) -> SkeletonSet:
        """The same as `prepare_all`, and the same arrays every time: not to be written to.

        Raises:
            StroiError: As `prepare_all`; ``DISK_FULL``.
        """
        key = (tuple(sorted(ids)), *sorted(preparation.items()))
        if key not in self._sets:
            self._sets[key] = prepare_all(self.source, ids, **preparation, allocate=self._allocate)
        return self._sets[key]

    def _allocate(self, shape: tuple[int, ...]) -> NDArray[np.float32]:
        size = 4 * math.prod(shape)
        if self._scratch is None or size <= MAX_BYTES:
            return np.empty(shape, np.float32)
        # The file has no name: it is gone with the process, however that ends.
        with (
            os_errors_as_ours(self._scratch, size),
            tempfile.TemporaryFile(dir=self._scratch) as file,
        ):
            os.posix_fallocate(file.fileno(), 0, size)  # a full disk is found now, not by a signal
            return np.frombuffer(mmap.mmap(file.fileno(), size), np.float32).reshape(shape)


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
