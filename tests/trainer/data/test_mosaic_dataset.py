"""A mosaic cache as a torch data set, read by workers too."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from small_caches import make_mosaics, make_weights, reseal, write_cache

from stroi.cache.errors import RefusedInput
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
    for batch in loader:
        assert set(batch) == {"id", "mosaic", "persons"}
        assert batch["mosaic"].dtype == torch.uint8
        read.update(zip(batch["id"], batch["mosaic"].numpy(), strict=True))
    assert tuple(read) == cache.ids
    for sample_id, mosaic in read.items():
        np.testing.assert_array_equal(mosaic, cache[sample_id])


def test_the_compact_form_is_read_too(folder: Path, tmp_path: Path) -> None:
    pack(folder, tmp_path / "compact", codec="webp")
    cache = MosaicCache(tmp_path / "compact")
    loader = torch.utils.data.DataLoader(
        MosaicDataset(cache), batch_size=4, num_workers=1, multiprocessing_context="spawn"
    )
    read = torch.cat([batch["mosaic"] for batch in loader])
    np.testing.assert_array_equal(read.numpy(), MosaicCache(folder).batch(cache.ids))


def test_weights_and_labels_are_joined_by_id(folder: Path) -> None:
    cache = MosaicCache(folder)
    weights = make_weights(("a-0", *cache.ids))
    labels = {name: number for number, name in enumerate(reversed(cache.ids))}
    chosen = ("b-2", "a-1", "a-3")
    dataset = MosaicDataset(cache, weights=weights, labels=labels, ids=chosen)
    batch = next(iter(torch.utils.data.DataLoader(dataset, batch_size=3)))
    assert batch["id"] == list(chosen)
    assert batch["label"].tolist() == [labels[name] for name in chosen]
    for name, mosaic, row in zip(chosen, batch["mosaic"], batch["weights"], strict=True):
        np.testing.assert_array_equal(mosaic.numpy(), cache[name])
        np.testing.assert_array_equal(row.numpy(), weights.row_weights[weights.ids.index(name)])
    assert batch["persons"].tolist() == cache.person_count(chosen).tolist()


def test_a_clip_without_its_weights_or_label_is_no_gap(folder: Path) -> None:
    cache = MosaicCache(folder)
    with pytest.raises(RefusedInput, match=r"LABEL_IDS: 1 of 5 .* no label, .* 'b-2'; give"):
        MosaicDataset(cache, labels=dict.fromkeys(cache.ids[:-1], 0))
    with pytest.raises(RefusedInput, match="WEIGHTS_IDS: 2 of 5 mosaics have no weights"):
        MosaicDataset(cache, weights=make_weights(("a-1", "a-3", "b-1")))
    other = make_weights(cache.ids)
    alone = replace(other, row_weights=other.row_weights[:, :1])
    with pytest.raises(RefusedInput, match=r"PEOPLE_OTHER: .*the weights.* give weights and mos"):
        MosaicDataset(cache, weights=alone)
    with pytest.raises(RefusedInput, match=r"ID_UNKNOWN: .* has no sample 'c'"):
        MosaicDataset(cache, ids=["c"])


def test_candidates_are_not_shown_but_scored_columns_are(tmp_path: Path) -> None:
    made = make_mosaics(("a", "b"), seed=1)
    write_cache(tmp_path, [made])
    reseal(tmp_path, lambda old: replace(old, params={"candidates": 3, "columns": 1}))
    cache = MosaicCache(tmp_path)
    shown = MosaicDataset(cache)[1]["mosaic"].numpy()
    np.testing.assert_array_equal(shown, cache.batch(["b"], columns=cache.scored[None])[0])
    assert shown.shape[1] * 3 == cache.shape[1]
