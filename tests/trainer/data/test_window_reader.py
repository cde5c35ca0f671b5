"""Windows: read in storage order, two in memory."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import torch
from small_inputs import CLASSES, IDS, LABELS
from trainings import resnet_trained

from stroi.cache.mosaics import MosaicCache
from stroi.trainer.config import LoaderConfig, ResNetConfig, Schedule
from stroi.trainer.data.mosaic_batches import EpochPlan, stream_batches
from stroi.trainer.data.window_reader import WindowReader
from stroi.trainer.run.run_key import model_digest

CPU = torch.device("cpu")
SHORT = Schedule(epochs=1, batch_size=4, lr=0.05)


class Watched:
    """A cache that notes what is read together, and in which order."""

    def __init__(self, cache: MosaicCache) -> None:
        self._cache, self.shape, self.columns = cache, cache.shape, cache.columns
        self.reads: list[list[str]] = []

    def storage_order(self, ids: Sequence[str]) -> np.ndarray:
        return self._cache.storage_order(ids)[::-1].copy()

    def batch(self, ids: Sequence[str], out: np.ndarray, **more: np.ndarray | None) -> np.ndarray:
        self.reads.append(list(ids))
        return self._cache.batch(ids, out, **more)


def test_windows_are_read_in_storage_order_and_two_at_most_ahead(mosaics: MosaicCache) -> None:
    watched = Watched(mosaics)
    index = [np.array(rows) for rows in ([3, 1], [0, 7], [5, 2], [6, 4])]
    plan = EpochPlan(index, [2] * 4)
    with closing(stream_batches(watched, IDS, plan, CPU, 2)) as batches:
        for rows, batch in zip(index, batches, strict=True):
            expected = np.stack([mosaics[IDS[row]] for row in rows])
            np.testing.assert_array_equal(batch.mosaics.numpy(), expected)
    # This cache says that it stores them in reverse.
    assert watched.reads == [[IDS[row] for row in rows] for rows in ([7, 3, 1, 0], [6, 5, 4, 2])]


def test_memory_is_two_windows(mosaics: MosaicCache) -> None:
    index = [np.array([row, (row + 1) % 8]) for row in range(8)]
    reader = WindowReader(mosaics, IDS, index, None, 1)
    assert sum(len(buffer) for buffer in reader._buffers) == 2 * 2
    reader.close()


def test_training_is_reproducible_and_has_a_key_of_its_own(
    mosaics: MosaicCache, tmp_path: Path
) -> None:
    def train(config: LoaderConfig) -> str:
        net = resnet_trained(
            "plain", mosaics, LABELS, CLASSES, config=ResNetConfig(), schedule=SHORT, seed=0,
            device="cpu", loader_config=config, checkpoints=tmp_path,
        )  # fmt: skip
        return model_digest(net)

    windowed = LoaderConfig(order="windowed", window=4)
    results = [
        train(loader) for loader in (LoaderConfig(), windowed, LoaderConfig(window=9), windowed)
    ]
    assert results[0] == results[2] != results[1] == results[3]
    assert len(list(tmp_path.rglob("*.safetensors"))) == 2


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 0, 1]])
def test_stored_order_is_the_files(mosaics: MosaicCache, order: list[int]) -> None:
    assert [order[at] for at in mosaics.storage_order([IDS[row] for row in order])] == [0, 1, 2]
