"""Other image networks, trained: what is frozen, how far a step goes, keys, resuming, files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from small_inputs import CLASSES, IDS, LABELS, QUICK, SMALL_GCN, clips
from torch import Tensor
from trainings import gcn_trained, resnet_trained

from stroi.cache.mosaics import MosaicCache
from stroi.cache.weights import Weights
from stroi.trainer.config import ResNetConfig, RgbModel, Schedule
from stroi.trainer.data.mosaic_loader import cell_grid
from stroi.trainer.metrics.accuracy import accuracy
from stroi.trainer.models.graph_net import GraphNet
from stroi.trainer.models.weighted_mosaic_net import WeightedMosaicNet
from stroi.trainer.network_files.network_file import load_resnet, save_resnet
from stroi.trainer.network_files.safetensors_io import write_tensors
from stroi.trainer.run.progress import EpochRecord
from stroi.trainer.run.run_key import model_digest
from stroi.trainer.score_resnet import score_resnet

SHORT = Schedule(epochs=2, batch_size=4, lr=0.05, milestones=(1,))
LITE = ResNetConfig(model="efficientnet_lite0")
CONFIGS = [LITE, LITE.replace(images="cells"), ResNetConfig(images="cells")]
NAMES = ["efficientnet", "efficientnet by cells", "resnet by cells"]


@pytest.fixture(scope="module")
def gcn() -> GraphNet:
    return gcn_trained(clips(), LABELS, CLASSES, config=SMALL_GCN, schedule=QUICK, seed=0)


@pytest.fixture(scope="module")
def weights() -> Weights:
    rows = np.random.default_rng(2).uniform(0.2, 1.8, (8, 2, 5)).astype(np.float32)
    return Weights(IDS, np.ones((8, 2, 25), np.float32), rows)


@pytest.fixture(scope="module")
def starts(tmp_path_factory: pytest.TempPathFactory, mosaics: MosaicCache) -> dict[RgbModel, Path]:
    """Files of weights with statistics that no training here would reach."""
    folder = tmp_path_factory.mktemp("starts")
    for model in ("resnet18", "efficientnet_lite0"):
        write_tensors(folder / f"{model}.safetensors", _start(model, mosaics, 7), {})
    return {
        "resnet18": folder / "resnet18.safetensors",
        "efficientnet_lite0": folder / "efficientnet_lite0.safetensors",
    }


def _start(model: str, mosaics: MosaicCache, seed: int) -> dict[str, Tensor]:
    torch.manual_seed(seed)
    config = ResNetConfig.model_validate({"model": model})
    state = WeightedMosaicNet(CLASSES, cell_grid(mosaics), config, mode="plain").resnet.state_dict()
    for name, value in state.items():
        if name.endswith("running_var"):
            value.uniform_(0.5, 1.5)
    return dict(state)


def _train(mosaics: MosaicCache, config: ResNetConfig, **changes: object) -> WeightedMosaicNet:
    settings = {"schedule": SHORT, "config": config, **changes}
    mode = "fixed" if "weights" in settings else "end-to-end" if "gcn" in settings else "plain"
    return resnet_trained(mode, mosaics, LABELS, CLASSES, **settings)


def _changed(net: WeightedMosaicNet, start: dict[str, Tensor]) -> set[str]:
    """Entries of the image network that differ from the start's; counters aside."""
    state = net.resnet.state_dict()
    return {
        name
        for name, value in start.items()
        if "num_batches" not in name and not torch.equal(value, state[name])
    }


def _belongs(name: str, parts: tuple[str, ...]) -> bool:
    return any(name.startswith(f"{part}.") for part in parts)


LITE_STAGES = (
    ("_conv_stem", "_bn0"), ("_blocks.0",), ("_blocks.1", "_blocks.2"), ("_blocks.3", "_blocks.4"),
    ("_blocks.5", "_blocks.6", "_blocks.7"), ("_blocks.8", "_blocks.9", "_blocks.10"),
    ("_blocks.11", "_blocks.12", "_blocks.13", "_blocks.14"), ("_blocks.15",),
    ("_conv_head", "_bn1"),
)  # fmt: skip
RESNET_STAGES = (("conv1", "bn1"), ("layer1",), ("layer2",), ("layer3",), ("layer4",))


@pytest.mark.parametrize("frozen", [0, 1, 3, 9])
@pytest.mark.parametrize("model", ["resnet18", "efficientnet_lite0"])
def test_frozen_stages_keep_weights_and_statistics(
    mosaics: MosaicCache, starts: dict[RgbModel, Path], model: RgbModel, frozen: int
) -> None:
    config = ResNetConfig(model=model, frozen_stages=frozen, dropout=0.1)
    net = _train(mosaics, config, pretrained=starts[model])
    start = _start(model, mosaics, 7)
    stages = LITE_STAGES if model == "efficientnet_lite0" else RESNET_STAGES
    still = tuple(part for stage in stages[:frozen] for part in stage)
    assert _changed(net, start) == {
        name for name in start if "num_batches" not in name and not _belongs(name, still)
    }


