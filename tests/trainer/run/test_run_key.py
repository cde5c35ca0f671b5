"""Digests of what a training depends on: of values alone, and without copies of them."""

from __future__ import annotations

import hashlib
import tracemalloc

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from stroi.cache.layouts import BODY_25
from stroi.trainer.data.input_digests import array_digest, skeleton_digest
from stroi.trainer.data.skeleton_input import SkeletonSet
from stroi.trainer.run.run_key import model_digest

MIB = 2**20
CUBE = np.arange(5 * 7 * 3, dtype=np.float32).reshape(5, 7, 3)


@pytest.mark.parametrize(
    "array",
    [
        CUBE, CUBE.T, CUBE[::-2, 1:, ::2], np.asfortranarray(CUBE), CUBE > 4, CUBE[:0],
        np.array(3), np.broadcast_to(np.int64(2), (3, 4)), np.array([b"ab", b"c"]),
    ],
    ids=["whole", "turned", "steps", "fortran", "bool", "empty", "scalar", "broadcast", "text"],
)  # fmt: skip
def test_a_digest_is_of_type_shape_and_values(array: NDArray[np.generic]) -> None:
    text = f"{array.dtype.str} {array.shape} ".encode()
    assert array_digest(array) == hashlib.sha256(text + array.tobytes()).hexdigest()


def _peak(made: object) -> int:
    """Bytes that a digest takes beside what it is of."""
    tracemalloc.start()
    try:
        if isinstance(made, nn.Module):
            model_digest(made)
        elif isinstance(made, SkeletonSet):
            skeleton_digest(made)
        else:
            array_digest(np.asarray(made))
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def _skeletons(clips: int) -> SkeletonSet:
    x = np.ones((clips, 2, 64, 25, 3), np.float32)
    ids = tuple(f"clip{number:06}" for number in range(clips))
    return SkeletonSet(ids, x, np.ones((clips, 2), np.bool_), BODY_25)


@pytest.mark.parametrize(
    "made",
    [
        pytest.param(_skeletons(1800), id="training set of 69 MB"),
        pytest.param(_skeletons(1800).x.transpose(0, 4, 1, 2, 3), id="turned"),
        pytest.param(nn.Linear(4096, 4096, device=torch.device("cpu")), id="network of 67 MB"),
    ],
)
def test_a_digest_takes_no_copy(made: object) -> None:
    assert _peak(made) < 4 * MIB
