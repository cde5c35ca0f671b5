"""What the batches of an epoch have given so far, and what a whole epoch gave."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from stroi.cache.errors import StroiError
from stroi.trainer.network_files.safetensors_io import DIVERGED

T = TypeVar("T")


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
        data_wait: Share of the wall time in which the loop waited for batches, 0 to 1.
        gpu_utilisation: Mean share of time in which the GPU worked, 0 to 1, as its driver samples
            it; None without a GPU, or without the package that asks the driver.
    """

    epoch: int
    loss: float
    accuracy: float
    lr: float
    seconds: float
    samples_per_second: float
    validation_loss: float | None = None
    validation_accuracy: float | None = None
    data_wait: float = 0.0
    gpu_utilisation: float | None = None


@dataclass
class EpochProgress:
    """What the batches of an epoch have given so far.

    Attributes:
        losses: Mean loss of every batch.
        batch_sizes: Clips of every batch.
        correct: Clips that were classified correctly.
        seconds: Wall time, that of earlier processes included.
        data_wait: Seconds of it in which the loop waited for batches.
    """

    losses: list[float] = field(default_factory=list)
    batch_sizes: list[int] = field(default_factory=list)
    correct: int = 0
    seconds: float = 0.0
    data_wait: float = 0.0
    _losses: list[Tensor] = field(default_factory=list, init=False, repr=False)
    _correct: list[Tensor] = field(default_factory=list, init=False, repr=False)
    _started: float | None = field(default=None, init=False, repr=False, compare=False)

    @property
    def batches(self) -> int:
        """Batches that are done."""
        return len(self.batch_sizes)

    def next_batch(self, batches: Iterator[T]) -> T | None:
        """The next batch, None at the end; keeps the time, waits apart."""
        asked = time.perf_counter()
        if self._started is None:
            self._started = asked - self.seconds
        batch = next(batches, None)
        if batch is None:
            self.sync()
        else:
            self.data_wait += time.perf_counter() - asked
        self.seconds = time.perf_counter() - self._started
        return batch

    def add(self, loss: Tensor, correct: Tensor, size: int) -> None:
        """Note a batch, without waiting for the device to have its numbers."""
        self._losses.append(loss.detach())
        self._correct.append(correct.detach())
        self.batch_sizes.append(size)

    def sync(self) -> None:
        """Wait for the numbers of all batches that were noted."""
        if self._losses:
            self.losses += torch.stack(self._losses).tolist()
            self.correct += int(torch.stack(self._correct).sum())
            self._losses, self._correct = [], []

    def require_finite(self, epoch: int, lr: float) -> None:
        """Refuse a loss that is no finite number.

        Raises:
            StroiError: ``LOSS_NOT_FINITE`` naming epoch, batch and learning rate.
        """
        self.sync()
        for batch, loss in enumerate(self.losses):
            if not math.isfinite(loss):
                raise StroiError(
                    "LOSS_NOT_FINITE",
                    f"the loss is {loss} in epoch {epoch}, batch {batch}, at learning rate {lr:g}",
                    remedy=DIVERGED,
                )

    def record(self, epoch: int, lr: float, gpu_utilisation: float | None) -> EpochRecord:
        """What the epoch gave, after its last batch."""
        clips = sum(self.batch_sizes)
        return EpochRecord(
            epoch=epoch,
            loss=float(np.dot(self.losses, self.batch_sizes)) / clips,
            accuracy=self.correct / clips,
            lr=lr,
            seconds=self.seconds,
            samples_per_second=clips / self.seconds,
            data_wait=self.data_wait / self.seconds,
            gpu_utilisation=gpu_utilisation,
        )

    def state_dict(self) -> dict[str, Any]:
        """As JSON values; `sync` first."""
        return {
            "losses": self.losses, "batch_sizes": self.batch_sizes, "correct": self.correct,
            "seconds": self.seconds, "data_wait": self.data_wait,
        }  # fmt: skip

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> EpochProgress:
        """What `state_dict` gave, checked.

        Raises:
            ValueError, TypeError: If it cannot come from an epoch.
        """
        progress = cls(**state)
        numbers = [*progress.losses, progress.seconds, progress.data_wait]
        counts = [*progress.batch_sizes, progress.correct]
        if not (
            all(type(number) is float and math.isfinite(number) for number in numbers)
            and all(type(count) is int and count >= 0 for count in counts)
            and len(progress.losses) == len(progress.batch_sizes) > 0
            and min(progress.batch_sizes) > 0
            and progress.correct <= sum(progress.batch_sizes)
        ):
            raise ValueError("not the progress of an epoch")
        return progress


class GpuUtilisation:
    """Samples the share of time in which a GPU worked; None where that is not known.

    It needs a GPU, the package ``nvidia-ml-py`` and a driver that reports it: some containers
    forbid it, and parts of a GPU (MIG) do not know it.

    Args:
        device: Where the training runs.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device if device.type == "cuda" else None
        self._samples: list[float] = []

    def sample(self) -> None:
        """Ask the driver once."""
        if self._device is None:
            return
        try:
            self._samples.append(torch.cuda.utilization(self._device) / 100)
        except Exception:
            # Whatever the driver's library raises: no training ends for want of this number.
            self._device = None

    def pop_mean(self) -> float | None:
        """Mean of the samples since the last call, 0 to 1; None without any."""
        samples, self._samples = self._samples, []
        return sum(samples) / len(samples) if samples else None
