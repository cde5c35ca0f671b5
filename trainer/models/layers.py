"""Layers that both branches are built of, arranged for speed on a CPU, and their first weights.

Legend of shapes: B bodies, C channels, T frames, V joints.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

_WORDS = {torch.bfloat16: torch.int16, torch.float32: torch.int32}
"""Integers as wide as a float whose 2.0 has one bit set, the last but one."""


class BitDropout(nn.Module):
    """Dropout by one random byte per activation, or by one random bit if half are dropped.

    The kept share is a multiple of 1/256 (exact for 0.5) and the scale is its inverse, so the
    expectation is exact. torch's own dropout draws a whole float for each decision, which is a
    fifth of a training step on a CPU.

    Args:
        p: Share dropped, in [0, 1).
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.kept = max(1, round(256 * (1 - p)))

    def forward(self, x: Tensor, shortcut: Tensor | None = None) -> Tensor:
        """Drop activations, then add the shortcut.

        Args:
            x: Activations of any shape, dense in memory.
            shortcut: Same shape, or None.

        Returns:
            Same shape; in evaluation mode the plain sum.
        """
        if not self.training or self.kept == 256:
            return x if shortcut is None else x + shortcut
        if self.kept == 128 and x.dtype in _WORDS:
            flat = _mask_by_bits(x.numel(), x.dtype, x.device)
        else:
            flat = _mask_by_bytes(x.numel(), self.kept, x.device).to(x.dtype).mul_(256 / self.kept)
        mask = torch.as_strided(flat, x.shape, x.stride())
        return x * mask if shortcut is None else torch.addcmul(shortcut, x, mask)


def _mask_by_bits(count: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """`count` draws of 0.0 or 2.0 as a vector.

    2.0 is a float with one bit set. Every bit of a random integer but one is shifted there in
    turn, which makes as many draws.
    """
    word = _WORDS[dtype]
    bits = 8 * word.itemsize - 1
    columns = -(-count // bits)
    packed = _random(-(-columns * word.itemsize // 8), device).view(word)[:columns]
    shifts = torch.arange(bits, dtype=word, device=device)[:, None]
    draws = torch.bitwise_left_shift(packed, shifts).bitwise_and_(1 << (bits - 1))
    return draws.view(dtype).view(-1)[:count]  # (bits, columns) -> (count,)


def _mask_by_bytes(count: int, kept: int, device: torch.device) -> Tensor:
    """`count` draws of 1 with a chance of `kept` in 256, else 0, as a vector of bool."""
    return _random(-(-count // 8), device).view(torch.uint8)[:count] < kept


def _random(count: int, device: torch.device) -> Tensor:
    """`count` random 64-bit integers."""
    return torch.empty(count, dtype=torch.int64, device=device).random_(-(2**63), None)


class PointwiseConv(nn.Conv2d):
    """A 1x1 convolution without bias as a product of matrices.

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
        # (C, C_in, 1, 1) -> (B, C, C_in)
        weight = self.weight.flatten(1).expand(x.shape[0], -1, -1)
        y = torch.bmm(weight, x.flatten(2))  # (B, C, T*V)
        return y.view(x.shape[0], self.out_channels, *x.shape[2:])  # (B, C, T, V)


@dataclass(frozen=True)
class BlockShape:
    """One block of a graph network: (B, C_in, T, V) to (B, C, T / stride, V).

    Attributes:
        channels_in: C_in, channels of the input.
        channels: C, channels of the output.
        stride: Temporal stride.
        residual: Whether the input is added to the output.
    """

    channels_in: int
    channels: int
    stride: int
    residual: bool


def conv_bn(x: Tensor, conv: nn.Conv2d, bn: nn.BatchNorm2d) -> Tensor:
    """A convolution without bias, then its batch normalisation.

    In evaluation mode the normalisation is a fixed scale and shift of each channel. It goes into
    the convolution's weights and bias, which saves a pass over the activations.
    """
    if bn.training or bn.running_var is None or bn.running_mean is None:
        return bn(conv(x))  # type: ignore[no-any-return]
    scale = bn.weight * torch.rsqrt(bn.running_var + bn.eps)
    shift = bn.bias - bn.running_mean * scale
    weight = conv.weight * scale[:, None, None, None]
    return functional.conv2d(x, weight, shift, conv.stride, conv.padding)


def initialise_convolutions(network: nn.Module) -> None:
    """Draw the weights of every 2-D convolution as He et al. do, for the fan-out and ReLU.

    A network on the ``meta`` device has shapes but no weights. It is left alone: torch would load
    its compiler, for seconds, to draw nothing.

    Args:
        network: Its convolutions are changed in place.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d) and not module.weight.is_meta:
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
