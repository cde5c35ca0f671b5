"""What training may give in place of its last network: a running average, or the best epoch's."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class WeightEma:
    """Exponential running average of a network's parameters and of what its layers measured.

    Starts as the network is. Numbers that are no floats, such as counts of batches, are taken
    over as they are.

    Args:
        model: The network.
        share: Share of the old value that stays at every step, in (0, 1).

    Attributes:
        values: The averaged tensors by name.
    """

    def __init__(self, model: nn.Module, share: float) -> None:
        self.share = share
        self.values: dict[str, Tensor] = {
            name: value.detach().clone() for name, value in model.state_dict().items()
        }

    def add(self, model: nn.Module) -> None:
        """Take the network's present state in."""
        with torch.no_grad():
            for name, value in model.state_dict().items():
                if value.is_floating_point():
                    self.values[name].lerp_(value, 1 - self.share)
                else:
                    self.values[name].copy_(value)

    def take(self, model: nn.Module) -> None:
        """Give the network the averaged state."""
        model.load_state_dict(self.values)


class BestWeights:
    """The network of the best epoch so far.

    Args:
        model: The network.

    Attributes:
        values: Its tensors by name.
    """

    def __init__(self, model: nn.Module) -> None:
        self.values: dict[str, Tensor] = {
            name: value.detach().clone() for name, value in model.state_dict().items()
        }

    def put(self, model: nn.Module) -> None:
        """The network as it is now is the best."""
        with torch.no_grad():
            for name, value in model.state_dict().items():
                self.values[name].copy_(value)

    def take(self, model: nn.Module) -> None:
        """Give the network the best state."""
        model.load_state_dict(self.values)
