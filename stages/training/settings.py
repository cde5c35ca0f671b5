"""The trainer's form of the params."""

from __future__ import annotations

from dataclasses import fields

from stroi.pipeline.profile import GcnParams, ResnetParams, ScheduleParams, WeightParams
from stroi.trainer.config import Augment, Feeding, GcnConfig, Mode, ResNetConfig, Schedule, Stream
from stroi.trainer.runtime import pick_device, pick_precision

FEEDING = tuple(each.name for each in fields(Feeding))
"""Params of the RGB branch that its network does not know."""


def schedule_of(params: ScheduleParams) -> Schedule:
    """The trainer's form of a schedule."""
    return Schedule(**params.model_dump())


def gcn_config(params: GcnParams, stream: Stream, device: str = "cpu") -> GcnConfig:
    """The trainer's form of the skeleton branch's params, for the network of one stream."""
    apart = {"schedule", "streams", "stream_weights", "augment", "test_draws", "precision"}
    values = params.model_dump(exclude=apart)
    augment = Augment(**params.augment.model_dump())
    precision = pick_precision(params.precision, pick_device(device))
    return GcnConfig(stream=stream, augment=augment, precision=precision, **values)


def resnet_config(
    params: ResnetParams, weights: WeightParams, mode: Mode, constant: float | None = None
) -> ResNetConfig:
    """The trainer's form of the RGB branch's params.

    Args:
        params: Of the branch.
        weights: Of the joint weights; only joint mode makes them, and knows how.
        mode: In which mode it trains.
        constant: What divides the rows' weights in joint mode, if they are not scaled by clip.
    """
    apart = {"schedule", "device", "start", "start_sha256", "precision", "batch_norm", *FEEDING}
    values = params.model_dump(exclude=apart)
    values["precision"] = pick_precision(params.precision, pick_device(params.device))
    if mode == "joint":
        values |= {"joints": weights.joints, "bodies": weights.bodies, "constant": constant}
    return ResNetConfig(**values)


def feeding_of(params: ResnetParams) -> Feeding:
    """How the RGB branch's mosaics reach it."""
    return Feeding(**params.model_dump(include=set(FEEDING)))
