"""The networks for export: one module from mosaics to logits, for any number of clips.

Everything between is inside: normalisation, weights, the flags of missing cells. Where a graph
network takes part, its input stream, its features and eq. 4 are inside as well.

Legend of shapes: B clips, M = 2 persons, T frames, T'' frames and D channels of the graph
network's feature, V joints, K rows, L columns, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from stroi.cache.errors import ParamsError
from stroi.trainer.config import PersonPooling, WeightFormula
from stroi.trainer.models.graph_net import GraphNet
from stroi.trainer.models.joint_attention import joint_weights, row_weights, weights_in_mosaic
from stroi.trainer.models.weighted_mosaic_net import WeightedMosaicNet

PERSONS = 2


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
        person_pooling: Which body weighs which half.
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
        if model.config.missing == "zero":
            halves = (PERSONS, cells.columns, cells.rows)
            about = "left and right half, columns, rows: whether it shows a joint"
            self.inputs += (TensorSpec("cell_valid", "bool", halves, about),)
        self.outputs = (TensorSpec("logits", "float32", (len(model.classes),), "one per class"),)


class PlainExport(ExportModule):
    """Mosaics to logits."""

    def forward(self, mosaics: Tensor, cell_valid: Tensor | None = None) -> tuple[Tensor]:
        """(B, H, W, 3) uint8, and (B, 2, L, K) bool if missing cells weigh 0, to (B, C)."""
        return (self.model(mosaics, cell_valid=cell_valid)[0],)


class WeightedExport(ExportModule):
    """Mosaics and row weights to logits."""

    def __init__(self, model: WeightedMosaicNet) -> None:
        super().__init__(model)
        about = "left and right half, rows: what each is multiplied by"
        self.inputs += (TensorSpec("weights", "float32", (PERSONS, model.cells.rows), about),)

    def forward(
        self, mosaics: Tensor, weights: Tensor, cell_valid: Tensor | None = None
    ) -> tuple[Tensor]:
        """Mosaics and flags as of `PlainExport`, and weights (B, 2, K), to (B, C)."""
        return (self.model(mosaics, weights, cell_valid=cell_valid)[0],)


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
        clip = (PERSONS, gcn.config.frames, len(gcn.layout.joints), 3)
        about = "persons, frames, joints, axes: prepared clips"
        self.inputs += (
            TensorSpec("skeletons", "float32", clip, about),
            TensorSpec("present", "bool", (PERSONS,), "whether the person has any joint"),
            TensorSpec("persons", "int64", (), "persons the mosaic shows, 1 or 2"),
        )
        weights = (PERSONS, model.cells.rows)
        self.outputs += (
            TensorSpec("weights", "float32", weights, "of left and right half, rows"),
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
        """Logits (B, C), row weights (B, 2, K) and logits of the graph network (B, C).

        Args:
            mosaics: (B, H, W, 3) uint8.
            skeletons: (B, M, T, V, 3) prepared clips.
            present: (B, M) bool.
            persons: (B,) persons that each mosaic shows.
            cell_valid: (B, 2, L, K) bool, if missing cells weigh 0.
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
        weights = weights_in_mosaic(weights, persons)
        logits, _ = self.model(mosaics, weights, cell_valid=cell_valid)
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
        x: (B, M, T, V, 3) prepared clips.
        present: (B, M) bool.
        formula: Of eq. 4.

    Returns:
        (B, C) logits and (B, M, V) joint weights, 0 for absent persons.
    """
    bodies = gcn.stream(x).flatten(0, 1)  # (B, M, T, V, 3) -> (B*M, T, V, 3)
    feature = gcn.features(bodies)  # (B*M, D, T'', V)
    feature = feature.reshape(-1, PERSONS, *feature.shape[1:])  # (B, M, D, T'', V)
    there = present.to(feature.dtype)[..., None]  # (B, M, 1)
    pooled = (feature.mean((3, 4)) * there).sum(1) / there.sum(1)  # (B, D)
    return gcn.fc(pooled), joint_weights(feature, formula=formula) * there


def random_inputs(specs: Sequence[TensorSpec], count: int, seed: int) -> dict[str, Tensor]:
    """Inputs of noise; every other clip has two persons.

    Args:
        specs: The inputs.
        count: B.
        seed: Of the noise.

    Returns:
        Tensors by name.
    """
    random = torch.Generator().manual_seed(seed)
    second = torch.arange(count) % 2 == 1
    inputs = {}
    for spec in specs:
        shape = (count, *spec.shape)
        if spec.dtype == "uint8":
            value = torch.randint(0, 256, shape, dtype=torch.uint8, generator=random)
        elif spec.name == "present":
            value = torch.stack([torch.ones_like(second), second], dim=1)
        elif spec.dtype == "bool":
            value = torch.rand(shape, generator=random) < 0.8
        elif spec.dtype == "int64":
            value = 1 + second.long()
        else:
            value = torch.rand(shape, generator=random) + 0.5
        inputs[spec.name] = value
    return inputs
