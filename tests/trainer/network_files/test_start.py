"""A training may start from a network of another run: all of it but the classifier."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from small_inputs import CLASSES, LABELS, QUICK, SMALL_GCN, clips

from stroi.cache.errors import RefusedInput
from stroi.cache.files.digests import sha256_file
from stroi.cache.layouts import KINECT_V2
from stroi.trainer.config import ResNetConfig
from stroi.trainer.models.cell_grid import CellGrid
from stroi.trainer.models.graph_net import GraphNet
from stroi.trainer.models.resnet import ResNet
from stroi.trainer.models.weighted_mosaic_net import WeightedMosaicNet
from stroi.trainer.network_files.network_file import (
    load_pretrained,
    save_gcn,
    save_resnet,
    start_gcn,
)
from stroi.trainer.run.run_key import model_digest
from stroi.trainer.run.run_options import RunOptions
from stroi.trainer.train_gcn import train_gcn


@pytest.fixture
def gcn(tmp_path: Path) -> Path:
    """A checkpoint of a graph network of three classes."""
    torch.manual_seed(3)
    save_gcn(tmp_path / "gcn.safetensors", GraphNet(("a", "b", "c"), SMALL_GCN))
    return tmp_path / "gcn.safetensors"


def without_head(net: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: value for name, value in net.state_dict().items() if not name.startswith("fc.")}


def test_a_graph_network_takes_over_all_but_the_classifier(gcn: Path) -> None:
    torch.manual_seed(3)
    given = GraphNet(("a", "b", "c"), SMALL_GCN)
    net = GraphNet(CLASSES, SMALL_GCN)
    head = net.fc.weight.clone()
    start_gcn(net, gcn, sha256=sha256_file(gcn))
    assert torch.equal(net.fc.weight, head)
    taken, wanted = without_head(net), without_head(given)
    assert taken.keys() == wanted.keys()
    assert all(torch.equal(taken[name], wanted[name]) for name in wanted)


def test_other_graph_networks_are_refused(gcn: Path) -> None:
    with pytest.raises(RefusedInput, match=r"START_DIGEST: .* correct gcn\.start_sha256$"):
        start_gcn(GraphNet(CLASSES, SMALL_GCN), gcn, sha256="0" * 64)
    with pytest.raises(RefusedInput, match=r"START_LAYOUT: .* its joints are those of .*; start"):
        start_gcn(GraphNet(CLASSES, SMALL_GCN, KINECT_V2), gcn)
    with pytest.raises(RefusedInput, match="PTH_NAMES"):
        start_gcn(GraphNet(CLASSES, SMALL_GCN.replace(model="ctrgcn", channels=(8, 8, 16))), gcn)
    with pytest.raises(RefusedInput, match="PTH_SHAPE"):
        start_gcn(GraphNet(CLASSES, SMALL_GCN.replace(channels=(16, 16, 24))), gcn)


def test_a_training_depends_on_where_it_starts(gcn: Path, tmp_path: Path) -> None:
    def train(start: Path | None) -> str:
        schedule = QUICK.replace(epochs=1, milestones=())
        run = RunOptions(0, "cpu", 1, checkpoints=tmp_path / "training")
        return model_digest(
            train_gcn(
                clips(), LABELS, CLASSES, config=SMALL_GCN, schedule=schedule, run=run, start=start
            )
        )

    scratch, started = train(None), train(gcn)
    assert scratch != started
    assert train(gcn) == started
    assert len(list((tmp_path / "training").glob("*.safetensors"))) == 2


@pytest.mark.parametrize("mode", ["plain", "end-to-end"])
def test_an_image_network_starts_from_one_of_any_mode(tmp_path: Path, mode: str) -> None:
    gcn = GraphNet(("a", "b", "c"), SMALL_GCN) if mode == "end-to-end" else None
    given = WeightedMosaicNet(
        ("a", "b", "c"), CellGrid(5, 2, 16, 16), ResNetConfig(), mode=mode, gcn=gcn
    )  # type: ignore[arg-type]
    path = tmp_path / "net.safetensors"
    save_resnet(path, given)
    net = ResNet(2)
    head = net.fc.weight.clone()
    load_pretrained(net, path)
    assert torch.equal(net.fc.weight, head)
    taken, wanted = without_head(net), without_head(given.resnet)
    assert taken.keys() == wanted.keys()
    assert all(torch.equal(taken[name], wanted[name]) for name in wanted)


def test_a_graph_network_is_no_start_of_an_image_network(gcn: Path) -> None:
    with pytest.raises(RefusedInput, match="PTH_NAMES"):
        load_pretrained(ResNet(2), gcn)
