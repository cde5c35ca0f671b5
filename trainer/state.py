"""The state of a training run on disk, so that it can go on to the identical result.

Nothing of the random generators is stored: order and noise of an epoch are functions of the seed
and the epoch's number.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.optim import SGD

from stroi.cache.errors import RefusedInput
from stroi.trainer.checkpoint import read_meta, read_tensors, write_tensors


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
    """

    epoch: int
    loss: float
    accuracy: float
    lr: float
    seconds: float
    samples_per_second: float
    validation_loss: float | None = None
    validation_accuracy: float | None = None


Copies = Mapping[str, Mapping[str, Tensor]]
"""Tensors by name of other states of the network that go with a run, by what they are."""


def state_path(folder: Path, key: str) -> Path:
    """File that holds the state of the run whose inputs and settings have the digest `key`."""
    return folder / f"{key[:32]}.safetensors"


def save_state(
    path: Path,
    key: str,
    model: nn.Module,
    optimizer: SGD,
    records: list[EpochRecord],
    copies: Copies,
) -> None:
    """Save everything the next epoch depends on, atomically.

    Args:
        path: Where to.
        key: Digest of the run's inputs and settings.
        model: Parameters and buffers.
        optimizer: Momentum buffers.
        records: One per finished epoch.
        copies: What else belongs to the run.
    """
    tensors = {f"model.{name}": value for name, value in model.state_dict().items()}
    tensors |= {f"momentum.{name}": value for name, value in _momenta(model, optimizer).items()}
    tensors |= _named(copies)
    write_tensors(path, tensors, {"key": key, "records": [asdict(record) for record in records]})


def load_state(
    path: Path, key: str, model: nn.Module, optimizer: SGD, copies: Copies
) -> list[EpochRecord]:
    """Bring model and optimiser to the state on disk.

    Args:
        path: Where the state may be.
        key: Digest of the run's inputs and settings.
        model: Overwritten.
        optimizer: Its momentum buffers are overwritten.
        copies: Overwritten.

    Returns:
        Records of the finished epochs; [] if there is no state of this run.

    Raises:
        RefusedInput: If the file is damaged or holds another network.
    """
    if not path.exists() or read_meta(path).get("key") != key:
        return []
    own = model.state_dict()
    like = {f"model.{name}": value for name, value in own.items()}
    trained = dict(model.named_parameters())
    like |= {f"momentum.{name}": value for name, value in trained.items()}
    like |= _named(copies)
    tensors, meta = read_tensors(path, like)
    try:
        records = [EpochRecord(**record) for record in meta["records"]]
    except (KeyError, TypeError):
        raise RefusedInput(
            "STATE", f"{path}: no readable epoch records", remedy="delete the file"
        ) from None
    with torch.no_grad():
        for name, value in own.items():
            value.copy_(tensors[f"model.{name}"])
        for name, value in trained.items():
            buffer = torch.empty_like(value).copy_(tensors[f"momentum.{name}"])
            optimizer.state[value]["momentum_buffer"] = buffer
        for name, value in _named(copies).items():
            value.copy_(tensors[name])
    return records


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
