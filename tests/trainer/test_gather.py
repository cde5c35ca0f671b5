"""Copies past the caches are the same bytes, whatever their place in memory."""

from __future__ import annotations

import numpy as np
import pytest
from small_inputs import IDS

from stroi.cache.errors import RefusedInput
from stroi.cache.mosaics import MosaicCache
from stroi.trainer.gather import copier, gather

pytest.importorskip("numba")


@pytest.mark.parametrize("count", [0, 1, 31, 32, 33, 64, 1000])
@pytest.mark.parametrize("offset", [0, 1, 15, 31])
def test_every_byte_and_no_other(count: int, offset: int) -> None:
    random = np.random.default_rng(count)
    source = random.integers(0, 256, count + 7, np.uint8)[7:]
    around = np.full(count + 128, 77, np.uint8)
    copier()(source, around[offset + 32 : offset + 32 + count])
    np.testing.assert_array_equal(around[offset + 32 : offset + 32 + count], source)
    assert (around[: offset + 32] == 77).all()
    assert (around[offset + 32 + count :] == 77).all()


def test_mosaics_are_those_of_the_cache(mosaics: MosaicCache) -> None:
    names = [IDS[row] for row in (5, 0, 5, 3)]
    out = np.zeros((4, *mosaics.shape), np.uint8)
    gather(mosaics, names, out)
    np.testing.assert_array_equal(out, mosaics.batch(names))


def test_refuses_what_the_cache_refuses(mosaics: MosaicCache) -> None:
    with pytest.raises(RefusedInput, match="ID_UNKNOWN"):
        gather(mosaics, ["nobody"], np.zeros((1, *mosaics.shape), np.uint8))


def test_refuses_buffers_of_another_shape(mosaics: MosaicCache) -> None:
    with pytest.raises(ValueError, match="a mosaic is"):
        gather(mosaics, IDS[:1], np.zeros((1, 3, 3, 3), np.uint8))
