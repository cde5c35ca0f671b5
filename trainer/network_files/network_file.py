"""Trained networks as checkpoint files: weights, and a header that describes the network."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import torch
from pydantic import Field, SerializerFunctionWrapHandler, ValidationError, model_serializer
from torch import nn

from stroi.cache.files.digests import sha256_file
from stroi.cache.own_layouts import layout_json, read_layout
from stroi.cache.rois import MAX_PEOPLE, PAPER, PAPER_PEOPLE
from stroi.trainer.config import GcnConfig, Mode, ResNetConfig, RowsSetting, Settings
from stroi.trainer.models.cell_grid import CellGrid
from stroi.trainer.models.graph_net import GraphNet
from stroi.trainer.models.rgb_net import RgbNet
from stroi.trainer.models.weighted_mosaic_net import WeightedMosaicNet
from stroi.trainer.network_files.safetensors_io import (
    check_network,
    first_bytes,
    is_pickled,
    read_meta,
    read_tensors,
    refuse,
    write_tensors,
)

SCHEMA = "2.0"

Classes = Annotated[tuple[str, ...], Field(min_length=1)]
Size = Annotated[int, Field(ge=1, le=2**16)]
_PAPERS = ("people", PAPER_PEOPLE)


class _GcnHeader(Settings):
    """Description of a graph network."""

    kind: Literal["gcn"] = "gcn"
    config: GcnConfig
    layout: str | dict[str, Any]
    classes: Classes

    def build(self) -> GraphNet:
        return GraphNet(self.classes, self.config, read_layout(self.layout))


class _Cells(Settings):
    rows: Size
    columns: Size
    height: Size
    width: Size
    people: Annotated[int, Field(ge=1, le=MAX_PEOPLE)] = PAPER_PEOPLE

    @model_serializer(mode="wrap")
    def _without_the_default(self, dump: SerializerFunctionWrapHandler) -> dict[str, int]:
        values: dict[str, int] = dump(self)
        return {key: value for key, value in values.items() if (key, value) != _PAPERS}


class _ResNetHeader(Settings):
    """Description of an RGB branch."""

    kind: Literal["resnet"] = "resnet"
    mode: Mode
    config: ResNetConfig
    cells: _Cells
    rows: RowsSetting = PAPER
    classes: Classes
    gcn: _GcnHeader | None

    def build(self) -> WeightedMosaicNet:
        cells = CellGrid(**dict(self.cells))
        gcn = None if self.gcn is None else self.gcn.build()
        return WeightedMosaicNet(
            self.classes, cells, self.config, mode=self.mode, gcn=gcn, rows=self.rows
        )


_Header = TypeVar("_Header", _GcnHeader, _ResNetHeader)
_Network = TypeVar("_Network", GraphNet, WeightedMosaicNet)


def save_gcn(path: Path, model: GraphNet) -> None:
    """Write a graph network as one safetensors file.

    Args:
        path: Final name.
        model: The network.
    """
    _save(path, model, _gcn_header(model))


def load_gcn(path: Path) -> GraphNet:
    """Read a file of `save_gcn`, on the CPU in evaluation mode.

    Raises:
        RefusedInput: The codes of `stroi.trainer.network_files.safetensors_io.read_tensors` if
            the file is damaged; ``PTH_META`` if it is no graph network.
    """
    return _load(path, _read_header(path, _GcnHeader).build)


def save_resnet(path: Path, model: WeightedMosaicNet) -> None:
    """Write an RGB branch, with its graph network in end-to-end mode, as one safetensors file.

    Args:
        path: Final name.
        model: The network.
    """
    header = _ResNetHeader(
        mode=model.mode,
        config=model.config,
        cells=_Cells(**asdict(model.cells)),
        rows=model.rows,
        classes=model.classes,
        gcn=None if model.gcn is None else _gcn_header(model.gcn),
    )
    _save(path, model, header)


def load_resnet(path: Path) -> WeightedMosaicNet:
    """Read a file of `save_resnet`, on the CPU in evaluation mode.

    Raises:
        RefusedInput: The codes of `stroi.trainer.network_files.safetensors_io.read_tensors` if
            the file is damaged; ``PTH_META`` if it is no RGB branch.
    """
    return _load(path, _read_header(path, _ResNetHeader).build)


def load_pretrained(net: RgbNet, path: Path, *, sha256: str | None = None) -> None:
    """Start `net` from a local file of the same network; the classifier stays as it is.

    The file is one of `save_resnet`, in any mode and with any classes; or it has the network's
    published names, as safetensors or as `torch.save` writes it (``.pth``). The counters of the
    batch normalisation, which old files lack, may be missing: nothing reads them.

    Args:
        net: Network whose entries other than the classifier's are overwritten.
        path: The weights file.
        sha256: What the file's digest must be; None takes any file.

    Raises:
        RefusedInput: ``START_DIGEST`` if the digest is another, before anything of the file is
            interpreted; if the file is damaged or its names and shapes are not the network's.
    """
    _check_digest(path, sha256, "resnet")
    head = [f"{net.classifier_name}.{part}" for part in ("weight", "bias")]
    if not is_pickled(path) and read_meta(path).get("kind") == "resnet":
        _take_over(net, load_resnet(path).resnet, head, path)
        return
    own = {name: value for name, value in net.state_dict().items() if name not in head}
    loaded, _ = read_tensors(path, own, ignore=head, optional=".num_batches_tracked", pth=True)
    with torch.no_grad():
        for name, value in loaded.items():
            own[name].copy_(value)


def start_gcn(model: GraphNet, path: Path, *, sha256: str | None = None) -> None:
    """Start a graph network from a file of `save_gcn`; the classifier stays as it is.

    Args:
        model: Network whose entries other than the classifier's are overwritten.
        path: A file of a graph network of the same shape and joints, with any classes.
        sha256: What the file's digest must be; None takes any file.

    Raises:
        RefusedInput: As `load_pretrained`; ``START_LAYOUT`` if it is of other joints.
    """
    _check_digest(path, sha256, "gcn")
    given = load_gcn(path)
    if given.layout != model.layout:
        problem = f"its joints are those of {given.layout.name}, not of {model.layout.name}"
        raise refuse("START_LAYOUT", path, problem, "start from a network of the same skeletons")
    _take_over(model, given, ["fc.weight", "fc.bias"], path)


def _take_over(own: nn.Module, given: nn.Module, head: Sequence[str], path: Path) -> None:
    """Copy all entries of `given` but the classifier's, which must be those of `own`."""
    want, got = (
        {name: value for name, value in net.state_dict().items() if name not in head}
        for net in (own, given)
    )
    check_network(path, got, want, None)
    with torch.no_grad():
        for name, value in got.items():
            want[name].copy_(value)


