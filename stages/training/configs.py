"""What a training gets of the params: the trainer's settings, with what its device decides."""

from __future__ import annotations

from typing import Any

from stroi.pipeline.params.load import RunParams
from stroi.pipeline.params.profile import GcnParams, ResnetParams, WeightParams
from stroi.trainer.config import (
    GcnConfig,
    GcnSettings,
    Mode,
    ResNetConfig,
    ResNetSettings,
    Settings,
    Stream,
    WeightSettings,
)
from stroi.trainer.run.distributed import World
from stroi.trainer.runtime import pick_device, pick_precision


def gcn_config(params: GcnParams, stream: Stream, device: str = "cpu") -> GcnConfig:
    """The network of one stream."""
    precision = pick_precision(params.precision, pick_device(device))
    return GcnConfig(**_values(params, GcnSettings), stream=stream, precision=precision)


def resnet_config(
    params: ResnetParams, weights: WeightParams, mode: Mode, weight_scale: float | None = None
) -> ResNetConfig:
    """The RGB branch.

    Args:
        params: Of the branch.
        weights: Of the joint weights; only joint mode makes them, and knows how.
        mode: In which mode it trains.
        weight_scale: What divides the rows' weights in joint mode, if they are not scaled by clip.
    """
    values = _values(params, ResNetSettings)
    if mode == "joint":
        values |= _values(weights, WeightSettings) | {"weight_scale": weight_scale}
    precision = pick_precision(params.precision, pick_device(params.device))
    return ResNetConfig(**values, precision=precision)


def _values(params: Settings, kind: type[Settings]) -> dict[str, Any]:
    """Those of `params` that `kind` declares."""
    return {name: getattr(params, name) for name in kind.model_fields}


def check_params(world: World, run: RunParams) -> None:
    """Refuse processes that would train other networks, or another number of them, together.

    Raises:
        StroiError: ``TEAM_PARAMS``, in every process.
    """
    world.require_equal(
        "TEAM_PARAMS",
        f"has other params of run {run.name}",
        [run.run.model_dump(mode="json"), run.profile.model_dump(mode="json")],
        "give all machines the same params.yaml and profiles",
    )
