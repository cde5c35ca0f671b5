"""When a training is saved, and by which of its processes."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import nn
from torch.optim import SGD

from stroi.cache.errors import RefusedInput
from stroi.trainer.network_files.safetensors_io import check_diverged
from stroi.trainer.run.distributed import World
from stroi.trainer.run.noise import noise_of_all, restore
from stroi.trainer.run.progress import EpochProgress
from stroi.trainer.run.state import (
    Copies,
    EpochRecord,
    ResumePoint,
    load_state,
    run_tensors,
    save_state,
)


@dataclass
class Checkpointer:
    """Saves a training between its epochs and inside them.

    Attributes:
        path: The state's file; None saves nothing.
        key: Digest of the run's inputs and settings.
        model: The network.
        optimizer: Its optimiser.
        copies: What else belongs to the run.
        world: The processes that train together; the first one writes, all read.
        every: Epochs between two saves.
        minutes: Least time between two saves inside an epoch.
    """

    path: Path | None
    key: str
    model: nn.Module
    optimizer: SGD
    copies: Copies
    world: World
    every: int
    minutes: float
    _last: float = field(default_factory=time.monotonic)

    @property
    def _device(self) -> torch.device:
        return next(self.model.parameters()).device

    def load(self) -> ResumePoint:
        """Bring the run to its state on disk; the random generators follow with `resume`.

        Raises:
            RefusedInput: If the state is damaged or holds another network.
            StroiError: ``TEAM_STATE`` if the processes find different ones.
        """
        at = ResumePoint([])
        if self.path is not None:
            noise = noise_of_all(self._device, self.world)
            at = load_state(self.path, self.key, self.model, self.optimizer, self.copies, noise)
        batches = 0 if at.within is None else at.within.batches
        self.world.require_equal(
            "TEAM_STATE",
            "finds another state of the training",
            [len(at.records), batches],
            "let all machines see the same folders, or delete the training's state",
        )
        return at

    def resume(self, at: ResumePoint) -> None:
        """Bring the random generators to where they were inside an epoch.

        Raises:
            RefusedInput: ``STATE``.
        """
        try:
            restore(at.noise, self._device, self.world)
        except RuntimeError as error:
            raise RefusedInput(
                "STATE", f"{self.path}: no state of a random generator", remedy="delete the file"
            ) from error

    def check(self, epoch: int, rate: float) -> None:
        """Refuse to go on with, and to keep, a network that is no longer finite.

        All processes hold the same one, so all of them end.

        Raises:
            StroiError: ``WEIGHTS_NOT_FINITE``.
        """
        tensors = run_tensors(self.model, self.optimizer, self.copies)
        check_diverged(tensors, f"epoch {epoch}, at learning rate {rate:g}")

    def due(self, looked: bool) -> bool:
        """Whether to save inside an epoch: all processes get the same answer.

        Args:
            looked: Whether the processes may wait for one another now.
        """
        if self.path is None or not (looked or self.world.size == 1):
            return False
        return self.world.broadcast_flag(time.monotonic() - self._last >= 60 * self.minutes)

    def between(self, records: list[EpochRecord], *, finished: bool) -> None:
        """Save after an epoch if it is time to."""
        if finished or len(records) % self.every == 0:
            self._save(ResumePoint(records), finished=finished)

    def inside(self, records: list[EpochRecord], within: EpochProgress) -> None:
        """Save inside the epoch after `records`."""
        self._save(ResumePoint(records, within, noise_of_all(self._device, self.world)))

    def _save(self, at: ResumePoint, *, finished: bool = False) -> None:
        if self.path is not None and self.world.is_leader:
            save_state(
                self.path, self.key, self.model, self.optimizer, at, self.copies, finished=finished
            )
        self._last = time.monotonic()
