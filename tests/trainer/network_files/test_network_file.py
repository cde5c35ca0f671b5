"""What a checkpoint says of its network is checked before the network gets any memory."""

from __future__ import annotations

import resource
from pathlib import Path
from typing import Any

import pytest
import torch

from stroi.cache.errors import RefusedInput
from stroi.cache.rois import PAPER, PRESETS, rows_to_json
from stroi.trainer.config import GcnConfig, ResNetConfig
from stroi.trainer.models.cell_grid import CellGrid
from stroi.trainer.models.graph_net import GraphNet
from stroi.trainer.models.weighted_mosaic_net import WeightedMosaicNet
from stroi.trainer.network_files.network_file import load_gcn, load_resnet, save_gcn, save_resnet
from stroi.trainer.network_files.safetensors_io import read_meta, read_tensors, write_tensors

SMALL = GcnConfig(frames=8, channels=(8, 8), strides=(1, 2))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    path = tmp_path / "net.safetensors"
    save_gcn(path, GraphNet(("wave", "drink"), SMALL))
    return path


def rewrite(path: Path, **changes: Any) -> None:
    """Give the file another description of the same tensors."""
    tensors, meta = read_tensors(path)
    within = GcnConfig.model_fields
    config = meta["config"] | {key: changes.pop(key) for key in list(changes) if key in within}
    write_tensors(path, tensors, meta | {"config": config} | changes)


def test_there_and_back(path: Path) -> None:
    gcn = load_gcn(path)
    assert (gcn.classes, gcn.config, gcn.training) == (("wave", "drink"), SMALL, False)
    refined = GraphNet(("wave", "drink"), SMALL.replace(model="ctrgcn", stream="bone"))
    for inner, rows in ((gcn, PAPER), (refined, PRESETS["with_elbows_knees"])):
        classes, cells = ("a", "b", "c"), CellGrid(len(rows), 2, 16, 16)
        net = WeightedMosaicNet(
            classes, cells, ResNetConfig(), mode="end-to-end", gcn=inner, rows=rows
        )
        save_resnet(path.with_name("end-to-end"), net)
        loaded = load_resnet(path.with_name("end-to-end"))
        assert loaded.gcn.config == inner.config
        assert loaded.rows == rows
        same = loaded.state_dict()
        assert all(torch.equal(same[name], value) for name, value in net.state_dict().items())


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"channels": [10**7, 10**7]}, "PTH_SHAPE.*want"),
        ({"channels": [10**18, 10**18]}, "PTH_META.*no network fits"),
        ({"channels": [8] * 101, "strides": [1] * 101}, "PTH_META.*channels: .* at most 100"),
        ({"channels": [8]}, "PTH_META"),
        ({"channels": ["8", "8"]}, "PTH_META"),
        ({"temporal_kernel": 4}, "PTH_META.*no middle"),
        ({"temporal_kernel": 10**9 + 1}, "PTH_SHAPE"),
        ({"classes": ["a", "b", "c"]}, r"PTH_SHAPE.*'fc.bias' is \(2,\), want \(3,\)"),
        ({"classes": "wave"}, "PTH_META.*its classes"),
        ({"classes": []}, "PTH_META.*its classes"),
        ({"classes": [1, 2]}, "PTH_META.*its classes"),
        ({"layout": "\x1b[31m"}, r"PTH_META.*x1b\[31m"),
        ({"layout": "coco17"}, "PTH_SHAPE"),
        ({"model": "other"}, "PTH_META.*its config.model"),
        ({"kind": "resnet"}, "PTH_META.*no gcn checkpoint of schema 2.0"),
        ({"schema": "1.0"}, "PTH_META.*no gcn checkpoint of schema 2.0"),
        ({"unheard": 1}, "PTH_META.*its unheard"),
        ({"model": "ctrgcn"}, "PTH_NAMES"),
        ({"augment": 7}, "PTH_META"),
        ({"augment": {"unheard": 1}}, "PTH_META.*unheard"),
        ({"stream": "smell"}, "PTH_META.*its config.stream: Input should be"),
        ({"config": 7}, "PTH_META"),
    ],
)  # fmt: skip
def test_wrong_descriptions_are_refused(path: Path, changes: dict[str, Any], problem: str) -> None:
    rewrite(path, **changes)
    with pytest.raises(RefusedInput, match=problem) as caught:
        load_gcn(path)
    assert str(caught.value).isprintable()


