"""Mosaics held on the device: the batches are those out of the files, bit for bit."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from small_inputs import CLASSES, IDS, LABELS, mosaic_cache

from stroi.cache.mosaics import MosaicCache
from stroi.trainer.config import LoaderConfig, Resident, ResNetConfig, Schedule
from stroi.trainer.data.epoch_order import epoch_batches, epoch_columns, mosaic_batches
from stroi.trainer.data.held import held_batches, hold
from stroi.trainer.run.run_key import model_digest
from stroi.trainer.train_resnet import train_resnet

CPU = torch.device("cpu")
SHORT = Schedule(epochs=1, batch_size=4, lr=0.05)


@pytest.mark.parametrize("wide", [5, 8])
def test_batches_are_those_of_the_files(wide: int, tmp_path: Path) -> None:
    cache = mosaic_cache(tmp_path, columns=wide)
    ids = [name for name in IDS if name != IDS[2]]
    held = hold(cache, ids, CPU, "device")
    assert held is not None
    columns = epoch_columns(len(ids), 5, wide, seed=0, epoch=0)
    parts = epoch_batches(len(ids), 3, seed=0, epoch=0)
    streamed = mosaic_batches(cache, ids, parts, device=CPU, columns=columns)
    for one, two in zip(
        streamed, held_batches(held, parts, columns=columns, candidates=wide), strict=True
    ):
        assert torch.equal(one.mosaics, two.mosaics)
        assert two.mosaics.is_contiguous()
        assert (one.rows == two.rows).all()
        assert (one.columns is None) == (two.columns is None)


@pytest.mark.parametrize("how", ["auto", "never"])
def test_a_cpu_holds_nothing_unless_told_to(how: Resident, mosaics: MosaicCache) -> None:
    assert hold(mosaics, IDS, CPU, how) is None


@pytest.mark.parametrize(("free", "holds"), [(2 * 8 * 40 * 40 * 3, True), (38_000, False)])
def test_a_gpu_gives_half_of_what_is_free(
    free: int, holds: bool, mosaics: MosaicCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []

    class Reached(Exception):
        pass

    def empty(*shape: object, **more: object) -> None:
        asked.append(shape)
        raise Reached

    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (free, 1 << 40))
    monkeypatch.setattr(torch, "empty", empty)
    if holds:
        with pytest.raises(Reached):
            hold(mosaics, IDS, torch.device("cuda"), "auto")
    else:
        assert hold(mosaics, IDS, torch.device("cuda"), "auto") is None
    assert bool(asked) == holds


def test_training_is_the_same_bits(mosaics: MosaicCache, tmp_path: Path) -> None:
    config = ResNetConfig(flip=0.5, shift=1, brightness=0.3)

    def train(how: Resident) -> str:
        net = train_resnet(
            "plain", mosaics, LABELS, CLASSES, config=config, schedule=SHORT, seed=0,
            device="cpu", feeding=LoaderConfig(resident=how), state=tmp_path / how,
        )  # fmt: skip
        return model_digest(net)

    assert train("device") == train("never")
    one, two = (
        {path.name for path in (tmp_path / how).rglob("*") if path.is_file()}
        for how in ("device", "never")
    )
    assert one == two
