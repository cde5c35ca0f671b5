"""A compiled ResNet trains as it is, or what is missing is said before anything starts."""

from __future__ import annotations

import os
import shutil

import pytest
import torch
from small_inputs import CELL, CLASSES, LABELS
from torch import nn
from trainings import resnet_trained

from stroi.cache.errors import ParamsError
from stroi.cache.mosaics import MosaicCache
from stroi.trainer import runtime
from stroi.trainer.config import Compile, LoaderConfig, ResNetConfig, Schedule
from stroi.trainer.models.cell_grid import CellGrid
from stroi.trainer.models.resnet import ResNet
from stroi.trainer.models.weighted_mosaic_net import WeightedMosaicNet
from stroi.trainer.runtime import compile_network

CPU, GPU = torch.device("cpu"), torch.device("cuda")
FULL = Schedule(epochs=1, batch_size=len(LABELS), lr=0.05)
COMPILER = os.environ.get("CXX", "g++")


def _net() -> WeightedMosaicNet:
    return WeightedMosaicNet(CLASSES, CellGrid(5, 5, CELL, CELL), ResNetConfig(), mode="plain")


def _train(mosaics: MosaicCache, loader: LoaderConfig) -> WeightedMosaicNet:
    return resnet_trained(
        "plain", mosaics, LABELS, CLASSES, config=ResNetConfig(), schedule=FULL,
        loader_config=loader, seed=0, device="cpu",
    )  # fmt: skip


@pytest.mark.parametrize(("how", "mode"), [("kernels", "default"), ("graphs", "reduce-overhead")])
def test_the_resnet_alone_is_compiled(
    mosaics: MosaicCache, monkeypatch: pytest.MonkeyPatch, how: Compile, mode: str
) -> None:
    calls: list[tuple[type[nn.Module], str]] = []
    monkeypatch.setattr(
        nn.Module, "compile", lambda module, *, mode: calls.append((type(module), mode))
    )
    monkeypatch.setattr(shutil, "which", lambda name: name)
    _train(mosaics, LoaderConfig())
    assert not calls
    _train(mosaics, LoaderConfig(compile=how))
    assert calls == [(ResNet, mode)]


def test_a_missing_compiler_is_said_at_once(
    mosaics: MosaicCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(ParamsError, match=r"COMPILE: .*kernels needs .*'no-such-compiler'.*CXX"):
        _train(mosaics, LoaderConfig(compile="kernels"))
    compile_network(_net().resnet, "none", CPU)


def test_a_gpu_needs_triton_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: name)
    monkeypatch.setattr(runtime, "find_spec", lambda name: None)
    with pytest.raises(ParamsError, match=r"COMPILE: .*graphs needs the package triton"):
        compile_network(_net().resnet, "graphs", GPU)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.skipif(shutil.which(COMPILER) is None, reason=f"no C++ compiler {COMPILER}")
@pytest.mark.nightly
def test_compiled_kernels_compute_the_same() -> None:
    """Minutes of compiling on a small machine."""
    torch.manual_seed(0)
    net = _net().train()
    x = torch.randint(0, 256, (4, 5 * CELL, 5 * CELL, 3), dtype=torch.uint8)
    expected, _ = net(x)
    compile_network(net.resnet, "kernels", CPU)
    torch.testing.assert_close(net(x)[0], expected, rtol=1e-4, atol=1e-4)
