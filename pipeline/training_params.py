"""Params of what is trained and of its results; part of a profile (`stroi.pipeline.profile`)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from stroi.pipeline.group import Group, Positive, Share


class ScheduleParams(Group):
    """Stochastic gradient descent as in the paper, section IV.B."""

    epochs: Positive = 65
    batch_size: Annotated[int, Field(ge=2)] = 64
    lr: Annotated[float, Field(gt=0.0)] = 0.1
    decay: Literal["steps", "cosine"] = "steps"
    """The rate falls at the milestones, or along half a cosine to 0."""
    milestones: tuple[Positive, ...] = (45, 55)
    """Epochs after which the learning rate is multiplied by `gamma`."""
    gamma: Annotated[float, Field(gt=0.0, le=1.0)] = 0.1
    momentum: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.9
    nesterov: bool = False
    weight_decay: Annotated[float, Field(ge=0.0)] = 1e-4
    decay_all: bool = True
    """Weight decay holds for biases and normalisation layers too."""
    warmup: Annotated[int, Field(ge=0)] = 0
    """Epochs of linear warm-up."""
    average: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    """Share of the old value in the running average of the network that becomes the result;
    0 for none, 0.999 is usual."""
    keep: Literal["last", "best"] = "last"
    """``best`` on the validation clips of the split, which then must have some."""
    accumulate: Positive = 1
    """Batches whose gradients make one step: a batch of their clips that needs less memory."""
    patience: Annotated[int, Field(ge=0)] = 0
    """Epochs without a higher validation accuracy that end the training early; 0 never does."""


Stream = Literal["joint", "bone", "joint_motion", "bone_motion"]


class AugmentParams(Group):
    """Random changes of the graph network's training clips, none by default; in joint mode too."""

    rotate: Annotated[float, Field(ge=0.0, le=180.0)] = 0.0
    """Largest turn about the vertical, in degrees; for joints of a sensor only."""
    tilt: Annotated[float, Field(ge=0.0, le=180.0)] = 0.0
    """Largest turn about each horizontal axis, or of estimated skeletons in the picture."""
    scale: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    """Largest share by which a clip grows or shrinks."""
    shear: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    """Largest share of an axis that is added to another."""
    crop: Annotated[float, Field(gt=0.0, le=1.0)] = 1.0
    """Smallest share of a clip that is shown, stretched to the whole length."""
    jitter: Annotated[float, Field(ge=0.0, le=4.0)] = 0.0
    """Reach of the random place in time of each frame, in frames."""
    warp: Share = 0.0
    """Share by which the steps from frame to frame are random; 1 is as if frames were drawn."""
    flip: Share = 0.0
    """Probability that left and right are exchanged; joint mode has `resnet.flip` instead."""
    hide_frames: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    """Probability that a frame is absent."""
    hide_joints: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    """Probability that a joint is absent."""


class GcnParams(Group):
    """The skeleton branch: an ST-GCN with eq. 3 (stage ``gcn``)."""

    model: Literal["stgcn", "ctrgcn"] = "stgcn"
    """The paper's network, or a stronger one whose graph adapts to the clip."""
    streams: Annotated[tuple[Stream, ...], Field(min_length=1)] = ("joint",)
    """What networks see, one network each; the first one's features give the joint weights."""
    stream_weights: tuple[Annotated[float, Field(ge=0.0)], ...] = ()
    """Factor of each stream's logits in their sum; 1 each when empty."""
    frames: Annotated[int, Field(ge=4)] = 64
    """Frames of a clip that the network sees."""
    fill: Literal["stretch", "repeat", "pad"] = "stretch"
    """How a clip of fewer frames gets them: resampled, played again, or followed by nothing."""
    centre: Literal["clip", "frame"] = "clip"
    """Joints relative to one origin of the clip, or to the body's centre in their frame."""
    align: Literal["none", "heading", "body"] = "none"
    """Turn a sensor's joints so that the body faces one way, or stands upright as well."""
    size: Literal["measured", "clip"] = "measured"
    """Clips as large as they were measured, or every clip of one height about one place."""
    channels: tuple[Positive, ...] = (64, 64, 64, 64, 128, 128, 128, 256, 256, 256)
    """Output channels of each block."""
    strides: tuple[Annotated[int, Field(ge=1, le=4)], ...] = (1, 1, 1, 1, 2, 1, 1, 2, 1, 1)
    """Temporal stride of each block."""
    temporal_kernel: Annotated[int, Field(ge=1)] = 9
    """Frames seen by a temporal convolution; odd."""
    topologies: Positive = 8
    """Learnt topologies of a layer of ``ctrgcn``; as many as channels are its paper's."""
    dropout: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.5
    alpha: Annotated[float, Field(gt=0.0)] = 0.001
    """Of eq. 3: keeps empty rows of the adjacency invertible."""
    normalisation: Literal["two_sided", "eq3", "stgcn"] = "two_sided"
    """Of the adjacency: eq. 3 with row and column sums, to the letter, or ST-GCN's A D^-1."""
    loss: Literal["cross_entropy", "mse"] = "cross_entropy"
    smoothing: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    """Share of the cross-entropy's target that is spread over all classes."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """Of training's convolutions and products; ``auto`` is bf16 where the device has it."""
    augment: AugmentParams = AugmentParams()
    test_draws: Annotated[int, Field(ge=0, le=256)] = 0
    """Changed copies, as of `augment`, that a clip is scored in; their logits are averaged. 0
    scores the clip as it is."""
    schedule: ScheduleParams = ScheduleParams()

    @model_validator(mode="after")
    def _draws_change_something(self) -> GcnParams:
        if self.test_draws and self.augment == AugmentParams():
            raise ValueError(f"test_draws: {self.test_draws} without augment scores equal copies")
        return self

    @model_validator(mode="after")
    def _streams_differ_and_are_weighed(self) -> GcnParams:
        if len(set(self.streams)) < len(self.streams):
            raise ValueError("streams: name each once")
        if self.stream_weights and len(self.stream_weights) != len(self.streams):
            raise ValueError(
                f"{len(self.streams)} streams, {len(self.stream_weights)} stream_weights"
            )
        if self.stream_weights and not any(self.stream_weights):
            raise ValueError("stream_weights: all 0 leave no scores")
        return self

    @model_validator(mode="after")
    def _blocks_can_be_built(self) -> GcnParams:
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


