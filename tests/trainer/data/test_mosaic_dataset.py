"""A mosaic cache as a torch data set, read by workers too."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from small_caches import make_mosaics, write_cache

from stroi.cache.mosaics import MosaicCache
from stroi.cache.share.convert import pack
from stroi.trainer.data.mosaic_dataset import MosaicDataset


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A complete mosaic cache of two shards."""
    shards = [make_mosaics(("a-1", "a-2", "a-3"), seed=1), make_mosaics(("b-1", "b-2"), seed=2)]
    return write_cache(tmp_path / "cache", shards)


@pytest.mark.parametrize("workers", [0, 1])
def test_batches_hold_every_mosaic(folder: Path, workers: int) -> None:
    cache = MosaicCache(folder)
    loader = torch.utils.data.DataLoader(
        MosaicDataset(cache),
        batch_size=3,
        num_workers=workers,
        multiprocessing_context="spawn" if workers else None,
    )
    read = {}
    for ids, mosaics in loader:
        assert mosaics.dtype == torch.uint8
        read.update(zip(ids, mosaics.numpy(), strict=True))
    assert tuple(read) == cache.ids
    for sample_id, mosaic in read.items():
        np.testing.assert_array_equal(mosaic, cache[sample_id])


def test_the_compact_form_is_read_too(folder: Path, tmp_path: Path) -> None:
    pack(folder, tmp_path / "compact", codec="webp")
    cache = MosaicCache(tmp_path / "compact")
    loader = torch.utils.data.DataLoader(
        MosaicDataset(cache), batch_size=4, num_workers=1, multiprocessing_context="spawn"
    )
    read = torch.cat([mosaics for _, mosaics in loader])
    np.testing.assert_array_equal(read.numpy(), MosaicCache(folder).batch(cache.ids))
