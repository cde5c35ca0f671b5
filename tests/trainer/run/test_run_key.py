"""Digests of what a training depends on, and settings that no key has: they change no network."""

from __future__ import annotations

import hashlib
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from small_inputs import CLASSES, IDS, LABELS, SMALL_GCN, clips, mosaic_cache
from torch import nn
from trainings import gcn_trained, resnet_trained

from stroi.cache.mosaics import MosaicCache
from stroi.cache.weights import Weights
from stroi.trainer.config import GcnConfig, Mode, ResNetConfig, Schedule, SkeletonAugment
from stroi.trainer.data.input_digests import array_digest
from stroi.trainer.models.graph_net import GraphNet
from stroi.trainer.run.run_key import model_digest
from stroi.trainer.score_gcn import compute_weights

MIB = 2**20
CUBE = np.arange(5 * 7 * 3, dtype=np.float32).reshape(5, 7, 3)
SHORT = Schedule(epochs=2, batch_size=4, lr=0.05, milestones=(1,), weight_decay=0.1)
COSINE = SHORT.replace(decay="cosine")
GCN = SMALL_GCN.replace(channels=(8, 8), strides=(1, 2))


@pytest.mark.parametrize(
    "array",
    [
        CUBE, CUBE.T, CUBE[::-2, 1:, ::2], np.asfortranarray(CUBE), CUBE > 4, CUBE[:0],
        np.array(3), np.broadcast_to(np.int64(2), (3, 4)), np.array([b"ab", b"c"]),
    ],
    ids=["whole", "turned", "steps", "fortran", "bool", "empty", "scalar", "broadcast", "text"],
)  # fmt: skip
def test_a_digest_is_of_type_shape_and_values(array: NDArray[np.generic]) -> None:
    text = f"{array.dtype.str} {array.shape} ".encode()
    assert array_digest(array) == hashlib.sha256(text + array.tobytes()).hexdigest()


def _peak(made: object) -> int:
    """Bytes that a digest takes beside what it is of."""
    tracemalloc.start()
    try:
        if isinstance(made, nn.Module):
            model_digest(made)
        else:
            array_digest(np.asarray(made))
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


PREPARED = np.ones((1800, 2, 64, 25, 3), np.float32)


@pytest.mark.parametrize(
    "made",
    [
        pytest.param(PREPARED, id="training set of 69 MB"),
        pytest.param(PREPARED.transpose(0, 4, 1, 2, 3), id="turned"),
        pytest.param(nn.Linear(4096, 4096, device=torch.device("cpu")), id="network of 67 MB"),
    ],
)
def test_a_digest_takes_no_copy(made: object) -> None:
    assert _peak(made) < 4 * MIB


@pytest.fixture(scope="module")
def gcn() -> GraphNet:
    return gcn_trained(clips(), LABELS, CLASSES, config=GCN, schedule=SHORT, seed=0)


@pytest.fixture(scope="module")
def weights(gcn: GraphNet) -> Weights:
    return compute_weights(gcn, clips(), IDS)[0]


@pytest.fixture(scope="module")
def mosaics(tmp_path_factory: pytest.TempPathFactory) -> MosaicCache:
    return mosaic_cache(tmp_path_factory.mktemp("mosaics"))


def trained(train: Callable[[Path], nn.Module], state: Path) -> tuple[str, str]:
    """Key and digest of a training in a folder of its own."""
    digest = model_digest(train(state))
    (path,) = state.iterdir()
    return path.stem, digest


def of_gcn(config: GcnConfig, schedule: Schedule, state: Path) -> tuple[str, str]:
    def train(where: Path) -> nn.Module:
        return gcn_trained(
            clips(), LABELS, CLASSES, config=config, schedule=schedule, seed=0, checkpoints=where
        )

    return trained(train, state)


def _gcn(**changes: Any) -> GcnConfig:
    return GCN.replace(**changes)


@pytest.mark.parametrize(
    ("one", "other", "unused"),
    [
        (_gcn(stream="bone"), _gcn(stream="bone", centre="frame"), True),
        (_gcn(), _gcn(centre="frame"), False),
        (_gcn(), _gcn(align="body"), True),
        (_gcn(), _gcn(augment=SkeletonAugment(rotate=30.0)), True),
        (_gcn(), _gcn(augment=SkeletonAugment(tilt=30.0)), False),
        (_gcn(), _gcn(topologies=2), True),
        (_gcn(model="ctrgcn"), _gcn(model="ctrgcn", topologies=2), False),
        (_gcn(normalisation="stgcn"), _gcn(normalisation="stgcn", alpha=0.5), True),
        (_gcn(), _gcn(alpha=0.5), False),
        (_gcn(loss="mse"), _gcn(loss="mse", smoothing=0.3), True),
        (_gcn(), _gcn(smoothing=0.3), False),
    ],
)
def test_graph_networks(tmp_path: Path, one: GcnConfig, other: GcnConfig, unused: bool) -> None:
    first, second = (
        of_gcn(config, SHORT, tmp_path / name) for name, config in (("1", one), ("2", other))
    )
    assert (first[0] == second[0], first[1] == second[1]) == (unused, unused)


