"""The state of a training run on disk, so that it can go on to the identical result.

Order and noise of an epoch are functions of the seed and the epoch's number. A state from the
middle of one has its batches' losses and the random generators' states as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import SGD

from stroi.cache.errors import RefusedInput, StroiError
from stroi.trainer.network_files.safetensors_io import (
    DIVERGED,
    read_meta,
    read_tensors,
    write_tensors,
)
from stroi.trainer.run.progress import EpochProgress, read_progress


@dataclass(frozen=True)
class EpochRecord:
    """What one epoch of training gave.

    Attributes:
        epoch: Number, from 0.
        loss: Mean training loss over the clips.
        accuracy: Share of training clips classified correctly while training, 0 to 1.
        lr: Learning rate.
        seconds: Wall time.
        samples_per_second: Clips per second of wall time.
        validation_loss: Mean loss over the validation clips in evaluation mode; None without
            any, or if it is not finite.
        validation_accuracy: Share of them classified correctly, 0 to 1; None without any.
        wait: Share of the wall time in which the loop waited for batches, 0 to 1.
        gpu: Mean share of time in which the GPU worked, 0 to 1, as its driver samples it; None
            without a GPU, or without the package that asks the driver.
    """

    epoch: int
    loss: float
    accuracy: float
    lr: float
    seconds: float
    samples_per_second: float
    validation_loss: float | None = None
    validation_accuracy: float | None = None
    wait: float = 0.0
    gpu: float | None = None


Copies = Mapping[str, Mapping[str, Tensor]]
"""Tensors by name of other states of the network that go with a run, by what they are."""


def state_path(folder: Path, key: str) -> Path:
    """File that holds the state of the run whose inputs and settings have the digest `key`."""
    return folder / f"{key[:32]}.safetensors"


@dataclass(frozen=True)
class ResumePoint:
    """Where a run is.

    Attributes:
        records: One per finished epoch.
        within: What the epoch after them has given so far; None between two epochs.
        noise: States of the random generators inside an epoch, see `stroi.trainer.run.noise`.
    """

    records: list[EpochRecord]
    within: EpochProgress | None = None
    noise: Mapping[str, Tensor] = field(default_factory=dict)


def save_state(
    path: Path,
    key: str,
    model: nn.Module,
    optimizer: SGD,
    at: ResumePoint,
    copies: Copies,
    *,
    finished: bool = False,
) -> None:
    """Save everything the next step depends on, atomically.

    Args:
        path: Where to.
        key: Digest of the run's inputs and settings.
        model: Parameters and buffers.
        optimizer: Momentum buffers.
        at: Where the run is.
        copies: What else belongs to the run.
        finished: Whether no step follows; then the momentum buffers, half of the file, stay out.
    """
    tensors = run_tensors(model, optimizer, copies, finished=finished)
    tensors |= {f"noise.{name}": value for name, value in at.noise.items()}
    meta: dict[str, Any] = {"key": key, "records": [asdict(record) for record in at.records]}
    meta |= {"finished": True} if finished else {}
    meta |= {} if at.within is None else {"within": at.within.told()}
    write_tensors(path, tensors, meta)


def run_tensors(
    model: nn.Module, optimizer: SGD, copies: Copies, *, finished: bool = False
) -> dict[str, Tensor]:
    """All that steps change, by name in the file; see `save_state`."""
    tensors = {f"model.{name}": value for name, value in model.state_dict().items()}
    if not finished:
        momenta = _momenta(model, optimizer)
        tensors |= {f"momentum.{name}": value for name, value in momenta.items()}
    return tensors | _named(copies)


def load_state(
    path: Path,
    key: str,
    model: nn.Module,
    optimizer: SGD,
    copies: Copies,
    noise: Mapping[str, Tensor],
) -> ResumePoint:
    """Bring model and optimiser to the state on disk.

    Args:
        path: Where the state may be.
        key: Digest of the run's inputs and settings.
        model: Overwritten.
        optimizer: Its momentum buffers are overwritten, unless the run is finished.
        copies: Overwritten.
        noise: Shapes of the random generators' states.

    Returns:
        Where the run is: at its beginning if there is no state of it.

    Raises:
        RefusedInput: If the file is damaged or holds another network.
        StroiError: ``WEIGHTS_NOT_FINITE`` if the training had diverged before it was saved.
    """
    meta = read_meta(path) if path.exists() else {}
    if meta.get("key") != key:
        return ResumePoint([])
    own, trained = model.state_dict(), dict(model.named_parameters())
    like = {f"model.{name}": value for name, value in own.items()}
    if not meta.get("finished"):
        like |= {f"momentum.{name}": value for name, value in trained.items()}
    if "within" in meta:
        like |= {f"noise.{name}": value for name, value in noise.items()}
    like |= _named(copies)
    try:
        tensors, meta = read_tensors(path, like)
    except RefusedInput as error:
        if error.code != "PTH_NONFINITE":
            raise
        raise StroiError(
            "WEIGHTS_NOT_FINITE",
            f"{error.message}: this training diverged before its state was saved",
            remedy=f"{DIVERGED}; to repeat it as it was, delete the file",
        ) from error
    at = _position(path, meta, {name: tensors.get(f"noise.{name}") for name in noise})
    with torch.no_grad():
        for name, value in own.items():
            value.copy_(tensors[f"model.{name}"])
        for name, value in _named(copies).items():
            value.copy_(tensors[name])
        for name, value in trained.items():
            if not meta.get("finished"):
                buffer = torch.empty_like(value).copy_(tensors[f"momentum.{name}"])
                optimizer.state[value]["momentum_buffer"] = buffer
    return at


def _position(
    path: Path, meta: Mapping[str, Any], noise: Mapping[str, Tensor | None]
) -> ResumePoint:
    """Where the run of a state is; the file's text is judged here."""
    try:
        records = [EpochRecord(**record) for record in meta["records"]]
        within = read_progress(meta["within"]) if "within" in meta else None
    except (KeyError, TypeError, ValueError):
        raise RefusedInput(
            "STATE", f"{path}: no readable epoch records", remedy="delete the file"
        ) from None
    if within is None:
        return ResumePoint(records)
    return ResumePoint(
        records, within, {name: value for name, value in noise.items() if value is not None}
    )


def _named(copies: Copies) -> dict[str, Tensor]:
    return {
        f"{what}.{name}": value for what, values in copies.items() for name, value in values.items()
    }


def _momenta(model: nn.Module, optimizer: SGD) -> dict[str, Tensor]:
    """Momentum buffer of every parameter; a parameter that no step has moved has zeros."""
    found = {}
    for name, value in model.named_parameters():
        buffer = optimizer.state[value].get("momentum_buffer")
        found[name] = torch.zeros_like(value) if buffer is None else buffer
    return found
