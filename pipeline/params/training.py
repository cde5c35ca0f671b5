"""Params of training and of results: part of `stroi.pipeline.params.profile`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from stroi.pipeline.params.base import ParamsModel
from stroi.trainer.config import (
    BatchNorm,
    Count,
    GcnSettings,
    LoaderConfig,
    ResNetSettings,
    Schedule,
    SkeletonAugment,
    Stream,
    WantedPrecision,
    WeightSettings,
)
from stroi.trainer.plugins import NameOf

Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


IMAGENET_MODELS: tuple[str, ...] = ("efficientnet_lite0",)
"""Image networks whose ImageNet weights are in a package."""


class GcnParams(GcnSettings):
    """The skeleton branch: an ST-GCN with eq. 3 (stage ``gcn``)."""

    streams: Annotated[tuple[Stream, ...], Field(min_length=1)] = ("joint",)
    """Input streams, one network each; the first one's features give the joint weights."""
    stream_weights: tuple[Annotated[float, Field(ge=0.0)], ...] = ()
    """Factor of each stream's logits in their sum; 1 each when empty."""
    precision: WantedPrecision = "auto"
    """Of convolutions and matrix products in training; ``auto`` is bf16 where the device has it."""
    tta_copies: Annotated[Count, Field(le=256)] = 0
    """Test-time augmentation: copies of a clip, changed by `augment`, whose logits are averaged;
    0 scores the clip as it is."""
    start: Annotated[str, Field(min_length=1)] = "none"
    """Network that training starts from, but for its classifier: ``none``, or a checkpoint of
    stage gcn with the same shape and joints. With one stream only."""
    start_sha256: Sha256 | None = None
    """SHA-256 of that file; another one is refused. Any is taken when absent."""
    schedule: Schedule = Schedule()

    @model_validator(mode="after")
    def _start_is_of_one_stream(self) -> GcnParams:
        if self.start != "none" and len(self.streams) > 1:
            raise ValueError("start: a file is of one stream; name one stream, or set it to none")
        if self.start == "none" and self.start_sha256 is not None:
            raise ValueError("start_sha256: it belongs to a file, name that in start or remove it")
        return self

    @model_validator(mode="after")
    def _copies_differ(self) -> GcnParams:
        if self.tta_copies and self.augment == SkeletonAugment():
            raise ValueError(f"tta_copies: {self.tta_copies} without augment scores equal copies")
        return self

    @model_validator(mode="after")
    def _streams_are_valid(self) -> GcnParams:
        if len(set(self.streams)) < len(self.streams):
            raise ValueError("streams: name each once")
        if self.stream_weights and len(self.stream_weights) != len(self.streams):
            raise ValueError(
                f"{len(self.streams)} streams, {len(self.stream_weights)} stream_weights"
            )
        if self.stream_weights and not any(self.stream_weights):
            raise ValueError("stream_weights: all 0 leave no scores")
        return self


class WeightParams(WeightSettings):
    """Joint weights, eq. 4 (stage ``weights``)."""

    scale: Literal["clip", "training"] = "clip"
    """A clip's rows: scaled to mean 1, or divided by the training clips' mean over all rows, as
    the trained graph network gives it; end-to-end mode keeps that number while it trains on."""
    precision: WantedPrecision = "fp32"
    """Of the network's convolutions; ``bf16`` is twice as fast and changes the third digit."""


class ResnetParams(LoaderConfig, ResNetSettings):
    """The RGB branch: an image network on weighted mosaics, eq. 5 and 6 (stage ``resnet``)."""

    precision: WantedPrecision = "auto"
    """Of convolutions and products; ``auto`` is bf16 where the device has instructions for it."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """``auto`` takes a GPU if there is one."""
    batch_norm: BatchNorm = "synchronised"
    """Of several GPUs under torchrun: by the whole batch, as in one, or each by its own clips.
    Processes on CPUs always normalise by their own clips."""
    start: Annotated[str, Field(min_length=1)] = "none"
    """Weights that training starts from: ``none``; ``imagenet``, of efficientnet_lite0 alone, which
    needs stroi[imagenet]; a checkpoint of stage resnet; or a .safetensors or .pth file of `model`,
    a ResNet's of torchvision. The classifier is always new."""
    start_sha256: Sha256 | None = None
    """SHA-256 of that file; another one is refused. Any is taken when absent."""
    schedule: Schedule = Schedule()

    @model_validator(mode="after")
    def _start_can_be_had(self) -> ResnetParams:
        if self.start == "imagenet" and self.model not in IMAGENET_MODELS:
            raise ValueError(
                f"start: no package has ImageNet weights of {self.model}; set model to"
                f" {' or '.join(IMAGENET_MODELS)}, or start to a file of {self.model}"
            )
        if self.start in ("none", "imagenet") and self.start_sha256 is not None:
            raise ValueError("start_sha256: it belongs to a file, name that in start or remove it")
        if self.start == "none" and (self.frozen_stages or self.frozen_batch_norm):
            raise ValueError(
                "start: with none, frozen_stages and frozen_batch_norm would keep random layers;"
                " name a start, or set them to 0 and false"
            )
        return self


def _alpha_is(value: object) -> str:
    return "rule" if isinstance(value, str) else "weight"


Alpha = Annotated[
    # The tag comes first, so that a wrong value is one mistake and not one per kind.
    Annotated[Annotated[float, Field(ge=0.0)], Tag("weight")]
    | Annotated[Literal["validation"], Tag("rule")],
    Discriminator(_alpha_is),
]


class EnsembleParams(ParamsModel):
    """Summing the two branches' scores (stage ``ensemble``)."""

    scores: Literal["logits", "softmax"] = "logits"
    """What is summed: logits or probabilities."""
    alpha: Alpha = 1.0
    """Weight of the RGB branch, the skeleton branch has 1; ``validation`` chooses it on the
    split's validation clips, for every seed and ensemble."""
    methods: tuple[Annotated[str, NameOf("methods")], ...] = ()
    """Further rows of the table, by the names of plug-ins."""
    pairs: dict[str, tuple[str, str]] = Field(default_factory=dict)
    """Pairs of classes whose confusion is reported, by a name for the pair (as in Fig. 1)."""
