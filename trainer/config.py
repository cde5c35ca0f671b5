"""What a training run is told: schedule and model settings, as plain frozen values."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, is_dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Precision = Literal["fp32", "bf16"]
WantedPrecision = Literal["auto", "fp32", "bf16"]
Loss = Literal["cross_entropy", "mse"]
Bodies = Literal["strongest", "mean", "per_half"]
JointWeight = Literal["mean", "l2_top15"]
Normalisation = Literal["two_sided", "eq3", "stgcn"]
Place = Literal["after", "before"]
Missing = Literal["row", "zero"]
Mode = Literal["plain", "fixed", "joint"]
Backbone = Literal["stgcn", "ctrgcn"]
Residual = Literal["resnet18", "resnet34", "resnet50"]
Stream = Literal["joint", "bone", "joint_motion", "bone_motion"]
Align = Literal["none", "heading", "body"]
Fill = Literal["stretch", "repeat", "pad"]
Centre = Literal["clip", "frame"]
Size = Literal["measured", "clip"]
Decay = Literal["steps", "cosine"]
Keep = Literal["last", "best"]
Order = Literal["shuffled", "windowed"]
Hold = Literal["auto", "never", "device"]
Compile = Literal["none", "kernels", "graphs"]
BatchNorm = Literal["synchronised", "local"]

LATER = {"later": True}
"""Metadata of a field whose default is what was done before there was such a field."""


def told(config: DataclassInstance) -> dict[str, Any]:
    """Settings as JSON values, without those `LATER` ones that are at their default.

    So a setting that is added changes no key and no checkpoint of a run that does not use it.

    Args:
        config: Settings.

    Returns:
        Values by field name, nested ones too.
    """
    unused = {
        each.name
        for each in fields(config)
        if each.metadata.get("later") and getattr(config, each.name) == each.default
    }
    values = {name: value for name, value in vars(config).items() if name not in unused}
    return {
        name: told(value) if is_dataclass(value) and not isinstance(value, type) else value
        for name, value in values.items()
    }


@dataclass(frozen=True)
class Schedule:
    """Optimiser and learning-rate schedule; the defaults are the paper's (section IV.B).

    The paper names SGD, the rates, epochs and batch size; momentum and weight decay are the
    usual choice of the field.

    Attributes:
        epochs: Passes over the training set.
        batch_size: Clips per step.
        lr: Learning rate before the first milestone.
        decay: ``steps`` at the milestones, or half a ``cosine`` from `lr` to 0 after the warm-up.
        milestones: Epochs (counted from 0) at whose start the rate is multiplied by `gamma`.
        gamma: Factor of a milestone.
        momentum: Momentum of SGD.
        nesterov: Nesterov's form of the momentum.
        weight_decay: L2 penalty on every parameter.
        decay_all: Whether the penalty holds for biases, normalisation layers and other
            parameters of one axis as well.
        warmup: Epochs in which the rate rises linearly to `lr`.
        average: Share of the old value in the running average of the network after every step,
            0 for none; the averaged network is the result.
        keep: Which epoch's network is the result: the ``last``, or the ``best`` on the validation
            clips, the earlier of two that are as good.
        accumulate: Batches whose gradients make one step together, as the mean over their clips;
            the last step of an epoch takes what is left. Batch normalisation sees each batch.
        patience: Epochs in a row without a higher validation accuracy that end the training; 0
            never ends it early.
    """

    epochs: int = 65
    batch_size: int = 64
    lr: float = 0.1
    decay: Decay = "steps"
    milestones: tuple[int, ...] = (45, 55)
    gamma: float = 0.1
    momentum: float = 0.9
    nesterov: bool = False
    weight_decay: float = 1e-4
    decay_all: bool = True
    warmup: int = 0
    average: float = 0.0
    keep: Keep = "last"
    accumulate: int = field(default=1, metadata=LATER)
    patience: int = field(default=0, metadata=LATER)


@dataclass(frozen=True)
class Augment:
    """Random changes of training clips; by default none.

    Attributes:
        rotate: Largest turn about the vertical in degrees; nothing for skeletons in pixels.
        tilt: Largest turn about either horizontal axis in degrees; for skeletons in pixels the
            turn within the picture.
        scale: Largest share by which a clip grows or shrinks.
        shear: Largest share of an axis that is added to another, drawn for each pair.
        crop: Smallest share of a clip that is shown, stretched to the whole length; 1 shows all.
        jitter: Reach of the random place in time of each frame, in frames.
        warp: Share by which the steps from frame to frame are random: 0 for even steps; with 1
            the frames are as if drawn from the clip and put in order.
        flip: Probability that left and right are exchanged.
        hide_frames: Probability that a frame is absent.
        hide_joints: Probability that a joint is absent.
    """

    rotate: float = 0.0
    tilt: float = 0.0
    scale: float = 0.0
    shear: float = 0.0
    crop: float = 1.0
    jitter: float = 0.0
    flip: float = 0.0
    hide_frames: float = 0.0
    hide_joints: float = 0.0
    warp: float = field(default=0.0, metadata=LATER)


@dataclass(frozen=True)
class GcnConfig:
    """Shape and input of the graph network (paper, sections III.B and III.C).

    Attributes:
        model: ``stgcn``, the paper's, or ``ctrgcn``, see `stroi.trainer.ctrgcn`.
        stream: What it sees, see `stroi.trainer.streams`.
        frames: T, frames of every clip that it sees.
        fill: How a clip gets them, see `stroi.trainer.skeletons.to_length`.
        centre: Joints are relative to one origin of the ``clip``, or to the body's centre in
            their ``frame``, see `stroi.trainer.streams.centred`.
        align: How a sensor's joints are turned, see `stroi.trainer.alignment`.
        size: Clips are as large as they were ``measured``, or each as high as every other
            (``clip``), see `stroi.trainer.streams.sized`.
        channels: Output channels of each block; the default is ST-GCN's ten blocks.
        strides: Temporal stride of each block.
        temporal_kernel: Gamma, frames seen by a temporal convolution; odd.
        topologies: Learnt topologies of a layer of ``ctrgcn``.
        dropout: Share of activations dropped at the end of each block.
        alpha: Added to the diagonal of Lambda so that no row is empty (eq. 3).
        normalisation: Of the adjacency (eq. 3): ``two_sided`` (row sums on the left, column sums
            on the right), ``eq3`` (row sums on both sides, to the letter) or ``stgcn``; see
            `stroi.trainer.graph.adjacency`.
        loss: Loss of the skeleton branch.
        smoothing: Share of the cross-entropy's target that is spread over all classes.
        precision: ``bf16`` runs convolutions and products of training in bfloat16.
        augment: Random changes of training clips.
    """

    model: Backbone = "stgcn"
    stream: Stream = "joint"
    frames: int = 64
    fill: Fill = "stretch"
    centre: Centre = "clip"
    align: Align = "none"
    channels: tuple[int, ...] = (64, 64, 64, 64, 128, 128, 128, 256, 256, 256)
    strides: tuple[int, ...] = (1, 1, 1, 1, 2, 1, 1, 2, 1, 1)
    temporal_kernel: int = 9
    topologies: int = 8
    dropout: float = 0.5
    alpha: float = 0.001
    normalisation: Normalisation = "two_sided"
    loss: Loss = "cross_entropy"
    smoothing: float = 0.0
    precision: Precision = "fp32"
    augment: Augment = Augment()
    size: Size = field(default="measured", metadata=LATER)

    @property
    def preparation(self) -> dict[str, Any]:
        """What `stroi.trainer.skeletons.prepare` is told beside the clip."""
        return {"frames": self.frames, "fill": self.fill, "align": self.align}


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
        joints: Joint mode only: the formula of eq. 4, see `stroi.trainer.joint_weights`.
        constant: Joint mode only: divides the weights of all rows, > 0, see
            `stroi.trainer.joint_weights.training_constant`; None scales every clip's to mean 1.
        model: Depth of the network.
        dropout: Share of activations dropped between the convolutions of every residual block.
        flip: Probability that a training mosaic is mirrored.
        shift: Largest shift in px of the picture inside every cell of a training mosaic.
        precision: ``bf16`` runs convolutions and products in bfloat16.
        brightness: Largest share by which a training mosaic is made lighter or darker.
        contrast: Largest share by which its contrast changes.
        saturation: Largest share by which its colours grow or fade.
        erase: Probability that a rectangle of a training mosaic is blacked out.
        erase_area: Largest share of the mosaic that is.
        cell: Side in px that cells are resized to on the device, one by one, before all else, in
            training and scoring; 0 leaves them as the cache has them.
    """

    loss: Loss = "cross_entropy"
    place: Place = "after"
    missing: Missing = "row"
    bodies: Bodies = "strongest"
    flip: float = 0.0
    shift: int = 0
    precision: Precision = "fp32"
    brightness: float = field(default=0.0, metadata=LATER)
    contrast: float = field(default=0.0, metadata=LATER)
    saturation: float = field(default=0.0, metadata=LATER)
    erase: float = field(default=0.0, metadata=LATER)
    erase_area: float = field(default=0.33, metadata=LATER)
    cell: int = field(default=0, metadata=LATER)
    joints: JointWeight = field(default="mean", metadata=LATER)
    constant: float | None = field(default=None, metadata=LATER)
    model: Residual = field(default="resnet18", metadata=LATER)
    dropout: float = field(default=0.0, metadata=LATER)


@dataclass(frozen=True)
class Feeding:
    """How a training set's mosaics reach the network.

    Attributes:
        order: ``shuffled`` over the whole set, or ``windowed``: read in long runs from disk and
            shuffled within a window, see `stroi.trainer.windows`.
        window: Clips of a window.
        hold: Whether the device's memory holds the whole set, see `stroi.trainer.held.hold`; no
            result depends on it.
        compile: What compiles the ResNet for training: nothing, ``torch.compile``, or that with
            CUDA graphs.
    """

    order: Order = "shuffled"
    window: int = 4096
    hold: Hold = "auto"
    compile: Compile = "none"
