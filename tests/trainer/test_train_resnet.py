"""The RGB branch in its three modes: what learns, what must not move, where gradients go."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from small_inputs import CELL, CLASSES, IDS, LABELS, QUICK, SMALL_GCN, clips
from torch import nn
from trainings import gcn_trained, resnet_trained

from stroi.cache.errors import ParamsError, RefusedInput
from stroi.cache.mosaics import MosaicCache
from stroi.cache.weights import Weights
from stroi.trainer.config import Mode, ResNetConfig, Schedule
from stroi.trainer.data.mosaic_batches import MosaicBatch
from stroi.trainer.data.mosaic_loader import cell_grid
from stroi.trainer.data.side_inputs import load_side_inputs, row_weights_of
from stroi.trainer.data.skeleton_input import prepare_all
from stroi.trainer.metrics.accuracy import accuracy
from stroi.trainer.models.cell_grid import CellGrid
from stroi.trainer.models.graph_net import GraphNet
from stroi.trainer.models.weighted_mosaic_net import WeightedMosaicNet
from stroi.trainer.network_files.network_file import load_resnet, save_resnet
from stroi.trainer.network_files.safetensors_io import write_tensors
from stroi.trainer.run.losses import branch_loss
from stroi.trainer.run.progress import EpochRecord
from stroi.trainer.run.run_key import model_digest
from stroi.trainer.score_gcn import compute_weights, score_gcn
from stroi.trainer.score_resnet import score_resnet
from stroi.trainer.train_resnet import rgb_loss

TRUTH = np.array([LABELS[name] for name in IDS])
SHORT = Schedule(epochs=2, batch_size=4, lr=0.05, milestones=(1,))
MODES: tuple[Mode, ...] = ("plain", "fixed", "end-to-end")


@pytest.fixture(scope="module")
def gcn() -> GraphNet:
    return gcn_trained(clips(), LABELS, CLASSES, config=SMALL_GCN, schedule=QUICK, seed=0)


@pytest.fixture(scope="module")
def weights(gcn: GraphNet) -> Weights:
    return compute_weights(gcn, clips(), IDS)[0]


def _inputs(mode: Mode, gcn: GraphNet, weights: Weights) -> dict[str, object]:
    return {
        "plain": {},
        "fixed": {"weights": weights},
        "end-to-end": {"gcn": gcn, "clips": clips()},
    }[mode]


def _train(
    mode: Mode, mosaics: MosaicCache, inputs: dict[str, object], **changes: object
) -> WeightedMosaicNet:
    settings = {"config": ResNetConfig(), "schedule": SHORT, "seed": 0, "device": "cpu"}
    return resnet_trained(mode, mosaics, LABELS, CLASSES, **inputs, **{**settings, **changes})


def _score_inputs(inputs: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in inputs.items() if name != "gcn"}


@pytest.mark.parametrize(
    "mode", [*(pytest.param(mode, marks=pytest.mark.nightly) for mode in MODES[:2]), MODES[2]]
)
def test_learns_eight_mosaics_by_heart(
    mode: Mode, mosaics: MosaicCache, gcn: GraphNet, weights: Weights
) -> None:
    inputs = _inputs(mode, gcn, weights)
    schedule = Schedule(epochs=30, batch_size=8, lr=0.01, milestones=(24,))
    net = _train(mode, mosaics, inputs, schedule=schedule)
    scores = score_resnet(net, mosaics, IDS, **_score_inputs(inputs))
    assert accuracy(scores.logits, TRUTH) == 1


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_same_seed_same_bits(
    mode: Mode, precision: str, mosaics: MosaicCache, gcn: GraphNet, weights: Weights
) -> None:
    inputs = _inputs(mode, gcn, weights)
    config = ResNetConfig(flip=0.5, shift=2, precision=precision)
    one, two = (model_digest(_train(mode, mosaics, inputs, config=config)) for _ in range(2))
    assert one == two


@pytest.mark.parametrize("mode", MODES)
def test_resumed_across_a_milestone_equals_uninterrupted(
    mode: Mode, mosaics: MosaicCache, gcn: GraphNet, weights: Weights, tmp_path: Path
) -> None:
    class Stop(Exception):
        pass

    def stop(record: EpochRecord) -> None:
        raise Stop

    inputs = _inputs(mode, gcn, weights)
    config = ResNetConfig(flip=0.5)
    settings = {"config": config, "checkpoints": tmp_path, "save_every": 1}
    with pytest.raises(Stop):
        _train(mode, mosaics, inputs, on_epoch=stop, **settings)
    resumed = _train(mode, mosaics, inputs, **settings)
    whole = _train(mode, mosaics, inputs, config=config)
    assert model_digest(resumed) == model_digest(whole)


def test_fixed_mode_moves_nothing_of_the_graph_network(
    mosaics: MosaicCache, gcn: GraphNet, weights: Weights
) -> None:
    before = model_digest(gcn)
    net = _train("fixed", mosaics, {"weights": weights, "gcn": gcn, "clips": clips()})
    score_resnet(net, mosaics, IDS, weights=weights)
    assert model_digest(gcn) == before
    assert net.gcn is None
    assert not any(name.startswith("gcn") for name in net.state_dict())


def test_joint_mode_trains_a_copy_parameters_and_buffers(
    mosaics: MosaicCache, gcn: GraphNet
) -> None:
    before = model_digest(gcn)
    net = _train("end-to-end", mosaics, {"gcn": gcn, "clips": clips()})
    assert model_digest(gcn) == before
    assert net.gcn is not None
    still = [
        name
        for name, value in gcn.state_dict().items()
        if torch.equal(value, net.gcn.state_dict()[name])
    ]
    assert still == []
    assert score_gcn(net.gcn, clips(), IDS).logits.shape == (8, 2)


def _double(gcn: GraphNet) -> tuple[WeightedMosaicNet, dict[str, torch.Tensor]]:
    torch.manual_seed(0)
    net = WeightedMosaicNet(
        CLASSES,
        CellGrid(5, 5, CELL, CELL),
        ResNetConfig(),
        mode="end-to-end",
        gcn=copy.deepcopy(gcn),
    )
    data = prepare_all(clips(), IDS, frames=SMALL_GCN.frames)
    size = 5 * CELL
    inputs = {
        "mosaics": torch.randint(0, 256, (8, size, size, 3), dtype=torch.uint8),
        "x": torch.from_numpy(data.x).double(),
        "present": torch.from_numpy(data.present),
    }
    return net.double().eval(), inputs


def _rgb_loss(net: WeightedMosaicNet, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
    _, weights = net.skeleton_branch(inputs["x"], inputs["present"])
    return branch_loss(net(inputs["mosaics"], weights)[0], torch.from_numpy(TRUTH), "mse")


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("blocks.0.mask", (2, 3, 4)),
        ("blocks.1.spatial.weight", (1, 2, 0, 0)),
        ("blocks.2.temporal.weight", (3, 1, 1, 0)),
        ("data_bn.weight", (30,)),
    ],
)
def test_gradient_of_the_rgb_loss_reaches_the_graph_network(
    gcn: GraphNet, name: str, place: tuple[int, ...]
) -> None:
    net, inputs = _double(gcn)
    assert net.gcn is not None
    parameter = net.gcn.get_parameter(name)
    _rgb_loss(net, inputs).backward()
    assert parameter.grad is not None
    step, losses = 1e-6, []
    for sign in (1, -1):
        with torch.no_grad():
            parameter[place] += sign * step
            losses.append(float(_rgb_loss(net, inputs)))
            parameter[place] -= sign * step
    slope = (losses[0] - losses[1]) / (2 * step)
    assert abs(slope) > 1e-9
    assert float(parameter.grad[place]) == pytest.approx(slope, rel=1e-3)


def test_weights_reach_the_scores(mosaics: MosaicCache, weights: Weights) -> None:
    net = _train("fixed", mosaics, {"weights": weights})
    scores = score_resnet(net, mosaics, IDS, weights=weights)
    turned = replace(weights, row_weights=weights.row_weights[..., ::-1].copy())
    other = score_resnet(net, mosaics, IDS, weights=turned)
    assert np.abs(scores.logits - other.logits).max() > 1e-3


def test_rows_pair_by_id_not_by_position(mosaics: MosaicCache, weights: Weights) -> None:
    net = _train("fixed", mosaics, {"weights": weights})
    order = np.random.default_rng(0).permutation(8)
    shuffled = Weights(
        tuple(weights.ids[i] for i in order),
        weights.joint_weights[order],
        weights.row_weights[order],
    )
    np.testing.assert_array_equal(
        score_resnet(net, mosaics, IDS[::-1], weights=shuffled).logits,
        score_resnet(net, mosaics, IDS, weights=weights).logits,
    )
    again = _train("fixed", mosaics, {"weights": shuffled})
    assert model_digest(again) == model_digest(net)


def test_weights_are_joined_by_id() -> None:
    row = np.arange(20, dtype=np.float32).reshape(2, 2, 5)
    weights = Weights(("a", "b"), np.zeros((2, 2, 25), np.float32), row)
    np.testing.assert_array_equal(row_weights_of(weights, ["b", "a"]), [row[1], row[0]])


def test_missing_weights_are_counted_and_named(mosaics: MosaicCache, weights: Weights) -> None:
    few = Weights(weights.ids[:5], weights.joint_weights[:5], weights.row_weights[:5])
    with pytest.raises(RefusedInput, match=r"WEIGHTS_IDS: 3 of 8 mosaics .* first is 'clip5'"):
        _train("fixed", mosaics, {"weights": few})


def test_unknown_mosaics_are_named(mosaics: MosaicCache) -> None:
    with pytest.raises(RefusedInput, match=r"ID_UNKNOWN.*ghost"):
        resnet_trained(
            "plain", mosaics, {**LABELS, "ghost": 0}, CLASSES, config=ResNetConfig(),
            schedule=SHORT, seed=0, device="cpu",
        )  # fmt: skip


@pytest.mark.parametrize(("mode", "wanted"), [("fixed", "weights"), ("end-to-end", "trained GCN")])
def test_what_a_mode_lacks_is_told(mode: Mode, wanted: str, mosaics: MosaicCache) -> None:
    with pytest.raises(ParamsError, match=f"MODE_INPUTS: {mode} mode needs .*{wanted}"):
        _train(mode, mosaics, {})


def test_scoring_leaves_the_network_as_it_was(mosaics: MosaicCache, gcn: GraphNet) -> None:
    net = _train("end-to-end", mosaics, {"gcn": gcn, "clips": clips()}).train()
    before = model_digest(net)
    scores = score_resnet(net, mosaics, IDS[::-1], clips=clips())
    assert model_digest(net) == before
    assert net.training
    assert scores.ids == IDS
    alone = [score_resnet(net, mosaics, [name], clips=clips()).logits for name in IDS]
    np.testing.assert_array_equal(np.concatenate(alone), scores.logits)
    some = score_resnet(net, mosaics, IDS[2:7], clips=clips()).logits
    np.testing.assert_array_equal(some, scores.logits[2:7])


def test_starts_from_local_weights(mosaics: MosaicCache, tmp_path: Path) -> None:
    torch.manual_seed(7)
    start = WeightedMosaicNet(CLASSES, cell_grid(mosaics), ResNetConfig(), mode="plain").resnet
    write_tensors(tmp_path / "start.safetensors", start.state_dict(), {})
    still = Schedule(epochs=1, batch_size=8, lr=1e-12, milestones=())
    net = _train("plain", mosaics, {}, pretrained=tmp_path / "start.safetensors", schedule=still)
    torch.testing.assert_close(net.resnet.conv1.weight, start.conv1.weight)
    assert not torch.equal(net.resnet.fc.weight, start.fc.weight)


@pytest.mark.parametrize("mode", MODES)
def test_checkpoint_brings_the_same_network_back(
    mode: Mode, mosaics: MosaicCache, gcn: GraphNet, weights: Weights, tmp_path: Path
) -> None:
    inputs = _inputs(mode, gcn, weights)
    net = _train(mode, mosaics, inputs, schedule=SHORT.replace(epochs=1))
    path = tmp_path / "resnet.safetensors"
    save_resnet(path, net)
    loaded = load_resnet(path)
    assert (loaded.mode, loaded.cells, loaded.config) == (net.mode, net.cells, net.config)
    assert model_digest(loaded) == model_digest(net)
    given = _score_inputs(inputs)
    np.testing.assert_array_equal(
        score_resnet(loaded, mosaics, IDS, **given).logits,
        score_resnet(net, mosaics, IDS, **given).logits,
    )


def test_checkpoints_of_another_kind_are_refused(gcn: GraphNet, tmp_path: Path) -> None:
    from stroi.trainer.network_files.network_file import save_gcn

    path = tmp_path / "gcn.safetensors"
    save_gcn(path, gcn)
    with pytest.raises(RefusedInput, match=r"PTH_META.*no resnet checkpoint"):
        load_resnet(path)


def test_loss_of_joint_mode_is_the_sum_of_both_branches(
    mosaics: MosaicCache, gcn: GraphNet
) -> None:
    config = ResNetConfig(loss="mse")
    net = WeightedMosaicNet(
        CLASSES, cell_grid(mosaics), config, mode="end-to-end", gcn=copy.deepcopy(gcn)
    ).eval()
    side = load_side_inputs("end-to-end", mosaics, IDS, clips=clips(), gcn=SMALL_GCN)
    batch = MosaicBatch(np.arange(8), torch.from_numpy(mosaics.batch(IDS)), 8)
    with torch.no_grad():
        got, correct = rgb_loss(net, batch, side, torch.from_numpy(TRUTH))
    rgb = score_resnet(net, mosaics, IDS, clips=clips()).logits
    skeleton = score_gcn(net.gcn, clips(), IDS).logits
    expected = 0.0
    for logits in (skeleton, rgb):
        shares = np.exp(logits - logits.max(1, keepdims=True))
        shares /= shares.sum(1, keepdims=True)
        expected += float(((shares - np.eye(2)[TRUTH]) ** 2).sum()) / 8
    assert float(got) == pytest.approx(expected, rel=1e-4)
    assert int(correct) == int((rgb.argmax(1) == TRUTH).sum())
    assert isinstance(net, nn.Module)
