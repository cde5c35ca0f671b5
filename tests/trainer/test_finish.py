"""Mosaics finished while they are gathered: bit for bit what the network does by itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from small_inputs import CELL, CLASSES, IDS, LABELS, mosaic_cache

from stroi.cache.mosaics import MosaicCache
from stroi.trainer import feed, infer_resnet
from stroi.trainer.batches import epoch_batches, epoch_columns, mosaic_batches
from stroi.trainer.config import Missing, Place, ResNetConfig, Schedule
from stroi.trainer.finish import available, finish_for
from stroi.trainer.fused import FusedNet
from stroi.trainer.infer_resnet import score_resnet
from stroi.trainer.keys import model_digest
from stroi.trainer.mosaic_ops import Cells
from stroi.trainer.rows import Companions
from stroi.trainer.train_resnet import train_resnet

pytest.importorskip("numba")
CPU = torch.device("cpu")
SHORT = Schedule(epochs=1, batch_size=4, lr=0.05)


def companions(weighted: bool, missing: Missing, columns: int) -> Companions:
    random = torch.Generator().manual_seed(3)
    halves = torch.rand(len(IDS), 2, 5, generator=random) * 2 if weighted else None
    shown = torch.rand(len(IDS), 2, columns, 5, generator=random) < 0.7
    return Companions(halves, None, None, None, shown if missing == "zero" else None, {})


@pytest.mark.parametrize("place", ["after", "before"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("missing", ["row", "zero"])
@pytest.mark.parametrize("wide", [5, 8])
def test_bits_are_the_networks(
    place: Place, weighted: bool, missing: Missing, wide: int, tmp_path: Path
) -> None:
    cache = mosaic_cache(tmp_path, columns=wide)
    net = FusedNet(
        CLASSES, Cells(5, 5, CELL, CELL), ResNetConfig(place=place, missing=missing), mode="plain"
    )
    beside = companions(weighted, missing, wide)
    columns = epoch_columns(len(IDS), 5, wide, seed=0, epoch=0)
    parts = epoch_batches(len(IDS), 3, seed=0, epoch=0)
    finish = finish_for(net, beside, len(IDS))
    assert finish is not None
    batches = mosaic_batches(cache, IDS, parts, device=CPU, columns=columns, finish=finish)
    for rows, batch in zip(parts, batches, strict=True):
        taken = None if columns is None else columns[rows]
        mosaics = torch.from_numpy(cache.batch([IDS[row] for row in rows], columns=taken))
        halves = None if beside.halves is None else beside.halves[rows]
        shown = None
        if beside.shown is not None:
            shown = beside.shown[rows]
            if taken is not None:
                shown = torch.stack([s[:, t] for s, t in zip(shown, taken, strict=True)])
        wanted = net.pictures(mosaics, halves, shown=shown)
        got = net.turned(batch.mosaics.permute(0, 3, 1, 2), None)
        assert batch.finished
        assert torch.equal(got, wanted)
        assert got.stride() == wanted.stride()


def test_every_pixel_value_in_every_colour() -> None:
    class Values:
        def pixels(self, sample_id: str, columns: object = None) -> np.ndarray:
            return np.arange(250, dtype=np.uint8).reshape(5, 50, 1).repeat(3, 2) + np.uint8(
                int(sample_id)
            )

    net = FusedNet(CLASSES, Cells(5, 5, 1, 10), ResNetConfig(), mode="plain")
    halves = torch.tensor([[[0.1, 1.7, 1 / 3, 2.9, 1e-3]] * 2] * 2)
    finish = finish_for(net, Companions(halves, None, None, None, None, {}), 2)
    assert finish is not None
    out = np.zeros((2, 5, 50, 3), np.float32)
    finish(Values(), ["0", "6"], np.arange(2), None, out)
    mosaics = torch.from_numpy(np.stack([Values().pixels("0"), Values().pixels("6")]))
    assert len(mosaics.unique()) == 256
    assert torch.equal(torch.from_numpy(out).permute(0, 3, 1, 2), net.pictures(mosaics, halves))


@pytest.mark.parametrize("flip", [0.0, 0.5])
def test_training_and_scores_are_those_without(
    flip: float, mosaics: MosaicCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run() -> tuple[str, np.ndarray]:
        net = train_resnet(
            "plain", mosaics, LABELS, CLASSES, config=ResNetConfig(flip=flip), schedule=SHORT,
            seed=0, device="cpu",
        )  # fmt: skip
        return model_digest(net), score_resnet(net, mosaics, IDS).logits

    ahead = run()
    for module in (feed, infer_resnet):
        monkeypatch.setattr(module, "finish_for", lambda *given: None)
    alone = run()
    assert ahead[0] == alone[0]
    np.testing.assert_array_equal(ahead[1], alone[1])


def test_what_cannot_be_known_ahead_is_left_to_the_network(
    mosaics: MosaicCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    beside = companions(False, "row", 5)
    net = FusedNet(CLASSES, Cells(5, 5, 4, 4), ResNetConfig(cell=4), mode="plain")
    assert finish_for(net, beside, len(IDS)) is None
    monkeypatch.setattr("stroi.trainer.finish.find_spec", lambda name: None)
    assert not available()
    net = FusedNet(CLASSES, Cells(5, 5, CELL, CELL), ResNetConfig(), mode="plain")
    assert finish_for(net, beside, len(IDS)) is None
