"""Order of clips, and mosaics fetched ahead."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import closing

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from small_inputs import IDS

from stroi.cache.errors import RefusedInput, StroiError
from stroi.cache.mosaics import MosaicCache
from stroi.trainer.data.epoch_order import RING, epoch_batches, mosaic_batches, split

CPU = torch.device("cpu")


@given(count=st.integers(2, 70), size=st.integers(2, 20), epoch=st.integers(0, 3))
def test_every_clip_once_and_no_batch_of_one(count: int, size: int, epoch: int) -> None:
    parts = epoch_batches(count, size, seed=1, epoch=epoch)
    assert sorted(np.concatenate(parts).tolist()) == list(range(count))
    assert all(2 <= len(part) <= size + 1 for part in parts)
    assert all(len(part) == size for part in parts[:-1])


def test_order_depends_on_seed_and_epoch_alone() -> None:
    def order(seed: int, epoch: int) -> list[int]:
        return np.concatenate(epoch_batches(30, 7, seed=seed, epoch=epoch)).tolist()

    assert order(1, 2) == order(1, 2)
    assert len({tuple(order(seed, epoch)) for seed in range(3) for epoch in range(3)}) == 9


def test_a_last_batch_of_one_joins_the_one_before() -> None:
    assert [len(part) for part in split(np.arange(9), 4)] == [4, 5]
    assert [len(part) for part in split(np.arange(10), 4)] == [4, 4, 2]
    assert [len(part) for part in split(np.arange(1), 4)] == [1]


def test_one_clip_cannot_train() -> None:
    with pytest.raises(StroiError, match="TRAIN_TOO_FEW: a training set of 1 clips"):
        epoch_batches(1, 4, seed=0, epoch=0)


def test_mosaics_come_in_order_and_whole(mosaics: MosaicCache) -> None:
    parts = [np.array(part) for part in ([3, 1], [0, 2, 7], [5], [6, 4], [1, 0], [2, 3])]
    assert len(parts) > RING
    with closing(mosaic_batches(mosaics, IDS, parts, device=CPU)) as batches:
        for part, batch in zip(parts, batches, strict=True):
            np.testing.assert_array_equal(batch.rows, part)
            expected = np.stack([mosaics[IDS[row]] for row in part])
            np.testing.assert_array_equal(batch.mosaics.numpy(), expected)


def test_a_consumer_that_leaves_early_leaves_no_thread(mosaics: MosaicCache) -> None:
    before = threading.active_count()
    for taken in range(3):
        with closing(mosaic_batches(mosaics, IDS, [np.arange(2)] * 9, device=CPU)) as batches:
            for _ in range(taken):
                next(batches)
    assert threading.active_count() == before


def test_what_the_cache_refuses_reaches_the_consumer(mosaics: MosaicCache) -> None:
    ids = [*IDS[:3], "nobody"]
    batches = mosaic_batches(mosaics, ids, [np.array([0, 1]), np.array([2, 3])], device=CPU)
    assert len(next(batches).rows) == 2
    with pytest.raises(RefusedInput, match=r"ID_UNKNOWN.*nobody"):
        next(batches)


def test_a_buffer_is_not_refilled_while_the_consumer_has_it(mosaics: MosaicCache) -> None:
    class Slow:
        shape = mosaics.shape

        def __init__(self) -> None:
            self.gathered = 0

        def batch(
            self, ids: Sequence[str], out: np.ndarray | None = None, **columns: None
        ) -> np.ndarray:
            self.gathered += 1
            return mosaics.batch(ids, out)

    slow = Slow()
    parts = [np.array([row, row]) for row in (*range(8), *range(8))]
    with closing(mosaic_batches(slow, IDS, parts, device=CPU)) as batches:
        for number, batch in enumerate(batches):
            kept = batch.mosaics.clone()
            threading.Event().wait(0.01)
            assert torch.equal(batch.mosaics, kept)
            assert slow.gathered <= number + RING
