"""The networks for export: one module from mosaics to logits, for any number of clips.

Everything between is inside: normalisation, weights, the flags of missing cells. Where a graph
network takes part, its input stream, its features and eq. 4 are inside as well.

Legend of shapes: B clips, P the most persons of a clip, T frames, T'' frames and D channels of the
graph network's feature, V joints, K rows, L columns, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from stroi.cache.errors import ParamsError
from stroi.trainer.config import PersonPooling, WeightFormula
from stroi.trainer.models.graph_net import GraphNet
from stroi.trainer.models.joint_attention import joint_weights, row_weights
from stroi.trainer.models.weighted_mosaic_net import WeightedMosaicNet

_OF_PERSONS = ("weights", "cell_valid", "present")
"""Inputs whose second axis counts persons."""


@dataclass(frozen=True)
class TensorSpec:
    """One input or output of an exported network.

    Attributes:
        name: Its name.
        dtype: ``uint8``, ``int64``, ``float32`` or ``bool``.
        shape: Axes after the first one, which counts clips and may have any length.
        about: What it is, in a few words.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    about: str


@dataclass(frozen=True)
class WeightRule:
    """How a graph network makes row weights.

    Attributes:
        formula: Of eq. 4.
        person_pooling: Which body weighs which part of a cell.
        weight_scale: Divides all rows; None scales each clip's to mean 1.
    """

    formula: WeightFormula
    person_pooling: PersonPooling
    weight_scale: float | None


def export_module(
    model: WeightedMosaicNet, *, gcn: GraphNet | None = None, rule: WeightRule | None = None
) -> ExportModule:
    """A trained network as a module for export, in evaluation mode.

    Args:
        model: The network.
        gcn: Fixed mode only: the graph network that made the weights, to take it in; None leaves
            the weights an input.
        rule: How `gcn` made them.

    Raises:
        ParamsError: ``EXPORT_CELL`` if the network resizes cells first (`resnet.cell`): it does
            not know from which size, so the file could not name the mosaics it takes.
        ValueError: If a graph network is given to another mode, or without its rule.
    """
    config = model.config
    if config.cell:
        raise ParamsError(
            "EXPORT_CELL",
            f"this network resizes every cell to {config.cell} px first (resnet.cell),"
            " and that step cannot be exported",
            remedy=f"cut mosaics of that size (mosaics.size: {model.cells.rows * config.cell}),"
            " set resnet.cell: 0 and train anew",
        )
    if (gcn is None) != (rule is None) or (gcn is not None and model.mode != "fixed"):
        raise ValueError(f"{model.mode} mode: a graph network and its rule go to fixed mode")
    if model.gcn is not None:
        gcn, rule = (
            model.gcn,
            WeightRule(config.formula, config.person_pooling, config.weight_scale),
        )
    module: ExportModule
    if gcn is not None and rule is not None:
        module = SkeletonExport(model, gcn, rule)
    else:
        module = WeightedExport(model) if model.mode == "fixed" else PlainExport(model)
    return module.eval().requires_grad_(False)


class ExportModule(nn.Module):
    """What all exported networks share.

    Attributes:
        inputs: Its inputs, by the names of the arguments of `forward`.
        outputs: Its outputs.
    """

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]

    def __init__(self, model: WeightedMosaicNet) -> None:
        super().__init__()
        self.model = model
        cells = model.cells
        size = (cells.rows * cells.height, cells.columns * cells.width, 3)
        self.inputs = (TensorSpec("mosaics", "uint8", size, "height, width, RGB"),)
        zero = model.config.missing == "zero"
        if zero:
            parts = (cells.people, cells.columns, cells.rows)
            about = "persons, columns, rows: whether that part of the cell shows a joint"
            self.inputs += (TensorSpec("cell_valid", "bool", parts, about),)
        if zero or model.mode != "plain":
            about = f"persons the mosaic shows, 1 to {cells.people}"
            self.inputs += (TensorSpec("persons", "int64", (), about),)
        self.outputs = (TensorSpec("logits", "float32", (len(model.classes),), "one per class"),)


class PlainExport(ExportModule):
    """Mosaics to logits."""

    def forward(
        self, mosaics: Tensor, cell_valid: Tensor | None = None, persons: Tensor | None = None
    ) -> tuple[Tensor]:
        """(B, H, W, 3) uint8 to (B, C); flags (B, P, L, K) and counts (B,) if cells weigh 0."""
        return (self.model(mosaics, person_count=persons, cell_valid=cell_valid)[0],)


