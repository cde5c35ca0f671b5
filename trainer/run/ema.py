"""What training may give in place of its last weights: their average, or the best epoch's."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class WeightEma:
    """Exponential moving average of a network's parameters and of what its layers measured.

    Starts as the network is. Integers, such as counts of batches, are copied.

    Args:
        model: The network.
        decay: Share of the old value that stays at every step, in (0, 1).

    Attributes:
        tensors: The averaged tensors by name.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.tensors = copy_tensors(model)

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Take the network's present weights in."""
        for name, value in model.state_dict().items():
            if value.is_floating_point():
                self.tensors[name].lerp_(value, 1 - self.decay)
            else:
                self.tensors[name].copy_(value)

    def copy_to(self, model: nn.Module) -> None:
        """Give the network the averaged weights."""
        model.load_state_dict(self.tensors)


class BestWeights:
    """The weights of the best epoch so far.

    Args:
        model: The network.

    Attributes:
        tensors: The weights by name.
    """

    def __init__(self, model: nn.Module) -> None:
        self.tensors = copy_tensors(model)

    @torch.no_grad()
    def capture(self, model: nn.Module) -> None:
        """Keep the network's present weights as the best."""
        for name, value in model.state_dict().items():
            self.tensors[name].copy_(value)

    def restore(self, model: nn.Module) -> None:
        """Give the network the best weights."""
        model.load_state_dict(self.tensors)


def copy_tensors(model: nn.Module) -> dict[str, Tensor]:
    """A copy of a network's parameters and buffers, by name."""
    return {name: value.detach().clone() for name, value in model.state_dict().items()}
