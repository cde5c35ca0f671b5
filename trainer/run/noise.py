"""The state of the random generators that augmentation and dropout draw from, as tensors.

Each is a (processes, bytes) uint8 tensor, one row per process.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from stroi.trainer.run.distributed import World


def noise(device: torch.device) -> dict[str, Tensor]:
    """State of this process's generators: the CPU's, and that of `device` if it is a GPU."""
    found = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        found["cuda"] = torch.cuda.get_rng_state(device)
    return found


def noise_of_all(device: torch.device, world: World) -> dict[str, Tensor]:
    """State of the generators of all processes; each must ask."""
    return {name: world.all_gather(state) for name, state in noise(device).items()}


def restore(stored: Mapping[str, Tensor], device: torch.device, world: World) -> None:
    """Bring this process's generators to what `noise_of_all` gave.

    Raises:
        RuntimeError: If it is no state of a generator.
    """
    # Copies: torch 2.13 reads a view of a larger tensor from a wrong address.
    torch.set_rng_state(stored["cpu"][world.rank].clone())
    if device.type == "cuda":
        torch.cuda.set_rng_state(stored["cuda"][world.rank].clone(), device)