def _check_digest(path: Path, sha256: str | None, group: str) -> None:
    if sha256 is None:
        return
    first_bytes(path)
    digest = sha256_file(path)
    if digest != sha256:
        problem = f"its SHA-256 is {digest}, not {sha256}"
        remedy = f"name the right file, or correct {group}.start_sha256"
        raise refuse("START_DIGEST", path, problem, remedy)


def _gcn_header(model: GraphNet) -> _GcnHeader:
    return _GcnHeader(config=model.config, layout=layout_json(model.layout), classes=model.classes)


def _save(path: Path, model: nn.Module, header: Settings) -> None:
    write_tensors(path, model.state_dict(), {"schema": SCHEMA} | header.model_dump(mode="json"))


def _read_header(path: Path, header: type[_Header]) -> _Header:
    meta = read_meta(path)
    kind = header.model_fields["kind"].default
    if (meta.pop("schema", None), meta.get("kind")) != (SCHEMA, kind):
        problem = f"no {kind} checkpoint of schema {SCHEMA}"
        raise refuse("PTH_META", path, problem, "give the file that the stage of that name wrote")
    try:
        return header.model_validate_json(json.dumps(meta))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise refuse("PTH_META", path, f"its {place}: {first['msg']}", "train anew") from error


def _load(path: Path, build: Callable[[], _Network]) -> _Network:
    """The network that `build` makes, with the file's weights."""
    try:
        # A header may ask for any size. It gets no memory before the file has the tensors.
        with torch.device("meta"):
            described = build()
        tensors, _ = read_tensors(path, described.state_dict())
        model = build()
    except (KeyError, TypeError, ValueError, RuntimeError, OverflowError) as error:
        problem = f"no network fits its header ({str(error)[:100]!a})"
        raise refuse("PTH_META", path, problem, "train anew") from error
    model.load_state_dict(tensors)
    return model.eval()
