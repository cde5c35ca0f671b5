"""Digests of a network's inputs: arrays, prepared skeletons, mosaics."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stroi.cache.files.digests import digest
from stroi.cache.mosaics import MosaicCache
from stroi.trainer.data.skeleton_input import SkeletonSet

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


def skeleton_digest(data: SkeletonSet) -> str:
    """SHA-256 of prepared skeletons and their ids."""
    return digest([list(data.ids), array_digest(data.x), array_digest(data.present)])


def mosaic_digest(mosaics: MosaicCache, ids: Sequence[str]) -> str:
    """SHA-256 of the mosaics of `ids`, from their manifest.

    Raises:
        RefusedInput: ``ID_UNKNOWN``.
    """
    known = mosaics.manifest.content_by_id
    for sample in ids:
        mosaics.find(sample)
    return digest({sample: known[sample] for sample in ids})
