"""A 1x1 convolution as products of matrices."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Pointwise(nn.Conv2d):
    """A convolution over nothing but channels, without bias: a product of matrices per body.

    Its weight has the name, the shape and the first draw of `torch.nn.Conv2d`. On a CPU torch's
    convolution reorders contiguous activations when it reads and when it writes them; without
    that a step of `ctrgcn` is a fifth shorter in bfloat16 (benchmarks/results/pointwise.json).

    Args:
        channels_in: C_in, channels of the input.
        channels: C, channels of the output.
    """

    def __init__(self, channels_in: int, channels: int) -> None:
        super().__init__(channels_in, channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C_in, T, V) to (B, C, T, V), both contiguous."""
        # Expanded and not broadcast by matmul, which folds the batch into rows and copies it.
        weight = self.weight.flatten(1).expand(x.shape[0], -1, -1)
        y = torch.bmm(weight, x.flatten(2))
        return y.view(x.shape[0], self.out_channels, *x.shape[2:])
