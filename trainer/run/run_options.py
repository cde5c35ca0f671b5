"""How, where and from which seed a training runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from stroi.trainer.config import BatchNorm
from stroi.trainer.run.distributed import SINGLE_PROCESS, World
from stroi.trainer.run.progress import EpochRecord

SAVE_EVERY = 5
"""Epochs between two checkpoints."""
SAVE_MINUTES = 10.0
"""Least time between two checkpoints inside an epoch: no kill costs more than that and a few
steps."""

OnEpoch = Callable[[EpochRecord], None]


@dataclass(frozen=True)
class RunOptions:
    """How, where and from which seed a training runs.

    Attributes:
        seed: Seed of initial weights, order, augmentation and dropout, from 0.
        device: ``auto`` (a GPU if there is one), ``cpu``, ``cuda`` or ``cuda:N``.
        threads: CPU threads of one process.
        checkpoints: Folder of checkpoints to resume from, or None to keep none. It may be deleted
            at any time; all processes see the same.
        save_every: Epochs between two checkpoints.
        save_minutes: Least minutes between two checkpoints inside an epoch.
        on_epoch: Called with the record of every epoch, those before a resume included.
        world: The processes that train together, each with the same call.
        batch_norm: What several GPUs normalise by in the RGB branch.
    """

    seed: int
    device: str = "auto"
    threads: int = 1
    checkpoints: Path | None = None
    save_every: int = SAVE_EVERY
    save_minutes: float = SAVE_MINUTES
    on_epoch: OnEpoch | None = None
    world: World = SINGLE_PROCESS
    batch_norm: BatchNorm = "synchronised"
