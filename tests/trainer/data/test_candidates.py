"""More columns than are scored: training draws of them, scoring takes the fixed ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from assembled import assemble_mosaics
from hypothesis import given
from hypothesis import strategies as st
from small_caches import read_mosaics
from small_inputs import CELL, CLASSES, IDS, LABELS, mosaic_cache
from trainings import resnet_trained

from stroi.cache.files.atomic import write_atomic
from stroi.cache.manifest import Manifest, file_entry, write_manifest
from stroi.cache.mosaic_columns import scored_columns
from stroi.cache.mosaics import MosaicCache, Mosaics
from stroi.trainer import train_resnet as training
from stroi.trainer.config import ResNetConfig, Schedule
from stroi.trainer.data.epoch_order import epoch_columns
from stroi.trainer.data.mosaic_batches import EpochPlan, stream_batches
from stroi.trainer.data.mosaic_loader import cell_grid
from stroi.trainer.data.side_inputs import load_side_inputs
from stroi.trainer.models.cell_grid import CellGrid
from stroi.trainer.models.weighted_mosaic_net import WeightedMosaicNet
from stroi.trainer.run.progress import EpochRecord
from stroi.trainer.run.run_key import model_digest
from stroi.trainer.score_resnet import score_resnet
from stroi.trainer.score_resnet import scored_columns as scored_of_each

WIDE, NARROW = 8, 3
SHORT = Schedule(epochs=2, batch_size=4, lr=0.05, milestones=(1,))


def written(folder: Path, made: Mosaics, params: dict[str, int]) -> MosaicCache:
    encoded = assemble_mosaics([made])
    write_atomic(folder / "mosaics-00000.h5", encoded.data)
    entry = file_entry("mosaics-00000.h5", encoded.data, made.ids, encoded.sample_sha256)
    write_manifest(folder, Manifest("mosaics", params, {}, (entry,)))
    return MosaicCache(folder)


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> MosaicCache:
    """Eight clips of 8 candidate columns, 3 of them scored; every other cell black."""
    folder = mosaic_cache(tmp_path_factory.mktemp("wide"), columns=WIDE).folder
    made = read_mosaics(folder / "mosaics-00000.h5")
    made.valid[:, :, ::2, 1] = False
    return written(folder, made, {"columns": NARROW, "candidates": WIDE})


@pytest.fixture(scope="module")
def narrow(wide: MosaicCache, tmp_path_factory: pytest.TempPathFactory) -> MosaicCache:
    """The same clips cut without candidates: pixel by pixel from those of `wide`."""
    whole = read_mosaics(wide.folder / "mosaics-00000.h5")
    # 5 columns more in 4 gaps: one before the first scored one and in every gap, two in the last.
    kept = [1, 3, 5]
    cells = whole.mosaic.reshape(len(IDS), 5 * CELL, WIDE, CELL, 3)
    part = Mosaics(
        ids=whole.ids,
        mosaic=np.stack([cells[:, :, one] for one in kept], axis=2).reshape(8, 40, 3 * CELL, 3),
        person_count=whole.person_count,
        frame_index=whole.frame_index[:, kept],
        box=whole.box[:, :, kept],
        confidence=whole.confidence[:, :, kept],
        valid=whole.valid[:, :, kept],
    )
    return written(tmp_path_factory.mktemp("narrow"), part, {"columns": NARROW})


@given(st.integers(1, 40), st.integers(1, 9), st.integers(0, 9), st.integers(0, 9))
def test_draws_are_some_columns_in_their_order(
    count: int, columns: int, more: int, epoch: int
) -> None:
    drawn = epoch_columns(count, columns, columns + more, seed=5, epoch=epoch)
    if more == 0:
        assert drawn is None
        return
    assert drawn is not None
    assert drawn.shape == (count, columns)
    assert (np.diff(drawn, axis=1) > 0).all()
    assert 0 <= drawn.min() <= drawn.max() < columns + more


def test_draws_depend_on_seed_and_epoch_alone_and_favour_no_column() -> None:
    def drawn(seed: int, epoch: int) -> np.ndarray:
        found = epoch_columns(4000, 5, 17, seed=seed, epoch=epoch)
        assert found is not None
        return found

    np.testing.assert_array_equal(drawn(1, 2), drawn(1, 2))
    assert (drawn(1, 2) != drawn(1, 3)).any()
    assert (drawn(1, 2) != drawn(2, 2)).any()
    shares = np.bincount(drawn(0, 0).ravel(), minlength=17) / 4000
    np.testing.assert_allclose(shares, 5 / 17, atol=0.03)


def test_batches_show_the_columns_drawn(wide: MosaicCache) -> None:
    drawn = epoch_columns(len(IDS), NARROW, WIDE, seed=0, epoch=0)
    assert drawn is not None
    plan = EpochPlan([np.array([4, 0, 7]), np.array([1, 1])], [3, 2], drawn)
    for batch in stream_batches(wide, IDS, plan, torch.device("cpu")):
        assert batch.columns is not None
        for place, row in enumerate(batch.index):
            for at, column in enumerate(drawn[row]):
                whole = wide[IDS[row]][:, CELL * column : CELL * (column + 1)]
                part = batch.mosaics[place, :, CELL * at : CELL * (at + 1)].numpy()
                np.testing.assert_array_equal(part, whole)


def test_network_is_as_wide_as_what_is_scored(wide: MosaicCache, narrow: MosaicCache) -> None:
    assert cell_grid(wide) == cell_grid(narrow) == CellGrid(5, NARROW, CELL, CELL)
    assert scored_of_each(narrow, 8) is None
    np.testing.assert_array_equal(scored_of_each(wide, 2), [[1, 3, 5]] * 2)
    assert scored_columns(NARROW, WIDE).tolist() == [1, 3, 5]


@pytest.mark.parametrize("missing", ["row", "zero"])
def test_scores_are_those_of_mosaics_without_candidates(
    missing: str, wide: MosaicCache, narrow: MosaicCache
) -> None:
    config = ResNetConfig(flip=0.5, missing=missing)
    net = resnet_trained(
        "plain", wide, LABELS, CLASSES, config=config, schedule=SHORT, seed=0, device="cpu"
    )
    one, two = (score_resnet(net, each, IDS).logits for each in (wide, narrow))
    np.testing.assert_array_equal(one, two)
    other = resnet_trained(
        "plain", narrow, LABELS, CLASSES, config=config, schedule=SHORT, seed=0, device="cpu"
    )
    assert model_digest(other) != model_digest(net)


def test_flags_are_those_of_the_columns_shown(wide: MosaicCache) -> None:
    """A missing cell weighs nothing wherever the draw puts it."""
    seen: list[torch.Tensor] = []

    class Eyes(WeightedMosaicNet):
        def network_input(
            self,
            mosaics: torch.Tensor,
            weights: torch.Tensor | None,
            *,
            person_count: torch.Tensor | None = None,
            cell_valid: torch.Tensor | None = None,
            flip_mask: torch.Tensor | None = None,
        ) -> torch.Tensor:
            assert cell_valid is not None
            seen.append(cell_valid)
            return super().network_input(
                mosaics, weights, person_count=person_count, cell_valid=cell_valid,
                flip_mask=flip_mask,
            )  # fmt: skip

    config = ResNetConfig(missing="zero")
    net = Eyes(CLASSES, cell_grid(wide), config, mode="plain").eval()
    drawn = epoch_columns(len(IDS), NARROW, WIDE, seed=0, epoch=4)
    assert drawn is not None
    rows = np.array([6, 2])
    side = load_side_inputs("plain", wide, IDS, missing="zero").select(rows, drawn[rows])
    mosaics = torch.from_numpy(wide.batch([IDS[6], IDS[2]], columns=drawn[rows]))
    with torch.no_grad():
        net(mosaics, cell_valid=side.cell_valid)
    flags = wide.valid(IDS)
    for place, row in enumerate(rows):
        for half in range(2):
            person = half if wide.person_count([IDS[row]])[0] == 2 else 0
            np.testing.assert_array_equal(seen[0][place, half], flags[row, person, drawn[row]])
    assert not seen[0].all()


def test_resumed_draws_the_same_columns(wide: MosaicCache, tmp_path: Path) -> None:
    class Stop(Exception):
        pass

    def stop(record: EpochRecord) -> None:
        raise Stop

    def train(**more: object) -> str:
        settings = {"config": ResNetConfig(flip=0.5, shift=1), "schedule": SHORT, "seed": 3}
        net = resnet_trained("plain", wide, LABELS, CLASSES, device="cpu", **{**settings, **more})
        return model_digest(net)

    with pytest.raises(Stop):
        train(checkpoints=tmp_path, save_every=1, on_epoch=stop)
    assert train(checkpoints=tmp_path, save_every=1) == train()


def test_key_of_a_run_says_how_many_columns(
    wide: MosaicCache, narrow: MosaicCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs_of_runs: list[dict[str, str]] = []

    def noted(*args: object, inputs: dict[str, str], **kwargs: object) -> str:
        inputs_of_runs.append(inputs)
        return "0" * 64

    monkeypatch.setattr(training, "run_key", noted)
    for cache in (wide, narrow):
        resnet_trained(
            "plain", cache, LABELS, CLASSES, config=ResNetConfig(flip=0.5),
            schedule=SHORT.replace(epochs=1), seed=0, device="cpu",
        )  # fmt: skip
    assert [inputs["columns"] for inputs in inputs_of_runs] == ["3 of 8", "3 of 3"]
    assert sorted(inputs_of_runs[1]) == ["columns", "labels", "mosaics", "rows"]
