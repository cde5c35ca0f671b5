"""How busy the GPU is, as its driver tells."""

from __future__ import annotations

import importlib.util

import torch

PACKAGE = "pynvml"
"""Module that asks the driver; of the package ``nvidia-ml-py``."""


class Usage:
    """Samples the share of time in which a GPU worked; without one, or the package, nothing.

    Args:
        device: Where the training runs.
    """

    def __init__(self, device: torch.device) -> None:
        known = device.type == "cuda" and importlib.util.find_spec(PACKAGE) is not None
        self._device = device if known else None
        self._seen: list[float] = []

    def sample(self) -> None:
        """Ask once."""
        if self._device is not None:
            self._seen.append(torch.cuda.utilization(self._device) / 100)

    def mean(self) -> float | None:
        """Mean of the samples, 0 to 1, and begin anew; None without any."""
        seen, self._seen = self._seen, []
        return sum(seen) / len(seen) if seen else None
