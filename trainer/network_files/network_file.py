"""Trained networks as checkpoint files: what they are stands in the file's header."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar, get_args

import torch
from pydantic import ValidationError

from stroi.cache.errors import RefusedInput
from stroi.cache.layouts import LAYOUTS
from stroi.trainer.config import GcnConfig, Mode, ResNetConfig, Settings
from stroi.trainer.models.cell_grid import CellGrid
from stroi.trainer.models.graph_net import GRAPH_NETS, GraphNet
from stroi.trainer.models.resnet import ResNet
from stroi.trainer.models.weighted_mosaic_net import WeightedMosaicNet
from stroi.trainer.network_files.safetensors_io import (
    check_digest,
    read_meta,
    read_tensors,
    write_tensors,
)

SCHEMA = "1.0"
MAX_PIXELS = 2**29
"""Most pixels of a mosaic that a received network may tell of; params allow 5120 x 65536."""

_Network = TypeVar("_Network", GraphNet, WeightedMosaicNet)
_Config = TypeVar("_Config", bound=Settings)


def save_gcn(path: Path, model: GraphNet, *, extra: dict[str, Any] | None = None) -> None:
    """Write a graph network as one safetensors file.

    Args:
        path: Final name.
        model: The network.
        extra: JSON values to keep beside it, such as seed and epochs.
    """
    write_tensors(path, model.state_dict(), _gcn_meta(model) | {"extra": extra or {}})


def load_gcn(path: Path) -> GraphNet:
    """Read what `save_gcn` wrote, on the CPU in evaluation mode.

    Raises:
        RefusedInput: If the file is damaged or is no graph network; see
            `stroi.trainer.network_files.safetensors_io.read_tensors`, and ``PTH_META``.
    """
    return _loaded(path, tuple(GRAPH_NETS), _gcn_of)


def save_resnet(
    path: Path, model: WeightedMosaicNet, *, extra: dict[str, Any] | None = None
) -> None:
    """Write an RGB branch, with its graph network in joint mode, as one safetensors file.

    Args:
        path: Final name.
        model: The network.
        extra: JSON values to keep beside it.
    """
    meta = {
        "schema": SCHEMA,
        "model": "fused",
        "mode": model.mode,
        "config": model.config.model_dump(mode="json"),
        "cells": asdict(model.cells),
        "classes": list(model.classes),
        "gcn": None if model.gcn is None else _gcn_meta(model.gcn),
        "extra": extra or {},
    }
    write_tensors(path, model.state_dict(), meta)


def load_resnet(path: Path) -> WeightedMosaicNet:
    """Read what `save_resnet` wrote, on the CPU in evaluation mode.

    Raises:
        RefusedInput: If the file is damaged or is no RGB branch; see `load_gcn`.
    """
    return _loaded(path, ("fused",), _fused_of)


def _gcn_meta(model: GraphNet) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "model": model.config.model,
        "config": model.config.model_dump(mode="json"),
        "layout": model.layout.name,
        "classes": list(model.classes),
    }


def _gcn_of(meta: dict[str, Any]) -> GraphNet:
    config = _config(GcnConfig, meta["config"] | {"model": meta["model"]})
    return GraphNet(_classes(meta), config, LAYOUTS[meta["layout"]])


def _config(kind: type[_Config], values: Any) -> _Config:
    """Settings of a received file; the first that cannot be is named."""
    try:
        return kind.model_validate_json(json.dumps(values))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise ValueError(f"its {place or 'config'}: {first['msg']}") from None


def _classes(meta: dict[str, Any]) -> tuple[str, ...]:
    names = meta["classes"]
    if not (isinstance(names, list) and names and all(isinstance(name, str) for name in names)):
        raise TypeError("its classes are no list of names")
    return tuple(names)


def _fused_of(meta: dict[str, Any]) -> WeightedMosaicNet:
    config = _config(ResNetConfig, meta["config"])
    if meta["mode"] not in get_args(Mode):
        raise ValueError(f"its mode is {meta['mode']}")
    cells = CellGrid(**meta["cells"])
    if not (
        all(type(value) is int and value > 0 for value in asdict(cells).values())
        and cells.rows * cells.height * cells.columns * cells.width <= MAX_PIXELS
    ):
        raise ValueError(f"its cells are {cells}")
    return WeightedMosaicNet(
        _classes(meta),
        cells,
        config,
        mode=meta["mode"],
        gcn=None if meta["gcn"] is None else _gcn_of(meta["gcn"]),
    )


def _loaded(
    path: Path, kinds: tuple[str, ...], build: Callable[[dict[str, Any]], _Network]
) -> _Network:
    """The network that a file describes, with its weights."""
    meta = read_meta(path)
    if meta.get("model") not in kinds or str(meta.get("schema")).split(".")[0] != "1":
        raise RefusedInput(
            "PTH_META",
            f"{str(path)!a} is no {' or '.join(kinds)} checkpoint of schema {SCHEMA}",
            remedy="give the file that the stage of that name wrote",
        )
    try:
        # A description may ask for any size. It gets no memory before the file has the tensors.
        with torch.device("meta"):
            described = build(meta)
        tensors, _ = read_tensors(path, described.state_dict())
        model = build(meta)
    except (KeyError, TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise RefusedInput(
            "PTH_META",
            f"{str(path)!a}: no network fits its description ({str(error)[:100]!a})",
            remedy="train anew",
        ) from error
    model.load_state_dict(tensors)
    return model.eval()


def load_pretrained_resnet(net: ResNet, path: Path, *, sha256: str | None = None) -> None:
    """Start `net` from a local file of torchvision's same network; ``fc`` stays as it is.

    The file must have torchvision's names, as safetensors or as `torch.save` writes it (``.pth``).
    The counters of the batch normalisation, which old files lack, may be missing: nothing reads
    them.

    Args:
        net: Network whose entries other than ``fc`` are overwritten.
        path: The weights file.
        sha256: What the file's digest must be; None takes any file.

    Raises:
        RefusedInput: ``START_DIGEST`` if the digest is another, before anything of the file is
            interpreted; if the file is damaged or its names and shapes are not the network's.
    """
    if sha256 is not None:
        check_digest(path, sha256)
    own = {name: value for name, value in net.state_dict().items() if not name.startswith("fc.")}
    loaded, _ = read_tensors(
        path, own, ignore=("fc.weight", "fc.bias"), optional=".num_batches_tracked", pth=True
    )
    with torch.no_grad():
        for name, value in loaded.items():
            own[name].copy_(value)