def test_a_giant_description_takes_no_memory(path: Path) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    rewrite(path, channels=[50_000, 50_000])
    with pytest.raises(RefusedInput, match="PTH_SHAPE"):
        load_gcn(path)
    # One layer of it would take 90 GB.
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000


def test_meta_can_be_read_alone(path: Path) -> None:
    assert read_meta(path)["classes"] == ["wave", "drink"]


def _plain(path: Path, config: ResNetConfig) -> WeightedMosaicNet:
    net = WeightedMosaicNet(("a", "b"), CellGrid(5, 2, 8, 8), config, mode="plain")
    save_resnet(path, net)
    return net


def test_a_checkpoint_holds_every_setting(tmp_path: Path) -> None:
    config = ResNetConfig(model="resnet34", dropout=0.1, formula="l2_top15", weight_scale=0.5)
    _plain(tmp_path / "net", config)
    assert read_meta(tmp_path / "net")["config"].keys() == ResNetConfig.model_fields.keys()
    loaded = load_resnet(tmp_path / "net")
    assert len(loaded.resnet.layer3) == 6
    assert loaded.config == config


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"model": "resnet152"}, "PTH_META.*its config.model: Input should be"),
        ({"model": "resnet34"}, "PTH_NAMES"),
        ({"model": "resnet50"}, "PTH_NAMES"),
        ({"formula": "max"}, "PTH_META.*its config.formula: Input should be"),
        ({"weight_position": ["after"]}, "PTH_META.*its config.weight_position"),
        ({"weight_scale": -1.0}, "PTH_META.*its config.weight_scale"),
        ({"weight_scale": "1"}, "PTH_META"),
        ({"dropout": 1.5}, "PTH_META.*its config.dropout"),
        ({"unheard": 1}, "PTH_META.*unheard"),
    ],
)
def test_wrong_descriptions_of_an_rgb_branch_are_refused(
    tmp_path: Path, changes: dict[str, Any], problem: str
) -> None:
    path = tmp_path / "net"
    _plain(path, ResNetConfig())
    tensors, meta = read_tensors(path)
    write_tensors(path, tensors, meta | {"config": meta["config"] | changes})
    with pytest.raises(RefusedInput, match=problem):
        load_resnet(path)


@pytest.mark.parametrize("cells", [{"height": 2**24}, {"width": 0}, {"rows": 5.0}, {"depth": 1}])
def test_an_rgb_branch_of_impossible_cells_is_refused(
    tmp_path: Path, cells: dict[str, Any]
) -> None:
    _plain(tmp_path / "net", ResNetConfig())
    tensors, meta = read_tensors(tmp_path / "net")
    write_tensors(tmp_path / "net", tensors, meta | {"cells": meta["cells"] | cells})
    with pytest.raises(RefusedInput, match="PTH_META"):
        load_resnet(tmp_path / "net")


def test_an_rgb_branch_of_no_known_mode_is_refused(tmp_path: Path) -> None:
    _plain(tmp_path / "net", ResNetConfig())
    tensors, meta = read_tensors(tmp_path / "net")
    write_tensors(tmp_path / "net", tensors, meta | {"mode": "warped"})
    with pytest.raises(RefusedInput, match=r"PTH_META.*its mode: Input should be"):
        load_resnet(tmp_path / "net")


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        (["head"], "PTH_META.*no network fits its header .*1 rows for mosaics of 5"),
        (["tail"], "PTH_META.*its rows: .*unknown joint 'tail'"),
        ("upper_body", ""),
    ],
)
def test_rows_of_a_stranger_are_checked(tmp_path: Path, rows: Any, problem: str) -> None:
    path = tmp_path / "net"
    _plain(path, ResNetConfig())
    tensors, meta = read_tensors(path)
    assert meta["rows"] == rows_to_json(PAPER)
    write_tensors(path, tensors, meta | {"rows": rows})
    if problem:
        with pytest.raises(RefusedInput, match=problem):
            load_resnet(path)
    else:
        assert load_resnet(path).rows == PRESETS[rows]
