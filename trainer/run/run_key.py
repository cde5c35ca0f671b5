"""What a training result depends on, as one digest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from stroi.cache.files.digests import digest
from stroi.trainer.config import GcnConfig, ResNetConfig, Schedule
from stroi.trainer.data.input_digests import array_digest

VERSION = 3
"""Raised whenever the same inputs and settings would train to another result."""


def run_key(
    what: str,
    config: GcnConfig | ResNetConfig,
    schedule: Schedule,
    *,
    seed: int,
    threads: int,
    device: torch.device,
    classes: Sequence[str],
    inputs: Mapping[str, str],
    processes: int = 1,
) -> str:
    """Digest of everything a training result depends on.

    Args:
        what: Kind of run.
        config: Settings of the network; those in use, see `stroi.trainer.run.used_settings`.
        schedule: Settings of the optimiser; likewise.
        seed: Seed.
        threads: CPU threads: another number gives other last bits.
        device: Where it trains.
        classes: Class names, of which the number counts.
        inputs: Digests of the data, by name.
        processes: How many train together.

    Returns:
        64 hexadecimal digits.
    """
    parts: dict[str, Any] = {
        "algorithm": VERSION,
        "what": what,
        "config": config.model_dump(mode="json"),
        "schedule": schedule.model_dump(mode="json"),
        "seed": seed,
        "threads": threads,
        "processes": processes,
        "device": device.type,
        "torch": torch.__version__,
        # Its generators decide the order of clips and all random changes of them.
        "numpy": np.__version__,
        "classes": len(classes),
        "inputs": dict(inputs),
    }
    return digest(parts)


def model_digest(model: nn.Module) -> str:
    """SHA-256 of a network's parameters and buffers."""
    state = model.state_dict()
    return digest({name: array_digest(value.cpu().numpy()) for name, value in state.items()})
