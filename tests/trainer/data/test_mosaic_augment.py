"""Colours and erasing: drawn for an epoch, the same on every device, blind to labels."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from small_inputs import CLASSES, IDS, LABELS

from stroi.cache.mosaics import MosaicCache
from stroi.trainer.config import ResNetConfig, Schedule
from stroi.trainer.data.mosaic_augment import GREY, changed, looks_of_epoch
from stroi.trainer.models.cell_grid import CellGrid
from stroi.trainer.run.run_key import model_digest
from stroi.trainer.train_resnet import train_resnet

CELLS = CellGrid(5, 3, 8, 6)
ALL = ResNetConfig(brightness=0.4, contrast=0.3, saturation=0.5, erase=0.5)
SHORT = Schedule(epochs=1, batch_size=4, lr=0.05)


def mosaics_of(seed: int = 0, low: int = 1) -> torch.Tensor:
    random = torch.Generator().manual_seed(seed)
    return torch.randint(low, 256, (4, 40, 18, 3), dtype=torch.uint8, generator=random)


def drawn(config: ResNetConfig, *, count: int = 4, seed: int = 0, epoch: int = 0) -> torch.Tensor:
    found = looks_of_epoch(count, config, CELLS, seed=seed, epoch=epoch)
    assert found is not None
    return found


def test_nothing_is_drawn_by_default() -> None:
    assert looks_of_epoch(4, ResNetConfig(flip=0.5), CELLS, seed=0, epoch=0) is None


def test_draws_depend_on_seed_and_epoch_alone() -> None:
    state = torch.random.get_rng_state()
    assert torch.equal(drawn(ALL), drawn(ALL))
    assert torch.equal(state, torch.random.get_rng_state())
    assert not torch.equal(drawn(ALL), drawn(ALL, epoch=1))
    assert not torch.equal(drawn(ALL), drawn(ALL, seed=1))


def test_draws_stay_in_their_reach() -> None:
    looks = drawn(ALL, count=4000).double().numpy()
    for column, reach in enumerate((0.4, 0.3, 0.5)):
        assert np.abs(looks[:, column] - 1).max() <= reach + 1e-6
        assert np.abs(looks[:, column] - 1).max() > 0.99 * reach
    boxes = looks[:, 3:]
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
    for a, b, c, d in boxes[erased].astype(int):
        seen[a:c, b:d] += 1
    assert seen.min() > 0


def test_colours_against_numpy() -> None:
    mosaics, looks = mosaics_of(), drawn(ALL.replace(erase=0.0))
    assert not looks[:, 3:].any()
    got = changed(mosaics, looks).numpy()
    for picture, (bright, contrast, saturation), found in zip(
        mosaics.double().numpy(), looks[:, :3].double().numpy(), got, strict=True
    ):
        x = np.clip(picture * bright, 0, 255)
        x = np.clip((x @ GREY).mean() * (1 - contrast) + x * contrast, 0, 255)
        grey = (x @ GREY)[..., None]
        x = np.clip(grey * (1 - saturation) + x * saturation, 0, 255)
        assert np.abs(x - found).max() <= 0.501


def test_what_shows_nothing_stays_black() -> None:
    mosaics = mosaics_of()
    mosaics[:, 8:16, 6:12] = 0
    got = changed(mosaics, drawn(ALL.replace(erase=0.0)))
    assert not got[:, 8:16, 6:12].any()
    shown = changed(mosaics_of(), drawn(ALL.replace(erase=0.0)))
    assert shown[:, :8].any()


def test_erasing_blacks_out_its_rectangle_alone() -> None:
    mosaics, looks = mosaics_of(), drawn(ResNetConfig(erase=1.0))
    got = changed(mosaics, looks)
    for picture, box, found in zip(mosaics, looks[:, 3:].long().tolist(), got, strict=True):
        top, left, bottom, right = box
        wanted = picture.clone()
        wanted[top:bottom, left:right] = 0
        assert torch.equal(found, wanted)


def test_a_clip_changes_alike_in_any_batch() -> None:
    mosaics, looks = mosaics_of(), drawn(ALL)
    whole = changed(mosaics, looks)
    for row in range(4):
        assert torch.equal(changed(mosaics[row : row + 1], looks[row : row + 1])[0], whole[row])


def test_training_sees_them_and_no_label(
    mosaics: MosaicCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[torch.Tensor] = []

    def noted(pictures: torch.Tensor, looks: torch.Tensor) -> torch.Tensor:
        found = changed(pictures, looks)
        seen.append(found)
        return found

    monkeypatch.setattr("stroi.trainer.steps.changed", noted)

    def train(labels: dict[str, int], config: ResNetConfig) -> str:
        return model_digest(
            train_resnet(
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
    assert len(IDS) == 8
