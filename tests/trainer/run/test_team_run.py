"""Processes that would train on other data or by other settings end at once, each with the reason.

They would average gradients of different trainings in silence, or wait for one another for a day.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch
from processes import together
from small_inputs import CLASSES, IDS, LABELS, QUICK, SMALL_GCN, clip, clips, mosaic_cache
from trainings import gcn_trained, resnet_trained

from stroi.cache.errors import StroiError
from stroi.cache.mosaics import MosaicCache
from stroi.trainer.config import ResNetConfig
from stroi.trainer.models.graph_net import GraphNet
from stroi.trainer.run.distributed import World

FEWER = {name: LABELS[name] for name in IDS[:4]}
"""Half of the clips, so half of the batches: the first process would wait for the second's."""
GCN: dict[str, dict[str, Any]] = {
    "skeletons": {"clips": {IDS[0]: clip(99)}},
    "labels": {"labels": LABELS | {IDS[0]: 1}},
    "rate": {"schedule": {"lr": 0.1}},
    "depth": {"config": {"channels": (8, 8, 8, 12), "strides": (1, 1, 1, 2)}},
    "fewer clips": {"labels": FEWER},
}
RESNET: dict[str, dict[str, Any]] = {
    "mosaics": {"mosaics": "changed"},
    "missing cells": {"config": {"missing": "zero"}},
    "skeletons": {"mode": "end-to-end", "clips": {IDS[0]: clip(99)}},
    "depth": {"config": {"model": "resnet34"}},
    "fewer clips": {"labels": FEWER},
}
"""How the second process's training differs from the first one's, by name."""


class Ended(NamedTuple):
    """How a training ended in one process."""

    seconds: float
    error: StroiError | None


def _gcn(one: World, given: list[dict[str, Any]]) -> list[Ended]:
    def train(changes: dict[str, Any]) -> None:
        gcn_trained(
            clips() | changes.get("clips", {}), changes.get("labels", LABELS), CLASSES,
            config=SMALL_GCN.replace(**changes.get("config", {})),
            schedule=QUICK.replace(**changes.get("schedule", {})), seed=0, world=one,
        )  # fmt: skip

    return [_end(train, changes) for changes in given]


def _resnet(one: World, given: list[dict[str, Any]]) -> list[Ended]:
    def train(changes: dict[str, Any]) -> None:
        mode, more = changes["mode"], {}
        if mode == "end-to-end":
            torch.manual_seed(0)
            more = {
                "gcn": GraphNet(CLASSES, SMALL_GCN),
                "clips": clips() | changes.get("clips", {}),
            }
        resnet_trained(
            mode, MosaicCache(changes["mosaics"]), changes.get("labels", LABELS), CLASSES, **more,
            config=ResNetConfig().replace(**changes.get("config", {})), device="cpu",
            schedule=QUICK.replace(epochs=1), seed=0, world=one,
        )  # fmt: skip

    return [_end(train, changes) for changes in given]


def _end(train: Callable[[dict[str, Any]], None], changes: dict[str, Any]) -> Ended:
    began = time.monotonic()
    try:
        train(changes)
    except StroiError as error:
        return Ended(time.monotonic() - began, error)
    return Ended(time.monotonic() - began, None)


@pytest.fixture(scope="module")
def gcn() -> dict[str, tuple[Ended, Ended]]:
    """How graph networks ended in both processes, by what differs."""
    one, two = together(_gcn, [[{}] * len(GCN), list(GCN.values())])
    return dict(zip(GCN, zip(one, two, strict=True), strict=True))


@pytest.fixture(scope="module")
def resnet(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Ended, Ended]]:
    """How ResNets ended in both processes, by what differs."""
    folder = tmp_path_factory.mktemp("mosaics")
    for seed, name in enumerate(("same", "changed")):
        (folder / name).mkdir()
        mosaic_cache(folder / name, seed=seed)
    alike = [
        {"mosaics": folder / "same", "mode": each.get("mode", "plain")} for each in RESNET.values()
    ]
    other = [
        same | changes | {"mosaics": folder / changes.get("mosaics", "same")}
        for same, changes in zip(alike, RESNET.values(), strict=True)
    ]
    one, two = together(_resnet, [alike, other])
    return dict(zip(RESNET, zip(one, two, strict=True), strict=True))


@pytest.mark.parametrize("name", GCN)
def test_graph_networks_of_other_inputs_do_not_train_together(
    gcn: dict[str, tuple[Ended, Ended]], name: str
) -> None:
    _check(gcn[name])


@pytest.mark.nightly
@pytest.mark.parametrize("name", RESNET)
def test_resnets_of_other_inputs_do_not_train_together(
    resnet: dict[str, tuple[Ended, Ended]], name: str
) -> None:
    _check(resnet[name])


def _check(found: tuple[Ended, Ended]) -> None:
    for seconds, error in found:
        assert error is not None, "it trained"
        assert str(error) == (
            "TEAM_RUN: process 1 trains on other data or by other settings than process 0; give "
            "all machines the same params, folders, threads, devices and versions of torch and "
            "stroi; name the precision if it is auto"
        )
        assert seconds < 20