def test_frozen_batch_normalisation_keeps_statistics_and_trains_its_factors(
    mosaics: MosaicCache, starts: dict[RgbModel, Path]
) -> None:
    config = LITE.replace(frozen_batch_norm=True, frozen_stages=1)
    net = _train(mosaics, config, pretrained=starts["efficientnet_lite0"])
    start = _start("efficientnet_lite0", mosaics, 7)
    assert _changed(net, start) == {
        name
        for name in start
        if not name.endswith(("num_batches_tracked", "running_mean", "running_var"))
        and not _belongs(name, LITE_STAGES[0])
    }


@pytest.mark.parametrize("decay_all", [True, False])
def test_the_backbone_steps_at_its_own_rate(
    mosaics: MosaicCache, starts: dict[RgbModel, Path], decay_all: bool
) -> None:
    """One step without momentum: the same gradient, times the rate of each part."""
    schedule = Schedule(
        epochs=1, batch_size=8, lr=0.01, milestones=(), momentum=0.0, weight_decay=0.1,
        decay_all=decay_all,
    )  # fmt: skip
    start = _start("resnet18", mosaics, 7)
    steps = {}
    for factor in (1.0, 0.25):
        config = ResNetConfig(backbone_lr=factor)
        net = _train(mosaics, config, pretrained=starts["resnet18"], schedule=schedule)
        steps[factor] = net
    for name, value in steps[1.0].resnet.named_parameters():
        slow = steps[0.25].resnet.get_parameter(name)
        if name.startswith("fc."):
            assert torch.equal(slow, value)
            continue
        whole, part = value - start[name], slow - start[name]
        torch.testing.assert_close(part, 0.25 * whole, rtol=1e-3, atol=1e-6)
        assert float(whole.detach().abs().max()) > 0, name


@pytest.mark.nightly
@pytest.mark.parametrize(
    "config",
    [
        pytest.param(config, id=name, marks=[pytest.mark.nightly] if "efficient" in name else [])
        for config, name in zip(CONFIGS, NAMES, strict=True)
    ],
)
def test_learns_eight_mosaics_by_heart(
    mosaics: MosaicCache, weights: Weights, config: ResNetConfig
) -> None:
    schedule = Schedule(epochs=20, batch_size=8, lr=0.05, milestones=(14,))
    net = _train(mosaics, config, weights=weights, schedule=schedule)
    truth = np.array([LABELS[name] for name in IDS])
    assert accuracy(score_resnet(net, mosaics, IDS, weights=weights).logits, truth) == 1


@pytest.mark.parametrize(
    "mode",
    [
        pytest.param("plain", marks=pytest.mark.nightly),
        pytest.param("fixed", marks=pytest.mark.nightly),
        "end-to-end",
    ],
)
@pytest.mark.parametrize("config", CONFIGS, ids=NAMES)
def test_resumed_equals_uninterrupted(
    mosaics: MosaicCache, starts: dict[RgbModel, Path], gcn: GraphNet, weights: Weights,
    tmp_path: Path, mode: str, config: ResNetConfig,
) -> None:  # fmt: skip
    class Stop(Exception):
        pass

    def stop(record: EpochRecord) -> None:
        raise Stop

    beside = {"fixed": {"weights": weights}, "end-to-end": {"gcn": gcn, "clips": clips()}}
    config = config.replace(flip=0.5, frozen_stages=2, backbone_lr=0.1, dropout=0.1)
    settings = {"pretrained": starts[config.model], **beside.get(mode, {})}
    kept = {"checkpoints": tmp_path, "save_every": 1}
    with pytest.raises(Stop):
        _train(mosaics, config, on_epoch=stop, **settings, **kept)
    resumed = _train(mosaics, config, **settings, **kept)
    assert model_digest(resumed) == model_digest(_train(mosaics, config, **settings))


@pytest.mark.parametrize("config", CONFIGS, ids=NAMES)
def test_a_checkpoint_brings_the_same_network_back(
    mosaics: MosaicCache, tmp_path: Path, config: ResNetConfig
) -> None:
    net = _train(mosaics, config.replace(precision="bf16"), schedule=SHORT.replace(epochs=1))
    save_resnet(tmp_path / "net.safetensors", net)
    loaded = load_resnet(tmp_path / "net.safetensors")
    assert (loaded.config, model_digest(loaded)) == (net.config, model_digest(net))
    np.testing.assert_array_equal(
        score_resnet(loaded, mosaics, IDS).logits, score_resnet(net, mosaics, IDS).logits
    )


def test_keys_change_with_start_network_and_images(
    mosaics: MosaicCache, starts: dict[RgbModel, Path], tmp_path: Path
) -> None:
    other = tmp_path / "other.safetensors"
    write_tensors(other, _start("efficientnet_lite0", mosaics, 8), {})
    trainings = [
        (LITE, None),
        (LITE, starts["efficientnet_lite0"]),
        (LITE, other),
        (LITE.replace(images="cells"), None),
        (ResNetConfig(), None),
        (LITE.replace(backbone_lr=0.5), None),
        (LITE.replace(frozen_stages=1), other),
        (LITE.replace(frozen_batch_norm=True), other),
    ]
    keys = set()
    for number, (config, start) in enumerate(trainings):
        folder = tmp_path / str(number)
        schedule = SHORT.replace(epochs=1)
        _train(mosaics, config, pretrained=start, schedule=schedule, checkpoints=folder)
        keys |= {path.stem for path in folder.iterdir()}
    assert len(keys) == len(trainings)
