"""How far an epoch has come: what a run that stops inside it needs to go on."""

from __future__ import annotations

import math
import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch
from torch import Tensor

T = TypeVar("T")


@dataclass
class EpochProgress:
    """What the batches of an epoch have given so far.

    Attributes:
        losses: Mean loss of every batch.
        sizes: Clips of every batch.
        hits: Clips that were right.
        seconds: Wall time, that of earlier processes included.
        waited: Part of it in which the loop waited for batches.
    """

    losses: list[float] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    hits: int = 0
    seconds: float = 0.0
    waited: float = 0.0
    _losses: list[Tensor] = field(default_factory=list, init=False, repr=False)
    _hits: list[Tensor] = field(default_factory=list, init=False, repr=False)

    @property
    def batches(self) -> int:
        """Batches that are done."""
        return len(self.sizes)

    def add(self, loss: Tensor, hits: Tensor, size: int) -> None:
        """Note a batch, without waiting for the device to have its numbers."""
        self._losses.append(loss.detach())
        self._hits.append(hits.detach())
        self.sizes.append(size)

    def fetch(self) -> None:
        """Wait for the numbers of all batches that were noted."""
        if self._losses:
            self.losses += torch.stack(self._losses).tolist()
            self.hits += int(torch.stack(self._hits).sum())
            self._losses, self._hits = [], []

    def timed(self, batches: Generator[T, None, None]) -> Generator[T, None, None]:
        """The batches; the time from the first request to the last is added up, waits apart."""
        started, before = time.perf_counter(), self.seconds
        while True:
            asked = time.perf_counter()
            batch = next(batches, None)
            if batch is None:
                self.fetch()
                self.seconds = before + time.perf_counter() - started
                return
            now = time.perf_counter()
            self.waited += now - asked
            self.seconds = before + now - started
            yield batch

    def told(self) -> dict[str, Any]:
        """As JSON values; `fetch` first."""
        return {
            "losses": self.losses, "sizes": self.sizes, "hits": self.hits,
            "seconds": self.seconds, "waited": self.waited,
        }  # fmt: skip


def read_progress(told: Mapping[str, Any]) -> EpochProgress:
    """What `EpochProgress.told` gave, checked.

    Raises:
        ValueError: If it cannot come from an epoch.
    """
    found = EpochProgress(**told)
    numbers = [*found.losses, found.seconds, found.waited]
    counts = [*found.sizes, found.hits]
    if not (
        all(type(number) is float and math.isfinite(number) for number in numbers)
        and all(type(count) is int and count >= 0 for count in counts)
        and len(found.losses) == len(found.sizes) > 0
        and min(found.sizes) > 0
        and found.hits <= sum(found.sizes)
    ):
        raise ValueError("it tells of no epoch")
    return found
