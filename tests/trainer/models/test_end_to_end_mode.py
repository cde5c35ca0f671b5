"""End-to-end mode obeys the settings of the weights and of the graph network's own training."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from small_inputs import CELL, CLASSES, IDS, LABELS, QUICK, SMALL_GCN, clips
from trainings import gcn_trained, resnet_trained

from stroi.cache.mosaics import MosaicCache
from stroi.trainer import train_resnet as training
from stroi.trainer.config import GcnConfig, ResNetConfig, Schedule, SkeletonAugment, WeightSettings
from stroi.trainer.data.side_inputs import row_weights_of
from stroi.trainer.data.skeleton_input import prepare_all
from stroi.trainer.models.cell_grid import CellGrid
from stroi.trainer.models.graph_net import GraphNet
from stroi.trainer.models.weighted_mosaic_net import WeightedMosaicNet
from stroi.trainer.run.losses import branch_loss
from stroi.trainer.run.progress import EpochRecord
from stroi.trainer.run.run_key import model_digest
from stroi.trainer.score_gcn import compute_weights

SHORT = Schedule(epochs=2, batch_size=4, lr=0.05, milestones=(1,))
CHANGES = SkeletonAugment(tilt=20.0, scale=0.2, time_jitter=1.0, drop_joints=0.1)


def _gcn(config: GcnConfig) -> GraphNet:
    """The same network whatever `config` says of its training."""
    gcn = gcn_trained(clips(), LABELS, CLASSES, config=SMALL_GCN, schedule=QUICK, seed=0)
    assert isinstance(gcn, GraphNet)
    gcn.config = config
    return gcn


@pytest.fixture(scope="module")
def gcn() -> GraphNet:
    return _gcn(SMALL_GCN)


@pytest.fixture(scope="module")
def changing() -> GraphNet:
    return _gcn(SMALL_GCN.replace(augment=CHANGES))


def _net(gcn: GraphNet, config: ResNetConfig) -> WeightedMosaicNet:
    torch.manual_seed(0)
    cells = CellGrid(5, 5, CELL, CELL)
    return WeightedMosaicNet(
        CLASSES, cells, config, mode="end-to-end", gcn=copy.deepcopy(gcn)
    ).eval()


def _train(gcn: GraphNet, mosaics: MosaicCache, **changes: object) -> WeightedMosaicNet:
    settings = {"config": ResNetConfig(), "schedule": SHORT, "seed": 0, "device": "cpu"}
    return resnet_trained(
        "end-to-end", mosaics, LABELS, CLASSES, gcn=gcn, clips=clips(), **{**settings, **changes}
    )


@pytest.mark.parametrize("joints", ["mean", "l2_top15"])
@pytest.mark.parametrize("bodies", ["strongest", "mean", "per_person"])
@pytest.mark.parametrize("scale", ["clip", "training"])
def test_rows_are_weighed_as_the_weights_file_weighs_them(
    gcn: GraphNet, joints: str, bodies: str, scale: str
) -> None:
    """Before its first step end-to-end mode shows the mosaics of fixed mode."""
    dumped, constant = compute_weights(
        gcn,
        clips(),
        IDS,
        settings=WeightSettings(formula=joints, person_pooling=bodies),
        training=IDS if scale == "training" else (),
    )
    net = _net(gcn, ResNetConfig(formula=joints, person_pooling=bodies, weight_scale=constant))
    data = prepare_all(clips(), IDS, frames=SMALL_GCN.frames)
    with torch.no_grad():
        _, weights = net.skeleton_branch(torch.from_numpy(data.x), torch.from_numpy(data.present))
    wanted = row_weights_of(dumped, IDS)
    np.testing.assert_allclose(weights.numpy(), wanted, rtol=1e-4, atol=1e-5)


def test_formulas_and_scales_differ(gcn: GraphNet) -> None:
    plain = compute_weights(gcn, clips(), IDS)[0].row_weights
    for other in (
        compute_weights(gcn, clips(), IDS, settings=WeightSettings(formula="l2_top15"))[
            0
        ].row_weights,
        compute_weights(gcn, clips(), IDS, training=IDS)[0].row_weights,
    ):
        assert np.abs(other - plain).max() > 1e-3


@pytest.mark.parametrize("joints", ["mean", "l2_top15"])
@pytest.mark.parametrize("constant", [None, 0.7])
@pytest.mark.parametrize(
    ("name", "place"), [("blocks.0.mask", (2, 3, 4)), ("blocks.2.temporal.weight", (3, 1, 1, 0))]
)
def test_gradient_through_either_formula_and_scale_against_finite_differences(
    gcn: GraphNet, joints: str, constant: float | None, name: str, place: tuple[int, ...]
) -> None:
    net = _net(gcn, ResNetConfig(formula=joints, weight_scale=constant, loss="mse")).double()
    _check_gradient(net, name, place)


def _check_gradient(net: WeightedMosaicNet, name: str, place: tuple[int, ...]) -> None:
    """Of the RGB loss, at one entry of a parameter of the graph network."""
    data = prepare_all(clips(), IDS, frames=SMALL_GCN.frames)
    x, present = torch.from_numpy(data.x).double(), torch.from_numpy(data.present)
    size = 5 * CELL
    pictures = torch.randint(0, 256, (8, size, size, 3), dtype=torch.uint8)
    truth = torch.tensor([LABELS[name] for name in IDS])

    def loss() -> torch.Tensor:
        return branch_loss(net(pictures, net.skeleton_branch(x, present)[1])[0], truth, "mse")

    assert net.gcn is not None
    parameter = net.gcn.get_parameter(name)
    loss().backward()
    assert parameter.grad is not None
    step, losses = 1e-6, []
    for sign in (1, -1):
        with torch.no_grad():
            parameter[place] += sign * step
            losses.append(float(loss()))
            parameter[place] -= sign * step
    slope = (losses[0] - losses[1]) / (2 * step)
    assert abs(slope) > 1e-9
    assert float(parameter.grad[place]) == pytest.approx(slope, rel=1e-3)


@pytest.mark.parametrize(
    ("model", "images"),
    [("efficientnet_lite0", "mosaic"), ("efficientnet_lite0", "cells"), ("resnet18", "cells")],
)
@pytest.mark.parametrize(
    ("name", "place"), [("blocks.0.mask", (2, 3, 4)), ("blocks.2.temporal.weight", (3, 1, 1, 0))]
)
def test_gradient_through_every_image_network_against_finite_differences(
    gcn: GraphNet, model: str, images: str, name: str, place: tuple[int, ...]
) -> None:
    config = ResNetConfig.model_validate({"model": model, "images": images, "loss": "mse"})
    net = _net(gcn, config)
    noise = torch.randint(0, 256, (8, 5 * CELL, 5 * CELL, 3), dtype=torch.uint8)
    with torch.no_grad():
        # Statistics of its own activations: a deep new network hardly passes anything on.
        for _ in range(10):
            net.train()(noise)
    _check_gradient(net.eval().double(), name, place)


def test_settings_of_the_weights_change_what_is_learnt(gcn: GraphNet, mosaics: MosaicCache) -> None:
    configs = (ResNetConfig(), ResNetConfig(formula="l2_top15"), ResNetConfig(weight_scale=0.5))
    assert len({model_digest(_train(gcn, mosaics, config=each)) for each in configs}) == 3


def test_clips_change_at_random_as_the_graph_network_says(
    gcn: GraphNet, changing: GraphNet, mosaics: MosaicCache
) -> None:
    still = model_digest(_train(gcn, mosaics))
    first, second = (model_digest(_train(changing, mosaics)) for _ in range(2))
    assert first == second != still
    # Left and right change places together with the mosaic's, or not at all.
    flipping = _gcn(SMALL_GCN.replace(augment=SkeletonAugment(flip=1.0)))
    assert model_digest(_train(flipping, mosaics)) == still


def test_changing_clips_resume_to_the_bit(
    changing: GraphNet, mosaics: MosaicCache, tmp_path: Path
) -> None:
    class Stop(Exception):
        pass

    def stop(record: EpochRecord) -> None:
        raise Stop

    with pytest.raises(Stop):
        _train(changing, mosaics, on_epoch=stop, checkpoints=tmp_path, save_every=1)
    resumed = _train(changing, mosaics, checkpoints=tmp_path, save_every=1)
    assert model_digest(resumed) == model_digest(_train(changing, mosaics))


def test_keys_tell_of_changing_clips_alone(
    gcn: GraphNet, changing: GraphNet, mosaics: MosaicCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[dict[str, str]] = []

    def noted(*args: object, inputs: dict[str, str], **kwargs: object) -> str:
        told.append(inputs)
        return "0" * 64

    monkeypatch.setattr(training, "run_key", noted)
    for each in (gcn, changing):
        _train(each, mosaics, schedule=SHORT.replace(epochs=1))
    differing = {name for name in told[0] if told[0][name] != told[1][name]}
    assert (told[0].keys() - told[1].keys(), differing) == (set(), {"network"})
