"""Order of clips: every one once, a function of seed and epoch."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stroi.cache.errors import StroiError
from stroi.trainer.data.epoch_order import (
    SHUFFLE_BLOCK,
    RandomStream,
    block_shuffled_order,
    epoch_rng,
    shuffled_batches,
    split,
)


@given(count=st.integers(2, 70), size=st.integers(2, 20), epoch=st.integers(0, 3))
def test_every_clip_once_and_no_batch_of_one(count: int, size: int, epoch: int) -> None:
    parts = shuffled_batches(count, size, seed=1, epoch=epoch)
    assert sorted(np.concatenate(parts).tolist()) == list(range(count))
    assert all(2 <= len(part) <= size + 1 for part in parts)
    assert all(len(part) == size for part in parts[:-1])


def test_order_depends_on_seed_and_epoch_alone() -> None:
    def order(seed: int, epoch: int) -> list[int]:
        return np.concatenate(shuffled_batches(30, 7, seed=seed, epoch=epoch)).tolist()

    assert order(1, 2) == order(1, 2)
    assert len({tuple(order(seed, epoch)) for seed in range(3) for epoch in range(3)}) == 9


def test_a_last_batch_of_one_joins_the_one_before() -> None:
    assert [len(part) for part in split(np.arange(9), 4)] == [4, 5]
    assert [len(part) for part in split(np.arange(10), 4)] == [4, 4, 2]
    assert [len(part) for part in split(np.arange(1), 4)] == [1]


def test_one_clip_cannot_train() -> None:
    with pytest.raises(StroiError, match="TRAIN_TOO_FEW: a training set of 1 clips"):
        shuffled_batches(1, 4, seed=0, epoch=0)


@given(
    count=st.integers(2, 300),
    size=st.integers(2, 9),
    batches=st.integers(1, 12),
    epoch=st.integers(0, 3),
)
def test_every_clip_once_and_no_batch_of_two_windows(
    count: int, size: int, batches: int, epoch: int
) -> None:
    stored = np.random.default_rng(0).permutation(count)
    order = block_shuffled_order(stored, size * batches, seed=1, epoch=epoch)
    np.testing.assert_array_equal(
        order, block_shuffled_order(stored, size * batches, seed=1, epoch=epoch)
    )
    assert sorted(order.tolist()) == list(range(count))
    parts = split(order, size)
    assert all(2 <= len(part) <= size + 1 for part in parts)
    # What is in one window comes from few runs of clips that lie one after the other.
    place = np.argsort(stored)
    for start in range(0, len(parts), batches):
        window = np.sort(place[np.concatenate(parts[start : start + batches])])
        runs = 1 + (np.diff(window) > 1).sum()
        assert runs <= 3 + len(window) // SHUFFLE_BLOCK


def test_order_is_another_in_every_epoch_and_seed_and_shuffled_inside() -> None:
    stored = np.arange(400)
    orders = [
        block_shuffled_order(stored, 100, seed=seed, epoch=epoch)
        for seed in (0, 1)
        for epoch in (0, 1)
    ]
    assert len({tuple(order) for order in orders}) == 4
    steps = np.diff(orders[0])
    assert (steps == 1).mean() < 0.1
    firsts = {order[0] // SHUFFLE_BLOCK for order in orders}
    assert len(firsts) > 1


def test_streams_of_an_epoch_are_independent() -> None:
    draws = {
        (epoch, stream, rank): float(epoch_rng(7, epoch, stream, rank).random())
        for epoch in range(3)
        for stream in RandomStream
        for rank in range(3)
    }
    assert len(set(draws.values())) == len(draws)
