"""A missing joint's cell: black, flagged, and weighed as the params say."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from small_caches import read_mosaics, write_cache
from small_inputs import CLASSES, IDS, LABELS, QUICK, mosaic_cache
from trainings import resnet_trained

from stroi.cache.mosaics import MosaicCache
from stroi.trainer.config import Missing, ResNetConfig
from stroi.trainer.data.input_digests import mosaic_digest
from stroi.trainer.data.side_inputs import load_side_inputs
from stroi.trainer.models.cell_grid import CellGrid, valid_map
from stroi.trainer.models.weighted_mosaic_net import WeightedMosaicNet
from stroi.trainer.score_resnet import score_resnet

CELLS = CellGrid(5, 3, 9, 9)
MEAN, STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])


def flags(*, seed: int = 0) -> torch.Tensor:
    return torch.rand(2, 2, 3, 5, generator=torch.Generator().manual_seed(seed)) < 0.7


@pytest.mark.parametrize("cells", [CELLS, CellGrid(5, 3, 4, 6)])
def test_flag_of_every_pixel(cells: CellGrid) -> None:
    shown = flags()
    got = valid_map(shown, torch.tensor([2, 2]), cells).numpy()
    assert got.shape == (2, 1, cells.rows * cells.height, cells.columns * cells.width)
    for n, _, y, x in np.ndindex(got.shape):
        half = 0 if x % cells.width < cells.width // 2 else 1
        assert got[n, 0, y, x] == shown[n, half, x // cells.width, y // cells.height]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("place", ["after", "before"])
def test_what_the_network_sees_against_numpy(place: str, weighted: bool) -> None:
    """Mean colour where weights come after normalisation, black where before."""
    random = np.random.default_rng(0)
    mosaics = random.integers(1, 256, (2, 45, 27, 3)).astype(np.uint8)
    weights = random.uniform(0.5, 2, (2, 2, 5)).astype(np.float32)
    shown = flags()
    config = ResNetConfig(weight_position=place, missing="zero")
    net = WeightedMosaicNet(("a", "b"), CELLS, config, mode="fixed").eval()
    given = torch.from_numpy(weights) if weighted else None
    got = net.network_input(torch.from_numpy(mosaics), given, cell_valid=shown).numpy()
    for n, j, i, half in np.ndindex(2, 5, 3, 2):
        rows, columns = slice(9 * j, 9 * j + 9), slice(9 * i + 4 * half, 9 * i + 4 + 5 * half)
        factor = (weights[n, half, j] if weighted else 1.0) * float(shown[n, half, i, j])
        picture = mosaics[n, rows, columns] / 255
        wanted = (
            (picture - MEAN) / STD * factor if place == "after" else (picture * factor - MEAN) / STD
        )
        np.testing.assert_allclose(
            got[n, :, rows, columns], wanted.transpose(2, 0, 1), rtol=1e-4, atol=1e-5
        )


def test_mirrored_cells_take_their_flags_along() -> None:
    net = WeightedMosaicNet(("a", "b"), CELLS, ResNetConfig(missing="zero"), mode="plain").eval()
    mosaics = torch.full((2, 45, 27, 3), 200, dtype=torch.uint8)
    plain = net.network_input(mosaics, None, cell_valid=flags())
    turned = net.network_input(
        mosaics, None, cell_valid=flags(), flip_mask=torch.tensor([True, True])
    )
    assert torch.equal((plain == 0).sum((1, 2, 3)), (turned == 0).sum((1, 2, 3)))
    assert torch.equal(turned[:, :, :9], plain[:, :, :9].unflatten(3, (3, 9)).flip(4).flatten(3))


def test_one_person_fills_the_cell() -> None:
    got = valid_map(flags(), torch.tensor([1, 2], dtype=torch.int8), CELLS)
    whole = flags()[:, :1].expand(-1, 2, -1, -1)
    both = torch.tensor([2, 2])
    assert torch.equal(got[0], valid_map(whole, both, CELLS)[0])
    assert torch.equal(got[1], valid_map(flags(), both, CELLS)[1])


@pytest.fixture(scope="module")
def mosaics(tmp_path_factory: pytest.TempPathFactory) -> MosaicCache:
    return mosaic_cache(tmp_path_factory.mktemp("mosaics"))


def test_flags_are_part_of_what_a_run_depends_on(mosaics: MosaicCache, tmp_path: Path) -> None:
    found = {
        missing: load_side_inputs("plain", mosaics, IDS, missing=missing)
        for missing in cast(tuple[Missing, ...], ("row", "zero"))
    }
    assert found["row"].cell_valid is None
    assert found["zero"].cell_valid is not None
    other = read_mosaics(mosaics.folder / "mosaics-00000.h5")
    other.valid[0, 0, 0, 0] ^= True
    changed = MosaicCache(write_cache(tmp_path, [other]))
    assert mosaic_digest(changed, IDS[:1]) != mosaic_digest(mosaics, IDS[:1])
    assert mosaic_digest(changed, IDS[1:]) == mosaic_digest(mosaics, IDS[1:])


def test_trained_and_scored_by_the_flags(
    mosaics: MosaicCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    def some(cache: MosaicCache, ids: list[str]) -> NDArray[np.bool_]:
        return np.stack([np.random.default_rng(IDS.index(name)).random((2, 5, 5)) < 0.7
                         for name in ids])  # fmt: skip

    monkeypatch.setattr(MosaicCache, "valid", some)
    nets = {
        missing: resnet_trained(
            "plain", mosaics, LABELS, CLASSES,
            config=ResNetConfig(missing=missing), schedule=QUICK, seed=0, device="cpu",
        )
        for missing in cast(tuple[Missing, ...], ("row", "zero"))
    }  # fmt: skip
    scores = {missing: score_resnet(net, mosaics, IDS).logits for missing, net in nets.items()}
    assert np.isfinite(scores["zero"]).all()
    assert not np.allclose(scores["row"], scores["zero"])
