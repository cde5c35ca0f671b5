"""What a run's networks are called, by what their score files say of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, get_args

from pydantic import ValidationError

from stroi.cache.errors import RefusedInput
from stroi.cache.manifest import read_manifest
from stroi.pipeline.params.profile import GcnParams, ResnetParams
from stroi.trainer.config import Stream

GRAPH_NETWORK = "graph network"
RESNET = "ResNet"
"""Names of networks of which nothing more is known."""

_MODELS = {"stgcn": "ST-GCN", "ctrgcn": "CTR-GCN"}


def graph_network_name(params: Mapping[str, Any]) -> str:
    """Name of the graph networks with these params: ``CTR-GCN (joint + bone)``.

    One network that sees the joints is named without its stream.

    Raises:
        ValidationError: If they are no params of graph networks.
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
    shown = f"{every} streams" if len(streams) == every else " + ".join(streams).replace("_", " ")
    return f"{_MODELS[gcn.model]} ({shown})"


def resnet_name(params: Mapping[str, Any]) -> str:
    """Name of a ResNet with these params: ``ResNet50``.

    Raises:
        ValidationError: If they are no params of a ResNet.
    """
    if "model" not in params:
        return RESNET
    resnet = ResnetParams.model_validate_json(json.dumps({"model": params["model"]}))
    return resnet.model.replace("resnet", "ResNet")


def network_name(name: Callable[[Mapping[str, Any]], str], folders: Iterable[Path]) -> str:
    """Name of the networks that wrote these score folders.

    What the folders say counts, and not the profile, which may have changed since.

    Args:
        name: Names a network by its params.
        folders: At least one.

    Raises:
        RefusedInput: ``ENSEMBLE_NETWORKS`` if they are not of one kind, or cannot be named; if
            a folder has no manifest.
    """
    found: dict[str, Path] = {}
    for folder in folders:
        try:
            found.setdefault(name(read_manifest(folder).params), folder)
        except ValidationError as error:
            problem = f"{folder}: unknown network: {error.errors()[0]['msg']}"
            raise _refused(problem) from None
    if len(found) > 1:
        (one, first), (other, second), *_ = found.items()
        raise _refused(f"{first} has scores of {one}, {second} of {other}")
    return next(iter(found))


def _refused(problem: str) -> RefusedInput:
    return RefusedInput(
        "ENSEMBLE_NETWORKS", problem, remedy="train these stages again, or `dvc repro`"
    )
