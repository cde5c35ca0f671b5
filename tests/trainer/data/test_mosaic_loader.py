"""Batches out of files and out of the device's memory: the same bits, in order, bounded memory."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from small_inputs import CELL, CLASSES, IDS, LABELS, mosaic_cache
from trainings import resnet_trained

from stroi.cache.errors import RefusedInput, StroiError
from stroi.cache.mosaics import MosaicCache
from stroi.trainer.config import LoaderConfig, Order, Resident, ResNetConfig, Schedule
from stroi.trainer.data.epoch_order import epoch_columns
from stroi.trainer.data.mosaic_augment import AugmentParams
from stroi.trainer.data.mosaic_batches import EpochPlan, load_resident, stream_batches
from stroi.trainer.data.mosaic_loader import MosaicLoader, cell_grid
from stroi.trainer.data.prefetch import PREFETCH_SLOTS
from stroi.trainer.models.cell_grid import CellGrid
from stroi.trainer.run.distributed import World
from stroi.trainer.run.run_key import model_digest

CPU = torch.device("cpu")
SHORT = Schedule(epochs=1, batch_size=4, lr=0.05)


def plan_of(
    index: Sequence[Sequence[int] | NDArray[np.int64]], columns: NDArray[np.int64] | None = None
) -> EpochPlan:
    batches = [np.asarray(rows) for rows in index]
    return EpochPlan(batches, [len(rows) for rows in batches], columns)


def test_mosaics_come_in_order_and_whole(mosaics: MosaicCache) -> None:
    plan = plan_of([[3, 1], [0, 2, 7], [5], [6, 4], [1, 0], [2, 3]])
    assert len(plan.index) > PREFETCH_SLOTS
    with closing(stream_batches(mosaics, IDS, plan, CPU)) as batches:
        for index, batch in zip(plan.index, batches, strict=True):
            np.testing.assert_array_equal(batch.index, index)
            expected = np.stack([mosaics[IDS[row]] for row in index])
            np.testing.assert_array_equal(batch.mosaics.numpy(), expected)


@pytest.mark.parametrize("window", [0, 2])
def test_a_consumer_that_leaves_early_leaves_no_thread(mosaics: MosaicCache, window: int) -> None:
    before = threading.active_count()
    for taken in range(3):
        plan = plan_of([[0, 1]] * 9)
        with closing(stream_batches(mosaics, IDS, plan, CPU, window)) as batches:
            for _ in range(taken):
                next(batches)
    assert threading.active_count() == before


def test_what_the_cache_refuses_reaches_the_consumer(mosaics: MosaicCache) -> None:
    ids = [*IDS[:3], "nobody"]
    batches = stream_batches(mosaics, ids, plan_of([[0, 1], [2, 3]]), CPU)
    assert len(next(batches).index) == 2
    with pytest.raises(RefusedInput, match=r"ID_UNKNOWN.*nobody"):
        next(batches)


def test_a_slot_is_not_refilled_while_the_consumer_has_it(mosaics: MosaicCache) -> None:
    class Counting:
        shape = mosaics.shape

        def __init__(self) -> None:
            self.read = 0

        def batch(
            self, ids: Sequence[str], out: np.ndarray | None = None, **columns: None
        ) -> np.ndarray:
            self.read += 1
            return mosaics.batch(ids, out)

    cache = Counting()
    plan = plan_of([[row, row] for row in (*range(8), *range(8))])
    with closing(stream_batches(cache, IDS, plan, CPU)) as batches:
        for number, batch in enumerate(batches):
            kept = batch.mosaics.clone()
            threading.Event().wait(0.01)
            assert torch.equal(batch.mosaics, kept)
            assert cache.read <= number + PREFETCH_SLOTS


@pytest.mark.parametrize("order", ["shuffled", "windowed"])
@pytest.mark.parametrize("resident", ["never", "device"])
@pytest.mark.parametrize("wide", [5, 8])
def test_an_epoch_is_the_same_however_it_is_read(
    wide: int, resident: Resident, order: Order, tmp_path: Path
) -> None:
    cache = mosaic_cache(tmp_path, columns=wide)
    ids = [name for name in IDS if name != IDS[2]]
    loader = MosaicLoader(
        cache, ids, 3, 0, CPU, LoaderConfig(resident=resident, order=order, window=3)
    )
    drawn = epoch_columns(len(ids), len(cache.scored), wide, seed=0, epoch=1)
    indices = loader.batch_indices(1)
    assert sorted(np.concatenate(indices)) == list(range(len(ids)))
    for index, batch in zip(indices, loader.epoch(1), strict=True):
        columns = None if drawn is None else drawn[index]
        expected = cache.batch([ids[row] for row in index], columns=columns)
        np.testing.assert_array_equal(batch.mosaics.numpy(), expected)
        assert batch.mosaics.is_contiguous()
        assert batch.size == len(index)
        assert (batch.columns is None) == (columns is None)


def test_skipped_batches_are_not_read_and_the_rest_is_the_same(mosaics: MosaicCache) -> None:
    def params(epoch: int) -> AugmentParams:
        return AugmentParams(shift=torch.arange(2 * len(IDS)).view(-1, 2) + epoch)

    loader = MosaicLoader(mosaics, IDS, 2, 0, CPU, augment_params=params)
    whole = [(b.index, b.mosaics.clone(), b.augment.shift) for b in loader.epoch(3)]
    rest = [(b.index, b.mosaics.clone(), b.augment.shift) for b in loader.epoch(3, 2)]
    assert len(rest) == len(whole) - 2
    for (index, pictures, shift), (same, again, moved) in zip(whole[2:], rest, strict=True):
        np.testing.assert_array_equal(index, same)
        assert torch.equal(pictures, again)
        assert torch.equal(shift, moved)
        assert shift.tolist() == [[2 * row + 3, 2 * row + 4] for row in index]
    assert list(loader.epoch(3, len(whole))) == []


def test_processes_share_every_batch_and_its_augmentation(mosaics: MosaicCache) -> None:
    def params(epoch: int) -> AugmentParams:
        return AugmentParams(flip=torch.arange(len(IDS)) % 3 == 0)

    alone, *ranks = (
        list(MosaicLoader(mosaics, IDS, 5, 0, CPU, LoaderConfig(resident="device"), params,
                          world.shard_slice).epoch(0))
        for world in (World(), World(0, 2), World(1, 2))
    )  # fmt: skip
    for whole, *parts in zip(alone, *ranks, strict=True):
        np.testing.assert_array_equal(np.concatenate([part.index for part in parts]), whole.index)
        assert torch.equal(torch.cat([part.mosaics for part in parts]), whole.mosaics)
        assert torch.equal(torch.cat([part.augment.flip for part in parts]), whole.augment.flip)
        assert {part.size for part in parts} == {len(whole.index)}


@pytest.mark.parametrize("order", ["shuffled", "windowed"])
def test_one_clip_cannot_train(mosaics: MosaicCache, order: Order) -> None:
    loader = MosaicLoader(mosaics, IDS[:1], 2, 0, CPU, LoaderConfig(order=order))
    with pytest.raises(StroiError, match="TRAIN_TOO_FEW: a training set of 1 clips"):
        loader.epoch(0)


@pytest.mark.parametrize("how", ["auto", "never"])
def test_a_cpu_keeps_nothing_by_itself(how: Resident, mosaics: MosaicCache) -> None:
    assert load_resident(mosaics, IDS, CPU, how) is None


@pytest.mark.parametrize(("free", "keeps"), [(2 * 8 * 40 * 40 * 3, True), (38_000, False)])
def test_a_gpu_gives_half_of_what_is_free(
    free: int, keeps: bool, mosaics: MosaicCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    allocated: list[object] = []

    class Reached(Exception):
        pass

    def empty(*shape: object, **more: object) -> None:
        allocated.append(shape)
        raise Reached

    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (free, 1 << 40))
    monkeypatch.setattr(torch, "empty", empty)
    if keeps:
        with pytest.raises(Reached):
            load_resident(mosaics, IDS, torch.device("cuda"), "auto")
    else:
        assert load_resident(mosaics, IDS, torch.device("cuda"), "auto") is None
    assert bool(allocated) == keeps


def test_a_resident_training_is_the_same_bits(mosaics: MosaicCache, tmp_path: Path) -> None:
    config = ResNetConfig(flip=0.5, shift=1, brightness=0.3)

    def train(how: Resident) -> str:
        net = resnet_trained(
            "plain", mosaics, LABELS, CLASSES, config=config, schedule=SHORT, seed=0,
            device="cpu", loader_config=LoaderConfig(resident=how), checkpoints=tmp_path / how,
        )  # fmt: skip
        return model_digest(net)

    assert train("device") == train("never")
    one, two = (
        {path.name for path in (tmp_path / how).rglob("*") if path.is_file()}
        for how in ("device", "never")
    )
    assert one == two


def test_cells_must_be_whole(tmp_path: Path) -> None:
    assert cell_grid(mosaic_cache(tmp_path, columns=3)) == CellGrid(5, 3, CELL, CELL)