class WeightedExport(ExportModule):
    """Mosaics and row weights to logits."""

    def __init__(self, model: WeightedMosaicNet) -> None:
        super().__init__(model)
        about = "persons, rows: what each person's part of the cells is multiplied by"
        size = (model.cells.people, model.cells.rows)
        self.inputs += (TensorSpec("weights", "float32", size, about),)

    def forward(
        self,
        mosaics: Tensor,
        weights: Tensor,
        persons: Tensor,
        cell_valid: Tensor | None = None,
    ) -> tuple[Tensor]:
        """Mosaics, flags and counts as of `PlainExport`, and weights (B, P, K), to (B, C)."""
        logits, _ = self.model(mosaics, weights, person_count=persons, cell_valid=cell_valid)
        return (logits,)


class SkeletonExport(ExportModule):
    """Mosaics and prepared skeletons to the logits of both branches, and the row weights.

    Args:
        model: The RGB branch.
        gcn: The graph network whose features weigh the rows; end-to-end mode's own, or another.
        rule: How they do.
    """

    def __init__(self, model: WeightedMosaicNet, gcn: GraphNet, rule: WeightRule) -> None:
        super().__init__(model)
        self.gcn, self.rule = gcn, rule
        people = model.cells.people
        clip = (people, gcn.config.frames, len(gcn.layout.joints), 3)
        about = "persons, frames, joints, axes: prepared clips"
        self.inputs += (
            TensorSpec("skeletons", "float32", clip, about),
            TensorSpec("present", "bool", (people,), "whether the person has any joint"),
        )
        self.outputs += (
            TensorSpec("weights", "float32", (people, model.cells.rows), "of persons, rows"),
            TensorSpec("skeleton_logits", "float32", (len(gcn.classes),), "of the graph network"),
        )

    def forward(
        self,
        mosaics: Tensor,
        skeletons: Tensor,
        present: Tensor,
        persons: Tensor,
        cell_valid: Tensor | None = None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Logits (B, C), row weights (B, P, K) and logits of the graph network (B, C).

        Args:
            mosaics: (B, H, W, 3) uint8.
            skeletons: (B, P, T, V, 3) prepared clips.
            present: (B, P) bool.
            persons: (B,) persons that each mosaic shows.
            cell_valid: (B, P, L, K) bool, if missing cells weigh 0.
        """
        rule = self.rule
        skeleton_logits, joint = run_all_persons(self.gcn, skeletons, present, rule.formula)
        weights = row_weights(
            joint,
            present,
            person_pooling=rule.person_pooling,
            layout=self.gcn.layout,
            rows=self.model.rows,
            weight_scale=rule.weight_scale,
        )
        logits, _ = self.model(mosaics, weights, person_count=persons, cell_valid=cell_valid)
        return logits, weights, skeleton_logits


def run_all_persons(
    gcn: GraphNet, x: Tensor, present: Tensor, formula: WeightFormula
) -> tuple[Tensor, Tensor]:
    """Outputs of a graph network in evaluation mode, with shapes that do not depend on values.

    The network itself leaves absent persons out, and how many are left depends on the values of
    `present`. Here they go through as well and are left out of the result. In evaluation mode no
    body depends on another, so the numbers are the same.

    Args:
        gcn: The network, in evaluation mode.
        x: (B, P, T, V, 3) prepared clips.
        present: (B, P) bool.
        formula: Of eq. 4.

    Returns:
        (B, C) logits and (B, P, V) joint weights, 0 for absent persons.
    """
    bodies = gcn.stream(x).flatten(0, 1)  # (B, P, T, V, 3) -> (B*P, T, V, 3)
    feature = gcn.features(bodies)  # (B*P, D, T'', V)
    feature = feature.reshape(-1, x.shape[1], *feature.shape[1:])  # (B, P, D, T'', V)
    there = present.to(feature.dtype)[..., None]  # (B, P, 1)
    pooled = (feature.mean((3, 4)) * there).sum(1) / there.sum(1)  # (B, D)
    return gcn.fc(pooled), joint_weights(feature, formula=formula) * there


def random_inputs(specs: Sequence[TensorSpec], count: int, seed: int) -> dict[str, Tensor]:
    """Inputs of noise; clips of one to P persons in turn.

    Args:
        specs: The inputs.
        count: B.
        seed: Of the noise.

    Returns:
        Tensors by name.
    """
    random = torch.Generator().manual_seed(seed)
    people = next((spec.shape[0] for spec in specs if spec.name in _OF_PERSONS), 1)
    shown = 1 + torch.arange(count) % people
    inputs = {}
    for spec in specs:
        shape = (count, *spec.shape)
        if spec.dtype == "uint8":
            value = torch.randint(0, 256, shape, dtype=torch.uint8, generator=random)
        elif spec.name == "present":
            value = torch.arange(people) < shown[:, None]
        elif spec.dtype == "bool":
            value = torch.rand(shape, generator=random) < 0.8
        elif spec.dtype == "int64":
            value = shown
        else:
            value = torch.rand(shape, generator=random) + 0.5
        inputs[spec.name] = value
    return inputs
