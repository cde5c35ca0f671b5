"""What networks are called: by their params, as the score files record them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from stroi.cache.errors import RefusedInput
from stroi.cache.scores import Scores, write_scores
from stroi.pipeline.params.profile import GcnParams, ResnetParams
from stroi.stages.evaluation.methods import graph_network_name, network_name, resnet_name


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({}, "ST-GCN"),
        ({"model": "ctrgcn"}, "CTR-GCN"),
        ({"streams": ("bone",)}, "ST-GCN (bone)"),
        ({"model": "ctrgcn", "streams": ("bone", "joint_motion")}, "CTR-GCN (bone + joint motion)"),
        (
            {"model": "ctrgcn", "streams": ("joint", "bone", "joint_motion", "bone_motion")},
            "CTR-GCN (4 streams)",
        ),
        # What counts for nothing in the sum has no part in the row.
        ({"streams": ("joint", "bone"), "stream_weights": (1.0, 0.0)}, "ST-GCN"),
    ],
)
def test_graph_networks_are_named_by_model_and_streams(given: dict[str, object], name: str) -> None:
    params = GcnParams.model_validate(given)
    assert graph_network_name(params.model_dump(mode="json")) == name


@pytest.mark.parametrize("layers", ["18", "34", "50"])
def test_resnets_are_named_by_their_layers(layers: str) -> None:
    params = ResnetParams.model_validate({"model": f"resnet{layers}"})
    assert resnet_name(params.model_dump(mode="json")) == f"ResNet{layers}"


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({"model": "efficientnet_lite0"}, "EfficientNet-Lite0"),
        ({"model": "efficientnet_lite0", "images": "cells"}, "EfficientNet-Lite0, cell-wise"),
        ({"images": "cells"}, "ResNet18, cell-wise"),
    ],
)
def test_what_is_not_the_papers_is_named(given: dict[str, object], name: str) -> None:
    params = ResnetParams.model_validate(given)
    assert resnet_name(params.model_dump(mode="json")) == name


def _write(folder: Path, params: dict[str, object]) -> Path:
    scores = Scores(("a",), np.zeros((1, 2), np.float32), ("x", "y"))
    write_scores(folder, "test", scores, params=params, producer={})
    return folder


def test_networks_of_folders_are_of_one_kind(tmp_path: Path) -> None:
    deep, flat, other = (
        _write(tmp_path / name, params)
        for name, params in {
            "deep": {"model": "resnet50", "flip": 0.5}, "flat": {"model": "resnet18"}, "other": {},
        }.items()
    )  # fmt: skip
    assert network_name(resnet_name, [deep, deep]) == "ResNet50"
    # Scores that no stage wrote: nobody claims to know the network.
    assert network_name(resnet_name, [other]) == "ResNet"
    assert network_name(graph_network_name, [other]) == "graph network"
    with pytest.raises(RefusedInput, match=r"deep has scores of ResNet50, .*flat of ResNet18"):
        network_name(resnet_name, [deep, flat])


@pytest.mark.parametrize("params", [{"model": "<b>"}, {"model": 7}, {"model": ["resnet18"]}])
def test_an_unknown_network_is_refused(tmp_path: Path, params: dict[str, object]) -> None:
    folder = _write(tmp_path / "odd", params)
    for name in (resnet_name, graph_network_name):
        with pytest.raises(RefusedInput, match=r"ENSEMBLE_NETWORKS: .*odd: unknown network"):
            network_name(name, [folder])
