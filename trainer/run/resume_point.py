"""The checkpoint of a training on disk, so that it can go on to the identical result.

Order, augmentation and the seed of dropout are functions of the run's seed and the epoch's number.
A checkpoint from the middle of an epoch also has its batches' losses and the RNG states.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import SGD

from stroi.cache.errors import RefusedInput, StroiError
from stroi.trainer.config import Schedule
from stroi.trainer.network_files.safetensors_io import (
    DIVERGED,
    read_meta,
    read_tensors,
    write_tensors,
)
from stroi.trainer.run.distributed import SINGLE_PROCESS, World
from stroi.trainer.run.ema import BestWeights, WeightEma
from stroi.trainer.run.progress import EpochProgress, EpochRecord


@dataclass(frozen=True)
class TrainState:
    """All that steps change, on its device.

    Attributes:
        model: The network.
        network: What the forward pass of training calls: `model`, wrapped by
            DistributedDataParallel where several processes train.
        optimizer: Its optimiser.
        ema: Moving average of the weights, if there is one.
        best: Weights of the best epoch, if they are kept.
        world: The processes that train together.
    """

    model: nn.Module
    network: nn.Module
    optimizer: SGD
    ema: WeightEma | None
    best: BestWeights | None
    world: World

    @classmethod
    def create(
        cls,
        model: nn.Module,
        schedule: Schedule,
        world: World = SINGLE_PROCESS,
        lr_factors: Mapping[str, float] = MappingProxyType({}),
    ) -> TrainState:
        """The state before the first step.

        Args:
            model: The network; parameters that need no gradient are left out.
            schedule: Settings of the optimiser.
            world: The processes that train together.
            lr_factors: Factors of the learning rate by parameter, 1 where there is none.
        """
        optimizer = SGD(
            _parameter_groups(model, schedule, lr_factors),
            lr=schedule.lr,
            momentum=schedule.momentum,
            nesterov=schedule.nesterov,
            weight_decay=schedule.weight_decay,
        )
        return cls(
            model,
            world.wrap_ddp(model),
            optimizer,
            WeightEma(model, schedule.ema) if schedule.ema else None,
            BestWeights(model) if schedule.keep == "best" else None,
            world,
        )

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return next(self.model.parameters()).device

    def tensors(self, *, finished: bool = False) -> dict[str, Tensor]:
        """Tensors of a checkpoint by name; a finished run needs no momentum, half of the file."""
        tensors = _prefixed("model", self.model.state_dict()) | self.weight_copies()
        if finished:
            return tensors
        momenta = {}
        for name, value in self.model.named_parameters():
            buffer = self.optimizer.state[value].get("momentum_buffer")
            # A parameter that no step has moved yet has none.
            momenta[name] = torch.zeros_like(value) if buffer is None else buffer
        return tensors | _prefixed("momentum", momenta)

    def weight_copies(self) -> dict[str, Tensor]:
        """Moving average and best weights by name."""
        copies = {"ema": self.ema, "best": self.best}
        return {
            name: value
            for kind, copy in copies.items()
            if copy is not None
            for name, value in _prefixed(kind, copy.tensors).items()
        }


@dataclass(frozen=True)
class ResumePoint:
    """Where a run goes on.

    Attributes:
        records: One per finished epoch.
        progress: Of the epoch after them; None between two epochs.
        rng_state: RNG states inside an epoch, (processes, bytes) uint8 each: of the CPU and, where
            there is one, the GPU.
    """

    records: list[EpochRecord]
    progress: EpochProgress | None = None
    rng_state: Mapping[str, Tensor] = field(default_factory=dict)


def checkpoint_path(folder: Path, key: str) -> Path:
    """File that holds the checkpoint of the run with the key `key`."""
    return folder / f"{key[:32]}.safetensors"


def save_checkpoint(
    path: Path, key: str, state: TrainState, point: ResumePoint, *, finished: bool = False
) -> None:
    """Save everything the next step depends on, atomically.

    Args:
        path: Where to.
        key: Digest of the run's inputs and settings.
        state: Network, optimiser and weight copies.
        point: Where the run is.
        finished: Whether no step follows.
    """
    tensors = state.tensors(finished=finished) | _prefixed("rng_state", point.rng_state)
    meta: dict[str, Any] = {
        "key": key,
        "records": [asdict(record) for record in point.records],
        "finished": finished,
    }
    if point.progress is not None:
        meta["progress"] = point.progress.state_dict()
    write_tensors(path, tensors, meta)


def load_checkpoint(
    path: Path, key: str, state: TrainState, rng_state: Mapping[str, Tensor]
) -> ResumePoint:
    """Bring network, optimiser and weight copies to the checkpoint on disk.

    Args:
        path: Where it may be.
        key: Digest of the run's inputs and settings.
        state: Overwritten.
        rng_state: RNG states of today, for their names and shapes.

    Returns:
        Where the run goes on: at its beginning if there is no checkpoint of it.

    Raises:
        RefusedInput: If the file is damaged or holds another network.
        StroiError: ``WEIGHTS_NOT_FINITE`` if the training had diverged before it was saved.
    """
    meta = read_meta(path) if path.exists() else {}
    if meta.get("key") != key:
        return ResumePoint([])
    own = state.tensors(finished=meta.get("finished") is True)
    expected = own | (_prefixed("rng_state", rng_state) if "progress" in meta else {})
    try:
        tensors, meta = read_tensors(path, expected)
    except RefusedInput as error:
        if error.code != "PTH_NONFINITE":
            raise
        raise StroiError(
            "WEIGHTS_NOT_FINITE",
            f"{error.message}: this training diverged before its state was saved",
            remedy=f"{DIVERGED}; to repeat it as it was, delete the file",
        ) from error
    point = _resume_point(path, meta, tensors)
    with torch.no_grad():
        for name, value in own.items():
            value.copy_(tensors[name])
        for name, value in state.model.named_parameters():
            if f"momentum.{name}" in own:
                state.optimizer.state[value]["momentum_buffer"] = own[f"momentum.{name}"]
    return point


def _resume_point(
    path: Path, meta: Mapping[str, Any], tensors: Mapping[str, Tensor]
) -> ResumePoint:
    """Where a run goes on, out of the file's text, which is checked here."""
    try:
        records = [EpochRecord(**record) for record in meta["records"]]
        if "progress" not in meta:
            return ResumePoint(records)
        progress = EpochProgress.from_state(meta["progress"])
    except (KeyError, TypeError, ValueError):
        raise RefusedInput(
            "STATE", f"{path}: no readable epoch records", remedy="delete the file"
        ) from None
    prefix = "rng_state."
    rng_state = {
        name.removeprefix(prefix): value
        for name, value in tensors.items()
        if name.startswith(prefix)
    }
    return ResumePoint(records, progress, rng_state)


def _prefixed(kind: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {f"{kind}.{name}": value for name, value in tensors.items()}


def _parameter_groups(
    model: nn.Module, schedule: Schedule, lr_factors: Mapping[str, float]
) -> list[dict[str, Any]]:
    """Parameters that train, by the factor of their rate and whether weight decay holds for them.

    Those of one axis have none if the schedule says so.
    """
    groups: dict[tuple[float, bool], list[nn.Parameter]] = {}
    for name, value in model.named_parameters():
        if value.requires_grad:
            key = lr_factors.get(name, 1.0), schedule.decay_all or value.ndim > 1
            groups.setdefault(key, []).append(value)
    return [
        {
            "params": params,
            "lr_factor": factor,
            "weight_decay": schedule.weight_decay if decays else 0.0,
        }
        for (factor, decays), params in groups.items()
    ]
