"""The seven methods of the paper's Tables I and II, and the names of their networks."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import ValidationError

from stroi.cache.errors import RefusedInput
from stroi.cache.manifest import read_manifest
from stroi.pipeline.params.profile import GcnParams, ResnetParams
from stroi.trainer.config import Stream

STREAMS = ("gcn", "resnet-plain", "resnet-end-to-end", "resnet-fixed")
"""Stages that train a network, in the order of rows 1 to 4."""

GRAPH_NETWORK, RESNET = "graph network", "ResNet"
"""Names of networks of which nothing more is known."""

_MODELS = {
    "stgcn": "ST-GCN",
    "ctrgcn": "CTR-GCN",
    "efficientnet_lite0": "EfficientNet-Lite0",
}

Use = Literal["train", "eval", "-"]
"""What a method does with a branch: train it, evaluate it, or leave it out."""


@dataclass(frozen=True)
class Method:
    """One row of the paper's Tables I and II.

    Attributes:
        number: The row's number in the paper.
        name: The paper's name, with the names of the networks that ran.
        skeleton: Use of the graph network.
        rgb: Use of the ResNet.
        streams: Stages whose scores are summed; the first gets weight 1.
    """

    number: int
    name: str
    skeleton: Use
    rgb: Use
    streams: tuple[str, ...]

    @property
    def is_ensemble(self) -> bool:
        """Whether it sums the scores of both branches."""
        return len(self.streams) > 1


def named_methods(gcn: str, resnet: str) -> tuple[Method, ...]:
    """The seven methods with networks of these names."""
    return (
        Method(1, gcn, "train", "-", ("gcn",)),
        Method(2, resnet, "-", "train", ("resnet-plain",)),
        Method(3, f"{resnet} + weights", "train", "train", ("resnet-end-to-end",)),
        Method(4, f"{resnet} + weights", "eval", "train", ("resnet-fixed",)),
        Method(5, "Ensemble 1+2", "eval", "eval", ("gcn", "resnet-plain")),
        Method(6, "Ensemble 1+3", "eval", "eval", ("gcn", "resnet-end-to-end")),
        Method(7, "Ensemble 1+4", "eval", "eval", ("gcn", "resnet-fixed")),
    )


METHODS = named_methods(GRAPH_NETWORK, RESNET)
"""The seven methods with networks of which nothing more is known."""


def graph_network_name(params: Mapping[str, Any]) -> str:
    """Name of the graph networks with these params: ``CTR-GCN (joint + bone)``.

    One network of the joint stream is named without its stream.

    Raises:
        ValidationError: If they are not params of a graph network.
    """
    if "model" not in params:
        return GRAPH_NETWORK
    known = {key: params[key] for key in ("model", "streams", "stream_weights") if key in params}
    gcn = GcnParams.model_validate_json(json.dumps(known))
    factors = gcn.stream_weights or (1.0,) * len(gcn.streams)
    streams = [name for name, factor in zip(gcn.streams, factors, strict=True) if factor]
    if streams == ["joint"]:
        return _MODELS[gcn.model]
    every = len(get_args(Stream))
    names = f"{every} streams" if len(streams) == every else " + ".join(streams).replace("_", " ")
    return f"{_MODELS[gcn.model]} ({names})"


def resnet_name(params: Mapping[str, Any]) -> str:
    """Name of an image network with these params: ``ResNet50``, ``EfficientNet-Lite0, cell-wise``.

    Raises:
        ValidationError: If they are not params of an image network.
    """
    if "model" not in params:
        return RESNET
    known = {key: params[key] for key in ("model", "images") if key in params}
    rgb = ResnetParams.model_validate_json(json.dumps(known))
    name = _MODELS.get(rgb.model, rgb.model.replace("resnet", "ResNet"))
    return f"{name}, cell-wise" if rgb.images == "cells" else name


def network_name(name: Callable[[Mapping[str, Any]], str], folders: Iterable[Path]) -> str:
    """Name of the networks that wrote some score folders.

    The manifests of the folders decide, not the profile: it may have changed since.

    Args:
        name: Names a network by its params.
        folders: At least one.

    Raises:
        RefusedInput: ``ENSEMBLE_NETWORKS`` if the networks are of several kinds or of an unknown
            one; if a folder has no manifest.
    """
    names: dict[str, Path] = {}
    for folder in folders:
        try:
            names.setdefault(name(read_manifest(folder).params), folder)
        except ValidationError as error:
            problem = f"{folder}: unknown network: {error.errors()[0]['msg']}"
            raise _refused(problem) from None
    if len(names) > 1:
        (one, first), (other, second), *_ = names.items()
        raise _refused(f"{first} has scores of {one}, {second} of {other}")
    return next(iter(names))


def _refused(problem: str) -> RefusedInput:
    return RefusedInput(
        "ENSEMBLE_NETWORKS", problem, remedy="train these stages again, or `dvc repro`"
    )