class WeightParams(Group):
    """Joint weights, eq. 4 (stage ``weights``)."""

    joints: Literal["mean", "l2_top15"] = "mean"
    """A joint's weight: eq. 4, or as the published code (length over channels, 15 top frames).
    This, `bodies` and `scale` hold for the joint mode too."""
    bodies: Literal["strongest", "mean", "per_half"] = "strongest"
    """Whose weights a clip of two people gets."""
    scale: Literal["clip", "training"] = "clip"
    """A clip's rows: scaled to mean 1, or divided by the training clips' mean over all rows, as
    the trained graph network gives it; joint mode keeps that number while it trains on."""
    precision: Literal["auto", "fp32", "bf16"] = "fp32"
    """Of the network's convolutions; ``bf16`` is twice as fast and changes the third digit."""


class ResnetParams(Group):
    """The RGB branch: a ResNet on weighted mosaics, eq. 5 and 6 (stage ``resnet``)."""

    model: Literal["resnet18", "resnet34", "resnet50"] = "resnet18"
    """The paper's network, or a deeper one."""
    dropout: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    """Share of activations dropped within every residual block; 0.1 in the published code."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """Of convolutions and products; ``auto`` is bf16 where the device has instructions for it."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """``auto`` takes a GPU if there is one."""
    place: Literal["after", "before"] = "after"
    """Weights multiply after or before the colours are normalised."""
    missing: Literal["row", "zero"] = "row"
    """Weight of a missing joint's cell: its row's, or 0 (the mean colour if `place` is after)."""
    loss: Literal["cross_entropy", "mse"] = "cross_entropy"
    """``mse`` is eq. 6 to the letter."""
    flip: Share = 0.0
    """Probability that a training mosaic is mirrored, its rows and weights with it."""
    shift: Annotated[int, Field(ge=0, le=32)] = 0
    """Largest random shift of the picture inside a training mosaic's cells, in px."""
    brightness: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    """Largest share by which a training mosaic is made lighter or darker."""
    contrast: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    """Largest share by which its contrast changes."""
    saturation: Annotated[float, Field(ge=0.0, le=1.0)] = 0.0
    """Largest share by which its colours grow or fade."""
    erase: Share = 0.0
    """Probability that a rectangle of a training mosaic is blacked out."""
    erase_area: Annotated[float, Field(ge=0.02, le=1.0)] = 0.33
    """Largest share of the mosaic that is; the smallest is 0.02."""
    cell: Annotated[int, Field(ge=0, le=512)] = 0
    """Side in px that cells are resized to on the device, each alone; 0 takes the cache's."""
    order: Literal["shuffled", "windowed"] = "shuffled"
    """``windowed`` reads caches larger than memory in long runs and shuffles within windows."""
    window: Annotated[int, Field(ge=2)] = 4096
    """Clips of a window; two windows are in memory."""
    hold: Literal["auto", "never", "device"] = "auto"
    """Whether the device's memory holds all mosaics; ``auto`` on a GPU where they are at most
    half of what is free. The result is the same."""
    compile: Literal["none", "kernels", "graphs"] = "none"
    """``torch.compile`` of the ResNet in training, or that with CUDA graphs."""
    batch_norm: Literal["synchronised", "local"] = "synchronised"
    """Of several processes under torchrun: by the whole batch, as in one, or each by its part."""
    start: str | None = None
    """torchvision's `model` as a .safetensors or .pth file; from scratch when absent."""
    start_sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None
    """SHA-256 of that file; another one is refused. Any is taken when absent."""
    schedule: ScheduleParams = ScheduleParams()


def _alpha_is(value: object) -> str:
    return "rule" if isinstance(value, str) else "weight"


Alpha = Annotated[
    # Told apart first, so that a wrong value is one mistake and not one for each kind.
    Annotated[Annotated[float, Field(ge=0.0)], Tag("weight")]
    | Annotated[Literal["validation"], Tag("rule")],
    Discriminator(_alpha_is),
]


class EnsembleParams(Group):
    """Summing the two branches' scores (stage ``ensemble``)."""

    scores: Literal["logits", "softmax"] = "logits"
    """What is summed."""
    alpha: Alpha = 1.0
    """Weight of the RGB branch, the skeleton branch has 1; ``validation`` chooses it on the
    split's validation clips, for every seed and ensemble."""
    pairs: dict[str, tuple[str, str]] = Field(default_factory=dict)
    """Pairs of classes to tell apart on their own, by a name for the pair (as in Fig. 1)."""
