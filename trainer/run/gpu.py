"""How busy the GPU is, as its driver tells."""

from __future__ import annotations

import torch


class Usage:
    """Samples the share of time in which a GPU worked; nothing where it is not told.

    It needs a GPU, the package ``nvidia-ml-py`` and a driver that tells: some containers forbid
    it, and parts of a GPU (MIG) do not know it.

    Args:
        device: Where the training runs.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device if device.type == "cuda" else None
        self._seen: list[float] = []

    def sample(self) -> None:
        """Ask once."""
        if self._device is None:
            return
        try:
            self._seen.append(torch.cuda.utilization(self._device) / 100)
        except Exception:
            # Whatever the driver's library raises: no training ends for want of this number.
            self._device = None

    def mean(self) -> float | None:
        """Mean of the samples, 0 to 1, and begin anew; None without any."""
        seen, self._seen = self._seen, []
        return sum(seen) / len(seen) if seen else None
