"""The rows of the table as data, the paper's seven among them, and the names of their networks."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, ValidationError

from stroi.cache.errors import ParamsError, RefusedInput
from stroi.cache.manifest import read_manifest
from stroi.pipeline.params.profile import GcnParams, ResnetParams
from stroi.trainer.config import Stream
from stroi.trainer.plugins import Network, Plugin, find

GRAPH_NETWORK, RESNET = "graph network", "ResNet"
"""Names of networks of which nothing more is known."""

Use = Literal["train", "eval", "-"]
"""What a method does with a branch: train it, evaluate it, or leave it out."""

Colour = Literal["skeleton", "rgb", "soft", "both"]
"""CSS colour of a row on the page: by branch; ``soft`` is a paler ``rgb``."""

Detail = Literal["pairs", "classes", "confusions", "matrix"]
"""A part of the page that shows some rows only."""

SKELETON_STREAM = "gcn"
"""The stage of the graph network; all other streams belong to the RGB branch."""


@dataclass(frozen=True, kw_only=True)
class Method:
    """One row of the table of results.

    Attributes:
        number: The row's number, in the paper if the paper has it.
        name: Its name; ``{gcn}`` and ``{resnet}`` stand for the names of the networks that ran.
        skeleton: Use of the graph network.
        rgb: Use of the RGB branch.
        streams: Stages whose scores are summed.
        factors: One per stream; if empty the skeleton branch has 1 and the RGB branch
            ``ensemble.alpha``.
        colour: Of its bars.
        compared_with: Numbers of the rows that it is tested against.
        details: Parts of the page that show it besides the table.
    """

    number: Annotated[int, Field(ge=1, le=99)]
    name: str
    skeleton: Use
    rgb: Use
    streams: Annotated[tuple[str, ...], Field(min_length=1)]
    factors: tuple[Annotated[float, Field(ge=0.0)], ...] = ()
    colour: Colour = "both"
    compared_with: tuple[int, ...] = ()
    details: tuple[Detail, ...] = ("pairs", "classes")

    @property
    def is_ensemble(self) -> bool:
        """Whether it sums the scores of several networks."""
        return len(self.streams) > 1

    @property
    def is_skeleton(self) -> bool:
        """Whether it is the skeleton branch alone."""
        return self.streams == (SKELETON_STREAM,)

    @property
    def has_alpha(self) -> bool:
        """Whether `ensemble.alpha` weighs its RGB branch: it sums both branches."""
        both = len(self.streams) == 2 and self.streams[0] == SKELETON_STREAM
        return both and not self.factors


@dataclass(frozen=True, kw_only=True)
class MethodPlugin(Plugin):
    """A further row of the table, of group ``methods``."""

    method: Method


PAPER_ROWS = (
    Method(
        number=1, name="{gcn}", skeleton="train", rgb="-", streams=("gcn",),
        colour="skeleton", details=("pairs", "confusions", "matrix"),
    ),
    Method(
        number=2, name="{resnet}", skeleton="-", rgb="train", streams=("resnet-plain",),
        colour="soft", details=("pairs", "classes", "matrix"),
    ),
    Method(
        number=3, name="{resnet} + weights", skeleton="train", rgb="train",
        streams=("resnet-end-to-end",), colour="rgb", compared_with=(2,), details=(),
    ),
    Method(
        number=4, name="{resnet} + weights", skeleton="eval", rgb="train",
        streams=("resnet-fixed",), colour="rgb", compared_with=(2, 3),
    ),
    Method(
        number=5, name="Ensemble 1+2", skeleton="eval", rgb="eval",
        streams=("gcn", "resnet-plain"), compared_with=(1, 2), details=(),
    ),
    Method(
        number=6, name="Ensemble 1+3", skeleton="eval", rgb="eval",
        streams=("gcn", "resnet-end-to-end"), compared_with=(1, 3, 5), details=(),
    ),
    Method(
        number=7, name="Ensemble 1+4", skeleton="eval", rgb="eval",
        streams=("gcn", "resnet-fixed"), compared_with=(1, 4, 5),
        details=("pairs", "classes", "confusions", "matrix"),
    ),
)  # fmt: skip
"""The seven rows of the paper's Tables I and II, for networks of any name."""


def streams_of(methods: Iterable[Method]) -> tuple[str, ...]:
    """All stages whose scores some methods need, each once, in the order of the rows."""
    return tuple(dict.fromkeys(stream for method in methods for stream in method.streams))


STREAMS = streams_of(PAPER_ROWS)
"""Stages that train a network of the paper's rows."""


def run_methods(further: Sequence[str]) -> tuple[Method, ...]:
    """The rows of a run by their numbers: the paper's seven, and plug-ins.

    Args:
        further: Names of the plug-ins, as ``ensemble.methods`` lists them.

    Raises:
        ParamsError: ``METHOD_NUMBER`` if two rows have one number or a row is compared with one
            that is not there; as `stroi.trainer.plugins.find`.
    """
    rows = {method.number: method for method in PAPER_ROWS}
    for name in further:
        method = find("methods", name, MethodPlugin).method
        if method.number in rows:
            raise _wrong_row(name, f"row {method.number} is {rows[method.number].name!a} already")
        rows[method.number] = method
    for method in rows.values():
        if missing := sorted(set(method.compared_with) - rows.keys()):
            raise _wrong_row(method.name, f"it is compared with row {missing[0]}, which is no row")
    return tuple(rows[number] for number in sorted(rows))


def _wrong_row(name: str, problem: str) -> ParamsError:
    return ParamsError(
        "METHOD_NUMBER",
        f"method {name}: {problem}",
        remedy="leave it out of ensemble.methods, or change the number in its package",
    )


def named_methods(
    gcn: str = GRAPH_NETWORK, resnet: str = RESNET, methods: Sequence[Method] = PAPER_ROWS
) -> tuple[Method, ...]:
    """The methods with networks of these names."""
    return tuple(
        replace(each, name=each.name.replace("{gcn}", gcn).replace("{resnet}", resnet))
        for each in methods
    )


METHODS = named_methods()
"""The seven rows with networks of which nothing more is known."""


def graph_network_name(params: Mapping[str, Any]) -> str:
    """Name of the graph networks with these params: ``CTR-GCN (joint + bone)``.

    One network of the joint stream is named without its stream.

    Raises:
        ValidationError: If they are not params of a graph network.
    """
    if "model" not in params:
        return GRAPH_NETWORK
    keys = ("model", "options", "streams", "stream_weights")
    known = {key: params[key] for key in keys if key in params}
    gcn = GcnParams.model_validate_json(json.dumps(known))
    factors = gcn.stream_weights or (1.0,) * len(gcn.streams)
    streams = [name for name, factor in zip(gcn.streams, factors, strict=True) if factor]
    label = find("graph_nets", gcn.model, Network).label
    if streams == ["joint"]:
        return label
    every = len(get_args(Stream))
    names = f"{every} streams" if len(streams) == every else " + ".join(streams).replace("_", " ")
    return f"{label} ({names})"


def resnet_name(params: Mapping[str, Any]) -> str:
    """Name of an image network with these params: ``ResNet50``, ``EfficientNet-Lite0, cell-wise``.

    Raises:
        ValidationError: If they are not params of an image network.
    """
    if "model" not in params:
        return RESNET
    known = {key: params[key] for key in ("model", "images", "options") if key in params}
    rgb = ResnetParams.model_validate_json(json.dumps(known))
    name = find("rgb_nets", rgb.model, Network).label
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
