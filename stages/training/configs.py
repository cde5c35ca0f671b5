"""The trainer's settings: from the params, and from the device that a stage trains on."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from stroi.pipeline.params.profile import GcnParams, ResnetParams, WeightParams
from stroi.stages.training.training_log import NO_LOGS, LogFolders, log_epochs
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
from stroi.trainer.run.distributed import SINGLE_PROCESS, World
from stroi.trainer.run.progress import EpochRecord
from stroi.trainer.run.run_options import OnEpoch
from stroi.trainer.runtime import pick_device, pick_precision


@dataclass(frozen=True)
class Resources:
    """What a training stage runs with; none of it changes a result.

    Attributes:
        threads: CPU threads.
        world: The processes that train together.
        device: Device of the graph network; the params name that of the ResNet.
        logs: Where the trainings are logged.
    """

    threads: int
    world: World = SINGLE_PROCESS
    device: str = "cpu"
    logs: LogFolders = NO_LOGS

    def log_epochs(
        self, records: list[EpochRecord], epochs: int, label: str, name: str
    ) -> AbstractContextManager[OnEpoch | None]:
        """As `stroi.stages.training.training_log.log_epochs`; only the leader logs."""
        if not self.world.is_leader:
            return nullcontext()
        return log_epochs(records, epochs, label, name, self.logs)


def gcn_config(params: GcnParams, stream: Stream, device: str = "cpu") -> GcnConfig:
    """Settings of the graph network of one stream."""
    precision = pick_precision(params.precision, pick_device(device))
    return GcnConfig(**_values(params, GcnSettings), stream=stream, precision=precision)


def resnet_config(
    params: ResnetParams, weights: WeightParams, mode: Mode, weight_scale: float | None = None
) -> ResNetConfig:
    """Settings of the RGB branch.

    Args:
        params: Params of the branch.
        weights: Params of the joint weights; end-to-end mode alone computes them.
        mode: The mode.
        weight_scale: Divisor of the row weights in end-to-end mode; None if each clip scales its
            own.
    """
    values = _values(params, ResNetSettings)
    if mode == "end-to-end":
        values |= _values(weights, WeightSettings) | {"weight_scale": weight_scale}
    precision = pick_precision(params.precision, pick_device(params.device))
    return ResNetConfig(**values, precision=precision)


def _values(params: Settings, kind: type[Settings]) -> dict[str, Any]:
    """The values of `params` that `kind` declares."""
    return {name: getattr(params, name) for name in kind.model_fields}
