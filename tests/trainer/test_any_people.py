"""Training and scoring on clips of up to P people; nothing of one P goes with another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_inputs import CLASSES, IDS, LABELS, SMALL_GCN, clip, clips, mosaic_cache
from trainings import gcn_trained, resnet_trained

from stroi.cache.errors import RefusedInput, StroiError
from stroi.cache.mosaics import MosaicCache
from stroi.trainer.config import Mode, ResNetConfig, Schedule
from stroi.trainer.data.mosaic_loader import cell_grid
from stroi.trainer.data.skeleton_input import prepare_all
from stroi.trainer.models.graph_net import GraphNet
from stroi.trainer.models.weighted_mosaic_net import WeightedMosaicNet
from stroi.trainer.network_files.network_file import load_resnet, save_resnet
from stroi.trainer.network_files.safetensors_io import read_meta
from stroi.trainer.score_gcn import compute_weights
from stroi.trainer.score_resnet import score_resnet

ONCE = Schedule(epochs=1, batch_size=4, lr=0.05)


@pytest.fixture(scope="module")
def gcn() -> GraphNet:
    """One graph network goes with any number of people."""
    return gcn_trained(clips(), LABELS, CLASSES, config=SMALL_GCN, schedule=ONCE, seed=0)


def inputs_of(mode: Mode, gcn: GraphNet, people: int) -> dict[str, Any]:
    if mode == "fixed":
        return {"weights": compute_weights(gcn, clips(people), IDS)[0]}
    return {"gcn": gcn, "clips": clips(people)} if mode == "end-to-end" else {}


def train(mode: Mode, mosaics: MosaicCache, inputs: dict[str, Any]) -> WeightedMosaicNet:
    config = ResNetConfig(flip=0.5, missing="zero", person_pooling="per_person")
    return resnet_trained(mode, mosaics, LABELS, CLASSES, config=config, schedule=ONCE, **inputs)


@pytest.mark.parametrize("mode", ["fixed", "end-to-end"])
@pytest.mark.parametrize(
    "people", [3, *(pytest.param(n, marks=pytest.mark.nightly) for n in (1, 4))]
)
def test_any_number_of_people_is_trained_kept_and_scored(
    people: int, mode: Mode, gcn: GraphNet, tmp_path: Path
) -> None:
    mosaics = mosaic_cache(tmp_path / "mosaics", people=people)
    assert mosaics.people == people
    inputs = inputs_of(mode, gcn, people)
    if mode == "fixed":
        assert inputs["weights"].people == people
    net = train(mode, mosaics, inputs)
    save_resnet(tmp_path / "net", net)
    loaded = load_resnet(tmp_path / "net")
    assert loaded.cells.people == net.cells.people == people
    inputs.pop("gcn", None)
    one, two = (score_resnet(each, mosaics, IDS, **inputs).logits for each in (net, loaded))
    np.testing.assert_array_equal(one, two)
    papers = mosaic_cache(tmp_path / "papers")
    with pytest.raises(RefusedInput) as caught:
        score_resnet(net, papers, IDS, **inputs)
    assert str(caught.value) == (
        f"PEOPLE_OTHER: {papers.folder} has up to 2 people per clip, the network has up to"
        f" {people}; make the skeletons and mosaics with the network's number (skeletons.people),"
        " or train anew"
    )


def test_the_papers_two_are_not_in_a_file(tmp_path: Path) -> None:
    """So that a file is what it was before there was a choice."""
    cells = cell_grid(mosaic_cache(tmp_path / "two"))
    net = WeightedMosaicNet(CLASSES, cells, ResNetConfig(), mode="plain")
    save_resnet(tmp_path / "net", net)
    assert sorted(read_meta(tmp_path / "net")["cells"]) == ["columns", "height", "rows", "width"]
    assert load_resnet(tmp_path / "net").cells.people == 2


@pytest.mark.parametrize(
    ("mode", "what", "stages"),
    [
        ("fixed", "the file of weights", "mosaics and weights"),
        ("end-to-end", "the graph network's input", "skeletons, skeletons3d and mosaics"),
    ],
)
def test_inputs_of_another_number_are_refused_by_name(
    mode: Mode, what: str, stages: str, gcn: GraphNet, tmp_path: Path
) -> None:
    mosaics = mosaic_cache(tmp_path / "mosaics", people=3)
    with pytest.raises(RefusedInput) as caught:
        train(mode, mosaics, inputs_of(mode, gcn, 2))
    assert str(caught.value) == (
        f"PEOPLE_OTHER: {what} has up to 2 people per clip, {mosaics.folder} has up to 3;"
        f" run the stages {stages} again, or `dvc repro`"
    )


def test_clips_of_two_numbers_do_not_go_together() -> None:
    """Numpy would show one person twice."""
    mixed = {"a": clip(1, people=2), "b": clip(2, people=1)}
    with pytest.raises(StroiError) as caught:
        prepare_all(mixed, ["a", "b"], frames=12)
    assert str(caught.value) == (
        "PEOPLE_OTHER: clip b: it has up to 1 people per clip, the first clip has up to 2; train on"
        " clips of one skeletons.people"
    )
