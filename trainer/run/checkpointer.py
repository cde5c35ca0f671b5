"""When a training is saved, by which of its processes, and how it goes on."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from stroi.cache.errors import RefusedInput
from stroi.trainer.network_files.safetensors_io import check_diverged
from stroi.trainer.run.distributed import World
from stroi.trainer.run.progress import EpochProgress, EpochRecord
from stroi.trainer.run.resume_point import (
    ResumePoint,
    TrainState,
    checkpoint_path,
    load_checkpoint,
    save_checkpoint,
)
from stroi.trainer.run.run_options import SAVE_EVERY, SAVE_MINUTES, RunOptions


@dataclass
class Checkpointer:
    """Saves a training between its epochs and inside them.

    Attributes:
        state: Network, optimiser and weight copies; the first of its processes writes, all read.
        key: Digest of the run's inputs and settings.
        folder: Where its checkpoint is; None saves nothing. It may be deleted at any time.
        save_every: Epochs between two checkpoints.
        save_minutes: Least minutes between two checkpoints inside an epoch.
    """

    state: TrainState
    key: str
    folder: Path | None = None
    save_every: int = SAVE_EVERY
    save_minutes: float = SAVE_MINUTES
    _last: float = field(default_factory=time.monotonic, init=False)

    @classmethod
    def create(cls, state: TrainState, key: str, run: RunOptions) -> Checkpointer:
        """The checkpointer that a run's options ask for."""
        return cls(state, key, run.checkpoints, run.save_every, run.save_minutes)

    @property
    def path(self) -> Path | None:
        """The checkpoint's file."""
        return None if self.folder is None else checkpoint_path(self.folder, self.key)

    def load(self) -> ResumePoint:
        """Bring the run to its checkpoint; the random generators follow with `restore_rng`.

        Raises:
            RefusedInput: If the checkpoint is damaged or holds another network.
            StroiError: ``TEAM_STATE`` if the processes find different ones.
        """
        point, world = ResumePoint([]), self.state.world
        if self.path is not None:
            rng_states = gather_rng_states(self.state.device, world)
            point = load_checkpoint(self.path, self.key, self.state, rng_states)
        batches = 0 if point.progress is None else point.progress.batches
        world.require_equal(
            "TEAM_STATE",
            "finds another state of the training",
            [len(point.records), batches],
            "let all machines see the same folders, or delete the training's state",
        )
        return point

    def restore_rng(self, point: ResumePoint) -> None:
        """Bring the random generators to where they were inside an epoch.

        Raises:
            RefusedInput: ``STATE``.
        """
        try:
            set_rng_state(point.rng_state, self.state.device, self.state.world)
        except RuntimeError as error:
            raise RefusedInput(
                "STATE", f"{self.path}: no state of a random generator", remedy="delete the file"
            ) from error

    def maybe_save(
        self, records: list[EpochRecord], progress: EpochProgress, lr: float, *, synced: bool
    ) -> None:
        """Save inside the epoch after `records` if it is time to.

        Args:
            records: Of finished epochs.
            progress: Of the epoch that runs.
            lr: Its learning rate.
            synced: Whether the processes may wait for one another now.

        Raises:
            StroiError: ``LOSS_NOT_FINITE``, ``WEIGHTS_NOT_FINITE``.
        """
        if self.should_save(synced):
            progress.require_finite(len(records), lr)
            self.require_finite(len(records), lr)
            self.save_mid_epoch(records, progress)

    def should_save(self, synced: bool) -> bool:
        """Whether it is time to save inside an epoch; all processes get the same answer."""
        world = self.state.world
        if self.path is None or not (synced or world.size == 1):
            return False
        return world.broadcast_flag(time.monotonic() - self._last >= 60 * self.save_minutes)

    def require_finite(self, epoch: int, lr: float) -> None:
        """Refuse to go on with, and to keep, a network that is no longer finite.

        All processes hold the same one, so all of them end.

        Raises:
            StroiError: ``WEIGHTS_NOT_FINITE``.
        """
        check_diverged(self.state.tensors(), f"epoch {epoch}, at learning rate {lr:g}")

    def save_mid_epoch(self, records: list[EpochRecord], progress: EpochProgress) -> None:
        """Save inside the epoch after `records`."""
        rng_states = gather_rng_states(self.state.device, self.state.world)
        self._save(ResumePoint(records, progress, rng_states))

    def save_after_epoch(self, records: list[EpochRecord], *, finished: bool) -> None:
        """Save after an epoch if it is time to."""
        if finished or len(records) % self.save_every == 0:
            self._save(ResumePoint(records), finished=finished)

    def _save(self, point: ResumePoint, *, finished: bool = False) -> None:
        if self.path is not None and self.state.world.is_leader:
            save_checkpoint(self.path, self.key, self.state, point, finished=finished)
        self._last = time.monotonic()


def rng_state(device: torch.device) -> dict[str, Tensor]:
    """RNG states of this process, (bytes,) uint8: the CPU's, and that of `device` if it is a GPU.

    Dropout draws from them.
    """
    states = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    return states


def gather_rng_states(device: torch.device, world: World) -> dict[str, Tensor]:
    """(processes, bytes) RNG states of all processes; each must call it."""
    return {name: world.all_gather(state) for name, state in rng_state(device).items()}


def set_rng_state(states: Mapping[str, Tensor], device: torch.device, world: World) -> None:
    """Bring this process's generators to what `gather_rng_states` gave.

    Raises:
        RuntimeError: If it is no state of a generator.
    """
    # Copies: torch 2.13 reads a view of a larger tensor from a wrong address.
    torch.set_rng_state(states["cpu"][world.rank].clone())
    if device.type == "cuda":
        torch.cuda.set_rng_state(states["cuda"][world.rank].clone(), device)
