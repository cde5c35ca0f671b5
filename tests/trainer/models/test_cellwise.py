"""Cell by cell: which cells the network sees, how their features are weighted and pooled."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from stroi.cache.rois import PAPER, mirrored_rows
from stroi.trainer.config import Images, ResNetConfig, RgbModel
from stroi.trainer.models.cell_grid import CellGrid, split_cells
from stroi.trainer.models.rgb_net import RgbNet, pool_columns
from stroi.trainer.models.weighted_mosaic_net import WeightedMosaicNet

CLASSES = ("a", "b", "c")
CELLS = CellGrid(5, 3, 8, 6)
MODELS: tuple[RgbModel, ...] = ("resnet18", "efficientnet_lite0")


def _mosaics(count: int = 2, seed: int = 0) -> Tensor:
    random = np.random.default_rng(seed)
    return torch.from_numpy(random.integers(0, 256, (count, 40, 18, 3)).astype(np.uint8))


def _net(model: RgbModel, images: Images = "cells", **changes: object) -> WeightedMosaicNet:
    torch.manual_seed(3)
    config = ResNetConfig(model=model, images=images).replace(**changes)
    net = WeightedMosaicNet(CLASSES, CELLS, config, mode="fixed")
    with torch.no_grad():
        for seed in range(3):  # statistics that are not the identity
            net.train()(_mosaics(4, seed))
    return net.eval()


def test_cells_come_clip_by_clip_and_row_by_row() -> None:
    x = torch.arange(2 * 3 * 40 * 18, dtype=torch.float32).reshape(2, 3, 40, 18)
    cells = split_cells(x, CELLS)
    assert cells.shape == (2 * 5 * 3, 3, 8, 6)
    for clip, row, column in np.ndindex(2, 5, 3):
        cut = x[clip, :, 8 * row : 8 * row + 8, 6 * column : 6 * column + 6]
        assert torch.equal(cells[(clip * 5 + row) * 3 + column], cut)


@pytest.mark.parametrize("weighted", [False, True])
def test_pooling_against_numpy(weighted: bool) -> None:
    random = np.random.default_rng(1)
    features = random.normal(0, 1, (2, 5, 3, 4))
    weights = random.uniform(0, 2, (2, 5, 3)) if weighted else np.ones((2, 5, 3))
    wanted = np.zeros((2, 5, 2, 4))
    for clip, row, channel in np.ndindex(2, 5, 4):
        values = [
            weights[clip, row, column] * features[clip, row, column, channel] for column in range(3)
        ]
        middle = sum(values) / 3
        spread = (sum((value - middle) ** 2 for value in values) / 3) ** 0.5
        wanted[clip, row, :, channel] = middle, spread
    given = torch.from_numpy(weights) if weighted else None
    got = pool_columns(torch.from_numpy(features), given)
    assert got.shape == (2, 40)
    np.testing.assert_allclose(got.numpy().reshape(2, 5, 2, 4), wanted, atol=1e-5)


def test_equal_columns_have_a_gradient_and_bfloat16_is_summed_in_float32() -> None:
    features = torch.ones(1, 5, 3, 4, requires_grad=True)
    pool_columns(features, None).sum().backward()
    assert features.grad is not None
    assert bool(features.grad.isfinite().all())
    assert pool_columns(features.bfloat16(), None).dtype == torch.float32


@pytest.mark.parametrize("model", MODELS)
def test_scores_are_those_of_each_cell_alone(model: RgbModel) -> None:
    """The same out of single cells, one forward pass each, weighted and pooled by hand."""
    net, mosaics = _net(model).double(), _mosaics()
    weights = torch.rand(2, 2, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(5))
    valid = torch.rand(2, 2, 3, 5, generator=torch.Generator().manual_seed(6)) < 0.7
    with torch.no_grad():
        got = net(mosaics, weights, cell_valid=valid)[0]
    rgb = net.resnet
    mean, std = np.array(rgb.mean), np.array(rgb.std)
    classifier = rgb.get_submodule(rgb.classifier_name)
    assert isinstance(classifier, nn.Linear)
    for clip in range(2):
        pooled = []
        for row in range(5):
            seen = []
            for column in range(3):
                cut = mosaics[clip, 8 * row : 8 * row + 8, 6 * column : 6 * column + 6].numpy()
                picture = torch.from_numpy((cut / 255 - mean) / std).permute(2, 0, 1)[None]
                with torch.no_grad():
                    feature = rgb.features(picture)[0].mean((1, 2)).numpy()
                halves = [
                    float(weights[clip, half, row]) * bool(valid[clip, half, column, row])
                    for half in range(2)
                ]
                seen.append(feature * sum(halves) / 2)
            pooled += [np.mean(seen, 0), np.sqrt(np.var(seen, 0) + 1e-6)]
        wanted = classifier.weight.detach().numpy() @ np.concatenate(pooled) / 10**0.5
        wanted += classifier.bias.detach().numpy()
        np.testing.assert_allclose(got[clip].numpy(), wanted, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("model", MODELS)
def test_a_flipped_clip_is_its_mirror_image(model: RgbModel) -> None:
    net, mosaics = _net(model), _mosaics()
    weights = torch.rand(2, 2, 5, generator=torch.Generator().manual_seed(5))
    valid = torch.rand(2, 2, 3, 5, generator=torch.Generator().manual_seed(6)) < 0.7
    rows = list(mirrored_rows(PAPER))
    mirrored = mosaics.reshape(2, 5, 8, 3, 6, 3)[:, rows].flip(4).reshape(mosaics.shape)
    with torch.no_grad():
        got = net(mosaics, weights, cell_valid=valid, flip_mask=torch.tensor([True, False]))[0]
        plain = net(mosaics, weights, cell_valid=valid)[0]
        flipped = net(mirrored, weights[..., rows], cell_valid=valid[..., rows])[0]
    torch.testing.assert_close(got[0], flipped[0], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(got[1], plain[1], rtol=1e-5, atol=1e-5)
    assert float((flipped[0] - plain[0]).abs().max()) > 1e-3


def test_a_row_of_weight_0_changes_nothing() -> None:
    net, mosaics = _net("efficientnet_lite0"), _mosaics()
    weights = torch.ones(2, 2, 5)
    weights[:, :, 1] = 0
    other = mosaics.clone()
    other[:, 8:16] = 255 - other[:, 8:16]
    with torch.no_grad():
        assert torch.equal(net(mosaics, weights)[0], net(other, weights)[0])
        assert not torch.equal(net(mosaics)[0], net(other)[0])


@pytest.mark.parametrize("model", MODELS)
def test_the_classifier_is_as_wide_as_what_it_takes(model: RgbModel) -> None:
    width = {"resnet18": 512, "efficientnet_lite0": 1280}[model]
    for images, vectors in (("mosaic", 1), ("cells", 10)):
        rgb = _net(model, images).resnet  # type: ignore[arg-type]
        assert isinstance(rgb, RgbNet)
        classifier = rgb.get_submodule(rgb.classifier_name)
        assert isinstance(classifier, nn.Linear)
        assert classifier.in_features == vectors * width
