"""``torch.compile`` of the ResNet for training."""

from __future__ import annotations

import os
import shutil
from importlib.util import find_spec

import torch

from stroi.cache.errors import ParamsError
from stroi.trainer.config import Compile
from stroi.trainer.fused import FusedNet

MODES = {"kernels": "default", "graphs": "reduce-overhead"}
"""What torch calls what `Feeding.compile` says."""


def compile_network(model: FusedNet, how: Compile, device: torch.device) -> None:
    """Have the ResNet compiled when it is first used, which takes from seconds to minutes.

    Args:
        model: The network.
        how: ``none`` leaves it as it is.
        device: Where it runs.

    Raises:
        ParamsError: ``COMPILE`` if what compiles for that device is not installed.
    """
    if how == "none":
        return
    missing = _missing(device)
    if missing:
        raise ParamsError(
            "COMPILE",
            f"resnet.compile: {how} needs {missing}, which is not there",
            remedy="install it, or set resnet.compile: none",
        )
    model.resnet.compile(mode=MODES[how])


def _missing(device: torch.device) -> str | None:
    """What torch would miss in the middle of the first step."""
    compiler = os.environ.get("CXX", "g++")
    if shutil.which(compiler) is None:
        return f"the C++ compiler {compiler!a} (environment variable CXX)"
    if device.type == "cuda" and find_spec("triton") is None:
        return "the package triton"
    return None
