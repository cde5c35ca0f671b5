"""Augmentation: drawn for an epoch, the same on every device, blind to labels."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from small_inputs import CLASSES, LABELS
from trainings import resnet_trained

from stroi.cache.mosaics import MosaicCache
from stroi.trainer.config import ResNetConfig, Schedule
from stroi.trainer.data.mosaic_augment import (
    GREY,
    AugmentParams,
    augment_batch,
    augment_params_of_epoch,
    colour_jitter,
    random_erase,
)
from stroi.trainer.data.side_inputs import SideInputs
from stroi.trainer.models.cell_grid import CellGrid
from stroi.trainer.models.weighted_mosaic_net import WeightedMosaicNet
from stroi.trainer.run.run_key import model_digest

CELLS = CellGrid(5, 3, 8, 6)
ALL = ResNetConfig(brightness=0.4, contrast=0.3, saturation=0.5, erase=0.5, flip=0.5, shift=1)
SHORT = Schedule(epochs=1, batch_size=4, lr=0.05)


def mosaics_of(seed: int = 0, low: int = 1) -> torch.Tensor:
    random = torch.Generator().manual_seed(seed)
    return torch.randint(low, 256, (4, 40, 18, 3), dtype=torch.uint8, generator=random)


@cache
def net_of(config: ResNetConfig) -> WeightedMosaicNet:
    return WeightedMosaicNet(CLASSES, CELLS, config, mode="plain")


def drawn(config: ResNetConfig, *, count: int = 4, seed: int = 0, epoch: int = 0) -> AugmentParams:
    return augment_params_of_epoch(net_of(config), count, seed=seed, epoch=epoch)


def test_nothing_is_drawn_by_default() -> None:
    assert drawn(ResNetConfig()) == AugmentParams()


def same(one: AugmentParams, two: AugmentParams) -> list[bool]:
    """Field by field, of those that are drawn."""
    pairs = zip(vars(one).values(), vars(two).values(), strict=True)
    return [torch.equal(*pair) for pair in pairs if pair[0] is not None]


def test_draws_depend_on_seed_and_epoch_alone() -> None:
    one = drawn(ALL, count=40)
    state = torch.random.get_rng_state()
    assert same(one, drawn(ALL, count=40)) == [True] * 4
    assert torch.equal(state, torch.random.get_rng_state())
    assert same(one, drawn(ALL, count=40, epoch=1)) == [False] * 4
    assert same(one, drawn(ALL, count=40, seed=1)) == [False] * 4


def test_a_setting_leaves_the_draws_of_the_others_alone() -> None:
    few = drawn(ALL.replace(brightness=0.0, contrast=0.0, saturation=0.0, flip=0.0), count=40)
    one = drawn(ALL, count=40)
    assert few.colour is few.flip is None
    assert same(few, one) == [True] * 2


def test_draws_stay_in_their_reach() -> None:
    params = drawn(ALL, count=4000)
    assert params.colour is not None
    assert params.erase is not None
    assert params.flip is not None
    assert params.shift is not None
    for column, reach in enumerate((0.4, 0.3, 0.5)):
        change = np.abs(params.colour[:, column].double().numpy() - 1)
        assert 0.99 * reach < change.max() <= reach + 1e-6
    assert 0.45 < params.flip.float().mean() < 0.55
    assert params.shift.unique(dim=0).tolist() == [[y, x] for y in (-1, 0, 1) for x in (-1, 0, 1)]
    boxes = params.erase.numpy()
    erased = boxes.any(1)
    assert 0.45 < erased.mean() < 0.55
    top, left, bottom, right = boxes[erased].T
    assert (top >= 0).all()
    assert (top < bottom).all()
    assert (bottom <= 40).all()
    assert (left >= 0).all()
    assert (left < right).all()
    assert (right <= 18).all()
    area = (bottom - top) * (right - left) / (40 * 18)
    assert area.max() < 0.4
    # Every pixel is reached.
    seen = np.zeros((40, 18))
    for a, b, c, d in boxes[erased]:
        seen[a:c, b:d] += 1
    assert seen.min() > 0


def colours() -> torch.Tensor:
    factors = drawn(ALL).colour
    assert factors is not None
    return factors


def test_colours_against_numpy() -> None:
    mosaics, factors = mosaics_of(), colours()
    got = colour_jitter(mosaics, factors).numpy()
    for picture, (bright, contrast, saturation), changed in zip(
        mosaics.double().numpy(), factors.double().numpy(), got, strict=True
    ):
        x = np.clip(picture * bright, 0, 255)
        x = np.clip((x @ GREY).mean() * (1 - contrast) + x * contrast, 0, 255)
        grey = (x @ GREY)[..., None]
        x = np.clip(grey * (1 - saturation) + x * saturation, 0, 255)
        assert np.abs(x - changed).max() <= 0.501


def test_what_shows_nothing_stays_black() -> None:
    mosaics = mosaics_of()
    mosaics[:, 8:16, 6:12] = 0
    got = colour_jitter(mosaics, colours())
    assert not got[:, 8:16, 6:12].any()
    assert got[:, :8].any()


def test_erasing_blacks_out_its_rectangle_alone() -> None:
    mosaics, boxes = mosaics_of(), drawn(ResNetConfig(erase=1.0)).erase
    assert boxes is not None
    got = random_erase(mosaics, boxes)
    for picture, box, erased in zip(mosaics, boxes.tolist(), got, strict=True):
        top, left, bottom, right = box
        expected = picture.clone()
        expected[top:bottom, left:right] = 0
        assert torch.equal(erased, expected)


def test_a_clip_changes_alike_in_any_batch() -> None:
    net, mosaics, params = net_of(ALL), mosaics_of(), drawn(ALL)
    persons = torch.ones(len(mosaics))
    whole, _, flips = augment_batch(net, mosaics, SideInputs(persons), params)
    assert flips is not None
    for row in range(4):
        one = params.select(np.array([row]))
        got, _, flip = augment_batch(net, mosaics[row : row + 1], SideInputs(persons[:1]), one)
        assert torch.equal(got[0], whole[row])
        assert flip is not None
        assert flip[0] == flips[row]
    assert not torch.equal(whole, mosaics)


def test_training_sees_them_and_no_label(
    mosaics: MosaicCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[torch.Tensor] = []

    def noted(pictures: torch.Tensor, factors: torch.Tensor) -> torch.Tensor:
        seen.append(colour_jitter(pictures, factors))
        return seen[-1]

    monkeypatch.setattr("stroi.trainer.data.mosaic_augment.colour_jitter", noted)

    def train(labels: dict[str, int], config: ResNetConfig) -> str:
        return model_digest(
            resnet_trained(
                "plain", mosaics, labels, CLASSES, config=config, schedule=SHORT, seed=0,
                device="cpu",
            )
        )  # fmt: skip

    plain = train(LABELS, ResNetConfig())
    assert not seen
    assert train(LABELS, ALL) == train(LABELS, ALL) != plain
    first = [*seen]
    seen.clear()
    train({name: 1 - label for name, label in LABELS.items()}, ALL)
    assert len(first) == 2 * len(seen) > 0
    assert all(torch.equal(*pair) for pair in zip(seen, first, strict=False))
