"""The networks as they leave stroi: one graph from mosaics to logits, for any number of clips.

Everything between is inside: normalisation, weights, the flags of missing cells, and where a graph
network takes part its stream, its features and eq. 4.

Legend of shapes: B clips, M = 2 persons, T frames, V joints, K rows, L columns, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from stroi.cache.errors import ParamsError
from stroi.trainer.config import PersonPooling, WeightFormula
from stroi.trainer.models.graph_net import GraphNet
from stroi.trainer.models.joint_attention import joint_weights, row_weights, shown_weights
from stroi.trainer.models.weighted_mosaic_net import WeightedMosaicNet

PERSONS = 2


@dataclass(frozen=True)
class TensorSpec:
    """One input or output of a graph.

    Attributes:
        name: Its name.
        dtype: ``uint8``, ``int64``, ``float32`` or ``bool``.
        shape: Axes behind the first one, which counts clips and may have any length.
        about: What it is, in a few words.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    about: str


@dataclass(frozen=True)
class WeightRule:
    """How a graph network inside makes row weights.

    Attributes:
        formula: Of eq. 4.
        person_pooling: Which body weighs which half.
        scale: Divides all rows; None scales each clip's to mean 1.
    """

    formula: WeightFormula
    person_pooling: PersonPooling
    scale: float | None


