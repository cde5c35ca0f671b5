"""Initial weights of both branches."""

from __future__ import annotations

from torch import nn


def initialise_convolutions(network: nn.Module) -> None:
    """Draw the weights of every 2-D convolution as He et al. do, for the fan-out and ReLU.

    A network on the ``meta`` device has shapes but no weights, so nothing is drawn: asking torch
    to would load its compiler for seconds.

    Args:
        network: Its convolutions are changed in place.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d) and not module.weight.is_meta:
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
