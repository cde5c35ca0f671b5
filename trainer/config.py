"""What a training run is told: schedule and model settings, as plain frozen values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Precision = Literal["fp32", "bf16"]
Loss = Literal["cross_entropy", "mse"]
Bodies = Literal["strongest", "mean", "per_half"]
Normalisation = Literal["two_sided", "eq3", "stgcn"]
Place = Literal["after", "before"]
Missing = Literal["row", "zero"]
Mode = Literal["plain", "fixed", "joint"]


@dataclass(frozen=True)
class Schedule:
    """Optimiser and learning-rate schedule; the defaults are the paper's (section IV.B).

    The paper names SGD, the rates, epochs and batch size; momentum and weight decay are the
    usual choice of the field.

    Attributes:
        epochs: Passes over the training set.
        batch_size: Clips per step.
        lr: Learning rate before the first milestone.
        milestones: Epochs (counted from 0) at whose start the rate is multiplied by `gamma`.
        gamma: Factor of a milestone.
        momentum: Momentum of SGD.
        nesterov: Nesterov's form of the momentum.
        weight_decay: L2 penalty on every parameter.
        warmup: Epochs in which the rate rises linearly to `lr`.
    """

    epochs: int = 65
    batch_size: int = 64
    lr: float = 0.1
    milestones: tuple[int, ...] = (45, 55)
    gamma: float = 0.1
    momentum: float = 0.9
    nesterov: bool = False
    weight_decay: float = 1e-4
    warmup: int = 0


@dataclass(frozen=True)
class GcnConfig:
    """Shape and input of the ST-GCN (paper, sections III.B and III.C).

    Attributes:
        frames: T, frames every clip is resampled to.
        channels: Output channels of each block; the default is ST-GCN's ten blocks.
        strides: Temporal stride of each block.
        temporal_kernel: Gamma, frames seen by a temporal convolution; odd.
        dropout: Share of activations dropped at the end of each block.
        alpha: Added to the diagonal of Lambda so that no row is empty (eq. 3).
        normalisation: Of the adjacency (eq. 3): ``two_sided`` (row sums on the left, column sums
            on the right), ``eq3`` (row sums on both sides, to the letter) or ``stgcn``; see
            `stroi.trainer.graph.adjacency`.
        loss: Loss of the skeleton branch.
        precision: ``bf16`` runs convolutions and products of training in bfloat16.
    """

    frames: int = 64
    channels: tuple[int, ...] = (64, 64, 64, 64, 128, 128, 128, 256, 256, 256)
    strides: tuple[int, ...] = (1, 1, 1, 1, 2, 1, 1, 2, 1, 1)
    temporal_kernel: int = 9
    dropout: float = 0.5
    alpha: float = 0.001
    normalisation: Normalisation = "two_sided"
    loss: Loss = "cross_entropy"
    precision: Precision = "fp32"


@dataclass(frozen=True)
class ResNetConfig:
    """The RGB branch and how weights reach it (paper, sections III.E and III.F).

    Attributes:
        loss: ``mse`` is eq. 6; ``cross_entropy`` is what all published code trains with.
        place: Whether row weights multiply the mosaic ``after`` or ``before`` normalisation.
        missing: Weight of a cell whose joint is missing, in every mode: that of its ``row``, or
            ``zero``, which shows the mean colour where weights come after normalisation. A
            missing cell's pixels are black (`stroi.cache.mosaics`, `valid`).
        bodies: Joint mode only: which body weighs which half of a two-person mosaic.
        flip: Probability that a training mosaic is mirrored.
        shift: Largest shift in px of the picture inside every cell of a training mosaic.
        precision: ``bf16`` runs convolutions and products in bfloat16.
    """

    loss: Loss = "cross_entropy"
    place: Place = "after"
    missing: Missing = "row"
    bodies: Bodies = "strongest"
    flip: float = 0.0
    shift: int = 0
    precision: Precision = "fp32"