@pytest.mark.parametrize(
    ("one", "changes", "unused"),
    [
        (COSINE, {"milestones": (), "gamma": 0.5}, True),
        (SHORT, {"gamma": 0.5}, False),
        (SHORT, {"milestones": ()}, False),
        (SHORT.replace(milestones=()), {"gamma": 0.5}, True),
        (SHORT.replace(weight_decay=0.0), {"decay_all": False}, True),
        (SHORT, {"decay_all": False}, False),
    ],
)
def test_schedules(tmp_path: Path, one: Schedule, changes: dict[str, Any], unused: bool) -> None:
    first = of_gcn(GCN, one, tmp_path / "1")
    second = of_gcn(GCN, one.replace(**changes), tmp_path / "2")
    assert (first[0] == second[0], first[1] == second[1]) == (unused, unused)


MADE = {"person_pooling": "mean", "formula": "l2_top15", "weight_scale": 0.5}


@pytest.mark.parametrize(
    ("mode", "one", "changes", "unused"),
    [
        ("plain", ResNetConfig(), {**MADE, "weight_position": "before", "erase_area": 0.5}, True),
        ("fixed", ResNetConfig(), {**MADE, "erase_area": 0.5}, True),
        ("fixed", ResNetConfig(), {"weight_position": "before"}, False),
        ("end-to-end", ResNetConfig(), {"erase_area": 0.5}, True),
        ("end-to-end", ResNetConfig(), {"formula": "l2_top15"}, False),
        ("plain", ResNetConfig(erase=1.0), {"erase_area": 0.5}, False),
    ],
)
def test_resnets(
    tmp_path: Path,
    gcn: GraphNet,
    weights: Weights,
    mosaics: MosaicCache,
    mode: Mode,
    one: ResNetConfig,
    changes: dict[str, Any],
    unused: bool,
) -> None:
    beside = {"fixed": {"weights": weights}, "end-to-end": {"gcn": gcn, "clips": clips()}}

    def run(config: ResNetConfig, state: Path) -> tuple[str, str]:
        def train(where: Path) -> nn.Module:
            return resnet_trained(
                mode, mosaics, LABELS, CLASSES, **beside.get(mode, {}), config=config,
                schedule=SHORT.replace(epochs=1), seed=0, device="cpu", checkpoints=where,
            )  # fmt: skip

        return trained(train, state)

    first, second = run(one, tmp_path / "1"), run(one.replace(**changes), tmp_path / "2")
    assert (first[0] == second[0], first[1] == second[1]) == (unused, unused)


@pytest.mark.parametrize(
    ("changes", "unused"),
    [
        ({"loss": "mse", "smoothing": 0.3, "precision": "bf16"}, True),
        ({"augment": SkeletonAugment(flip=1.0)}, True),
        ({"size": "clip"}, False),
        ({"centre": "frame"}, False),
    ],
)
def test_graph_networks_that_train_on_jointly(
    tmp_path: Path, gcn: GraphNet, mosaics: MosaicCache, changes: dict[str, Any], unused: bool
) -> None:
    """The same weights under other settings: those that the joint training reads are in its key."""

    def train(where: Path) -> nn.Module:
        return resnet_trained(
            "end-to-end", mosaics, LABELS, CLASSES, gcn=gcn, clips=clips(), config=ResNetConfig(),
            schedule=SHORT.replace(epochs=1), seed=0, device="cpu", checkpoints=where,
        )  # fmt: skip

    before = gcn.config
    first = trained(train, tmp_path / "1")
    try:
        gcn.config = before.replace(**changes)
        second = trained(train, tmp_path / "2")
    finally:
        gcn.config = before
    assert (first[0] == second[0], first[1] == second[1]) == (unused, unused)


def test_names_of_classes_are_in_no_key(tmp_path: Path) -> None:
    """Only how many there are; another order of theirs gives other labels."""
    found = [
        trained(
            lambda where, names=names: gcn_trained(
                clips(), LABELS, names, config=GCN, schedule=SHORT, seed=0, checkpoints=where
            ),
            tmp_path / str(number),
        )
        for number, names in enumerate((CLASSES, ("greet", "strike"), ("wave", "kick", "sit")))
    ]
    assert found[0] == found[1]
    assert found[2][0] != found[0][0]
