"""What the ResNet sees, to the number."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from stroi.trainer.config import ResNetConfig
from stroi.trainer.models.cell_grid import CellGrid
from stroi.trainer.models.weighted_mosaic_net import WeightedMosaicNet

CELLS = CellGrid(5, 5, 9, 9)
MEAN, STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])


def _net(config: ResNetConfig | None = None) -> WeightedMosaicNet:
    return WeightedMosaicNet(("a", "b"), CELLS, config or ResNetConfig(), mode="fixed").eval()


def _flat(*colour: int) -> torch.Tensor:
    return torch.tensor(colour, dtype=torch.uint8).expand(1, 45, 45, 3)


@pytest.mark.parametrize("value", [0, 128, 255])
def test_constant_picture_is_the_positive(value: int) -> None:
    got = _net().network_input(_flat(value, value, value), None)
    expected = ((value / 255 - MEAN) / STD)[None, :, None, None]
    np.testing.assert_allclose(got.numpy(), np.broadcast_to(expected, (1, 3, 45, 45)), rtol=1e-5)


def test_red_is_the_first_channel() -> None:
    got = _net().network_input(_flat(255, 0, 0), None)[0, :, 0, 0].numpy()
    np.testing.assert_allclose(got, (np.array([1, 0, 0]) - MEAN) / STD, rtol=1e-5)


def test_eq5_after_normalisation_against_numpy() -> None:
    random = np.random.default_rng(0)
    mosaics = random.integers(0, 256, (2, 45, 45, 3)).astype(np.uint8)
    weights = random.uniform(0, 2, (2, 2, 5)).astype(np.float32)
    got = _net().network_input(torch.from_numpy(mosaics), torch.from_numpy(weights)).numpy()
    for n, j, i, half in np.ndindex(2, 5, 5, 2):
        rows, columns = slice(9 * j, 9 * j + 9), slice(9 * i + 4 * half, 9 * i + 4 + 5 * half)
        normal = (mosaics[n, rows, columns] / 255 - MEAN) / STD
        expected = (normal * weights[n, half, j]).transpose(2, 0, 1)
        np.testing.assert_allclose(got[n, :, rows, columns], expected, rtol=1e-4, atol=1e-5)


def test_weight_zero_is_mean_colour_after_and_black_before() -> None:
    picture, nothing = _flat(200, 100, 50), torch.zeros(1, 2, 5)
    assert not _net().network_input(picture, nothing).any()
    before = (
        _net(ResNetConfig(weight_position="before"))
        .network_input(picture, nothing)[0, :, 0, 0]
        .numpy()
    )
    np.testing.assert_allclose(before, -MEAN / STD, rtol=1e-5)


@pytest.mark.parametrize("place", ["after", "before"])
def test_weights_of_one_are_no_weights(place: str) -> None:
    net = _net(ResNetConfig().replace(weight_position=place))
    mosaics = torch.randint(0, 256, (2, 45, 45, 3), dtype=torch.uint8)
    assert torch.equal(
        net.network_input(mosaics, torch.ones(2, 2, 5)), net.network_input(mosaics, None)
    )


def test_only_the_chosen_clips_are_mirrored() -> None:
    net = _net()
    mosaics = torch.randint(0, 256, (3, 45, 45, 3), dtype=torch.uint8)
    plain = net.network_input(mosaics, None)
    got = net.network_input(mosaics, None, flip_mask=torch.tensor([False, True, False]))
    assert torch.equal(got[::2], plain[::2])
    assert not torch.equal(got[1], plain[1])
    assert torch.equal(got[1, :, :9, :9], plain[1, :, :9, :9].flip(2))


def test_pictures_are_channels_last() -> None:
    got = _net().network_input(torch.zeros(2, 45, 45, 3, dtype=torch.uint8), torch.ones(2, 2, 5))
    assert got.is_contiguous(memory_format=torch.channels_last)


def test_batch_mates_change_nothing() -> None:
    net = _net()
    mosaics = torch.randint(0, 256, (4, 45, 45, 3), dtype=torch.uint8)
    weights = torch.rand(4, 2, 5)
    with torch.no_grad():
        together, _ = net(mosaics, weights)
        alone = torch.cat([net(mosaics[n : n + 1], weights[n : n + 1])[0] for n in range(4)])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-5)


def test_a_graph_network_belongs_to_end_to_end_mode_alone() -> None:
    with pytest.raises(ValueError, match="this is end-to-end"):
        WeightedMosaicNet(("a",), CELLS, ResNetConfig(), mode="end-to-end")
    with pytest.raises(ValueError, match="only a network in end-to-end mode"):
        _net().skeleton_branch(torch.zeros(1, 2, 4, 25, 3), torch.tensor([[True, False]]))