class ExportModule(nn.Module):
    """What is exported.

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
        picture = (cells.rows * cells.height, cells.columns * cells.width, 3)
        flags = (PERSONS, cells.columns, cells.rows)
        self.inputs = (TensorSpec("mosaics", "uint8", picture, "height, width, RGB"),)
        if model.config.missing == "zero":
            about = "left and right half, columns, rows: whether it shows a joint"
            self.inputs += (TensorSpec("shown", "bool", flags, about),)
        self.outputs = (TensorSpec("logits", "float32", (len(model.classes),), "one per class"),)


class PlainExport(ExportModule):
    """Mosaics to logits."""

    def forward(self, mosaics: Tensor, shown: Tensor | None = None) -> tuple[Tensor]:
        """(B, H, W, 3) uint8, and (B, 2, L, K) bool if missing cells weigh 0."""
        return (self.model(mosaics, cell_valid=shown)[0],)


class WeightedExport(ExportModule):
    """Mosaics and row weights to logits."""

    def __init__(self, model: WeightedMosaicNet) -> None:
        super().__init__(model)
        about = "left and right half, rows: what each is multiplied by"
        self.inputs += (TensorSpec("weights", "float32", (PERSONS, model.cells.rows), about),)

    def forward(
        self, mosaics: Tensor, weights: Tensor, shown: Tensor | None = None
    ) -> tuple[Tensor]:
        """As `PlainExport`; weights (B, 2, K)."""
        return (self.model(mosaics, weights, cell_valid=shown)[0],)


class SkeletonExport(ExportModule):
    """Mosaics and prepared skeletons to the logits of both branches, and the weights between.

    Args:
        model: The RGB branch.
        gcn: The graph network whose features weigh the rows.
        weighing: How they do.
    """

    def __init__(self, model: WeightedMosaicNet, gcn: GraphNet, weighing: WeightRule) -> None:
        super().__init__(model)
        # In joint mode it is a part of the model already.
        self.gcn, self.weighing = gcn, weighing
        clip = (PERSONS, gcn.config.frames, len(gcn.layout.joints), 3)
        self.inputs += (
            TensorSpec(
                "skeletons", "float32", clip, "persons, frames, joints, axes: prepared clips"
            ),
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
        shown: Tensor | None = None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """As `PlainExport`; skeletons (B, M, T, V, 3), present (B, M) bool, persons (B,)."""
        how = self.weighing
        skeleton_logits, joint = run_all_persons(self.gcn, skeletons, present, how.formula)
        weights = row_weights(
            joint, present, bodies=how.person_pooling, layout=self.gcn.layout, constant=how.scale
        )
        weights = shown_weights(weights, persons)
        return self.model(mosaics, weights, cell_valid=shown)[0], weights, skeleton_logits


def run_all_persons(
    gcn: GraphNet, x: Tensor, present: Tensor, kind: WeightFormula
) -> tuple[Tensor, Tensor]:
    """What a graph network in evaluation mode says, by operations whose shapes are known before.

    The network itself leaves absent persons out, and how many are left depends on the values of
    `present`. Here they go through as well and are left out of the result. In evaluation mode no
    body depends on another, so the numbers are the same.

    Args:
        gcn: The network, in evaluation mode.
        x: (B, M, T, V, 3) prepared clips.
        present: (B, M) bool.
        kind: Formula of eq. 4.

    Returns:
        (B, C) logits and (B, M, V) joint weights, 0 for absent persons.
    """
    bodies = gcn.stream(x).flatten(0, 1)
    flat = gcn.features(bodies)
    feature = flat.reshape(-1, PERSONS, *flat.shape[1:])
    there = present.to(feature.dtype)[..., None]
    pooled = (feature.mean((3, 4)) * there).sum(1) / there.sum(1)
    return gcn.fc(pooled), joint_weights(feature, kind=kind) * there


def export_module(
    model: WeightedMosaicNet, *, gcn: GraphNet | None = None, weighing: WeightRule | None = None
) -> ExportModule:
    """The graph of a trained network, in evaluation mode.

    Args:
        model: The network.
        gcn: Fixed mode only: the graph network that made the weights, to take it in; None leaves
            weights an input.
        weighing: How `gcn` made them.

    Raises:
        ParamsError: ``EXPORT_CELL`` if the network resizes cells first (`resnet.cell`): it does
            not know from which size, and the file could not tell which mosaics it takes.
        ValueError: If a graph network is given to another mode, or one of the two alone.
    """
    if model.config.cell:
        raise ParamsError(
            "EXPORT_CELL",
            f"this network resizes every cell to {model.config.cell} px first (resnet.cell),"
            " and that step cannot be exported",
            remedy=f"cut mosaics of that size (mosaics.size:"
            f" {model.cells.rows * model.config.cell}), set resnet.cell: 0 and train anew",
        )
    if (gcn is None) != (weighing is None) or (gcn is not None and model.mode != "fixed"):
        raise ValueError(f"{model.mode} mode: a graph network and its weighing go to fixed mode")
    if model.gcn is not None:
        config = model.config
        own = WeightRule(config.formula, config.person_pooling, config.weight_scale)
        return _evaluating(SkeletonExport(model, model.gcn, own))
    if gcn is not None and weighing is not None:
        return _evaluating(SkeletonExport(model, gcn, weighing))
    return _evaluating(WeightedExport(model) if model.mode == "fixed" else PlainExport(model))


def _evaluating(graph: ExportModule) -> ExportModule:
    return graph.eval().requires_grad_(False)


def random_inputs(ports: Sequence[TensorSpec], count: int, seed: int) -> dict[str, Tensor]:
    """`count` clips of noise that fit the inputs; two persons in every other clip.

    Args:
        ports: The inputs.
        count: B.
        seed: Of the noise.

    Returns:
        Tensors by name.
    """
    random = torch.Generator().manual_seed(seed)
    second = torch.arange(count) % 2 == 1
    found = {}
    for port in ports:
        shape = (count, *port.shape)
        if port.dtype == "uint8":
            found[port.name] = torch.randint(0, 256, shape, dtype=torch.uint8, generator=random)
        elif port.name == "present":
            found[port.name] = torch.stack([torch.ones_like(second), second], dim=1)
        elif port.dtype == "bool":
            found[port.name] = torch.rand(shape, generator=random) < 0.8
        elif port.dtype == "int64":
            found[port.name] = 1 + second.long()
        else:
            found[port.name] = torch.rand(shape, generator=random) + 0.5
    return found
