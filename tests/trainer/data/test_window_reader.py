"""Windows: every clip once, read in storage order, shuffled inside, two in memory."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from small_inputs import CLASSES, IDS, LABELS, mosaic_cache

from stroi.cache.mosaics import MosaicCache
from stroi.trainer import train_resnet as training
from stroi.trainer.config import LoaderConfig, ResNetConfig, Schedule
from stroi.trainer.data.epoch_order import epoch_batches, epoch_columns, mosaic_batches, split
from stroi.trainer.data.window_reader import BLOCK, WindowSource, windowed_order
from stroi.trainer.run.run_key import model_digest

CPU = torch.device("cpu")
SHORT = Schedule(epochs=1, batch_size=4, lr=0.05)


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
    order = windowed_order(stored, size * batches, seed=1, epoch=epoch)
    np.testing.assert_array_equal(
        order, windowed_order(stored, size * batches, seed=1, epoch=epoch)
    )
    assert sorted(order.tolist()) == list(range(count))
    parts = split(order, size)
    assert all(2 <= len(part) <= size + 1 for part in parts)
    # What is in one window comes from few runs of clips that lie one after the other.
    place = np.argsort(stored)
    for start in range(0, len(parts), batches):
        window = np.sort(place[np.concatenate(parts[start : start + batches])])
        runs = 1 + (np.diff(window) > 1).sum()
        assert runs <= 3 + len(window) // BLOCK


def test_order_is_another_in_every_epoch_and_seed_and_shuffled_inside() -> None:
    stored = np.arange(400)
    orders = [
        windowed_order(stored, 100, seed=seed, epoch=epoch) for seed in (0, 1) for epoch in (0, 1)
    ]
    assert len({tuple(order) for order in orders}) == 4
    steps = np.diff(orders[0])
    assert (steps == 1).mean() < 0.1
    firsts = {order[0] // BLOCK for order in orders}
    assert len(firsts) > 1


class Watched:
    """A cache that notes what is read together, and in which order."""

    def __init__(self, cache: MosaicCache) -> None:
        self._cache, self.shape, self.columns = cache, cache.shape, cache.columns
        self.reads: list[list[str]] = []

    def stored(self, ids: Sequence[str]) -> np.ndarray:
        return self._cache.stored(ids)[::-1].copy()

    def batch(self, ids: Sequence[str], out: np.ndarray, **more: np.ndarray | None) -> np.ndarray:
        self.reads.append(list(ids))
        return self._cache.batch(ids, out, **more)


def test_windows_are_read_in_storage_order_and_two_at_most_ahead(mosaics: MosaicCache) -> None:
    watched = Watched(mosaics)
    parts = [np.array(part) for part in ([3, 1], [0, 7], [5, 2], [6, 4])]
    with closing(mosaic_batches(watched, IDS, parts, device=CPU, window=2)) as batches:
        for part, batch in zip(parts, batches, strict=True):
            expected = np.stack([mosaics[IDS[row]] for row in part])
            np.testing.assert_array_equal(batch.mosaics.numpy(), expected)
    # This cache says that it stores them in reverse.
    assert watched.reads == [[IDS[row] for row in rows] for rows in ([7, 3, 1, 0], [6, 5, 4, 2])]


def test_memory_is_two_windows(mosaics: MosaicCache) -> None:
    parts = [np.array([row, (row + 1) % 8]) for row in range(8)]
    source = WindowSource(mosaics, IDS, parts, None, 1)
    assert sum(len(buffer) for buffer in source._buffers) == 2 * 2
    source.close()


def test_windows_give_the_columns_drawn(tmp_path: Path) -> None:
    wide = mosaic_cache(tmp_path, columns=8)
    drawn = epoch_columns(len(IDS), 3, 8, seed=0, epoch=0)
    parts = epoch_batches(len(IDS), 3, seed=0, epoch=0)
    one, two = (
        [batch.mosaics.clone() for batch in mosaic_batches(
            wide, IDS, parts, device=CPU, columns=drawn, window=window
        )]
        for window in (0, 2)
    )  # fmt: skip
    assert all(torch.equal(*pair) for pair in zip(one, two, strict=True))


def test_leaving_early_leaves_no_thread(mosaics: MosaicCache) -> None:
    import threading

    before = threading.active_count()
    for taken in range(3):
        parts = [np.arange(2)] * 9
        with closing(mosaic_batches(mosaics, IDS, parts, device=CPU, window=2)) as batches:
            for _ in range(taken):
                next(batches)
    assert threading.active_count() == before


def test_training_is_reproducible_and_has_a_key_of_its_own(
    mosaics: MosaicCache, tmp_path: Path
) -> None:
    def train(feeding: LoaderConfig) -> str:
        net = training.train_resnet(
            "plain", mosaics, LABELS, CLASSES, config=ResNetConfig(), schedule=SHORT, seed=0,
            device="cpu", feeding=feeding, state=tmp_path,
        )  # fmt: skip
        return model_digest(net)

    windowed = LoaderConfig(order="windowed", window=4)
    results = [
        train(feeding) for feeding in (LoaderConfig(), windowed, LoaderConfig(window=9), windowed)
    ]
    assert results[0] == results[2] != results[1] == results[3]
    assert len(list(tmp_path.rglob("*.safetensors"))) == 2


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 0, 1]])
def test_stored_order_is_the_files(mosaics: MosaicCache, order: list[int]) -> None:
    assert [order[at] for at in mosaics.stored([IDS[row] for row in order])] == [0, 1, 2]
