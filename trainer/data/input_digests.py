"""Digests of a network's inputs: arrays, clips, mosaics."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stroi.cache.files.digests import digest
from stroi.cache.mosaics import MosaicCache
from stroi.cache.shards import ShardedCache
from stroi.cache.skeletons import Clip
from stroi.cache.skeletons3d import JointClip
from stroi.trainer.data.prepared_clips import PreparedClips
from stroi.trainer.data.skeleton_input import ClipSource

_BLOCK = 2**16
"""Values of an array that are copied at a time, if they do not lie in one piece."""


def array_digest(array: NDArray[Any]) -> str:
    """SHA-256 of an array's type, shape and values in C order; no more than a block is copied."""
    sha = hashlib.sha256(f"{array.dtype.str} {array.shape} ".encode())
    with np.nditer(
        array, ["external_loop", "buffered", "zerosize_ok"], order="C", buffersize=_BLOCK
    ) as blocks:
        for block in blocks:
            sha.update(np.ascontiguousarray(block).view(np.uint8).data)
    return sha.hexdigest()


def clips_digest(clips: ClipSource, ids: Sequence[str]) -> str:
    """SHA-256 of the clips `ids`, before they are prepared: of a cache, from its manifest.

    Raises:
        RefusedInput: ``ID_UNKNOWN``.
    """
    source = clips.source if isinstance(clips, PreparedClips) else clips
    if isinstance(source, ShardedCache):
        return digest(source.content(ids))
    return digest({sample: _clip_digest(source[sample]) for sample in ids})


def _clip_digest(clip: Clip | JointClip) -> str:
    values = (getattr(clip, field.name) for field in fields(clip))
    return digest([array_digest(v) if isinstance(v, np.ndarray) else repr(v) for v in values])


def mosaic_digest(mosaics: MosaicCache, ids: Sequence[str]) -> str:
    """SHA-256 of the mosaics of `ids`, from their manifest.

    Raises:
        RefusedInput: ``ID_UNKNOWN``.
    """
    return digest(mosaics.content(ids))
