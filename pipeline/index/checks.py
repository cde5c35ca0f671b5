"""Files of 0 bytes: downloads that failed, or stand-ins that were made on purpose.

They all have one digest, and are no copies of one another. Clips keep their place in the index, so
that a tree of names can be listed and divided without the data set; the stage that opens the file
quarantines its clip, ``VIDEO_EMPTY`` or ``SKEL_EMPTY``.
"""

from __future__ import annotations

from collections.abc import Iterable

from stroi.cache.files.digests import sha256_bytes
from stroi.pipeline.index.table import Sample

OF_NOTHING = sha256_bytes(b"")
"""Digest of every file of 0 bytes."""


def empty_notes(samples: Iterable[Sample]) -> tuple[str, ...]:
    """A sentence about clips whose video or skeleton file is empty, for each of both."""
    videos, skeletons = [], []
    for sample in samples:
        if sample.sha256 == OF_NOTHING:
            videos.append(sample.id)
        if sample.skeleton_sha256 == OF_NOTHING:
            skeletons.append(sample.id)
    return tuple(
        f"{len(ids):,} {what} files are empty (0 bytes), first that of {min(ids)}: the stages that"
        " open them will quarantine their clips"
        for what, ids in (("video", videos), ("skeleton", skeletons))
        if ids
    )
