"""Dropout that costs a CPU little: one random bit per activation where half are dropped."""

from __future__ import annotations

import torch
from torch import Tensor, nn

_WORDS = {torch.bfloat16: torch.int16, torch.float32: torch.int32}
"""Integers as wide as a float whose 2.0 has one bit set, the last but one."""


class Dropout(nn.Module):
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
            Same shape; in evaluation mode the mere sum.
        """
        if not self.training or self.kept == 256:
            return x if shortcut is None else x + shortcut
        if self.kept == 128 and x.dtype in _WORDS:
            flat = _by_bits(x.numel(), x.dtype, x.device)
        else:
            flat = _by_bytes(x.numel(), self.kept, x.device).to(x.dtype).mul_(256 / self.kept)
        mask = torch.as_strided(flat, x.shape, x.stride())
        return x * mask if shortcut is None else torch.addcmul(shortcut, x, mask)


def _by_bits(count: int, dtype: torch.dtype, device: torch.device) -> Tensor:
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
    return draws.view(dtype).view(-1)[:count]


def _by_bytes(count: int, kept: int, device: torch.device) -> Tensor:
    """`count` draws of 1 with a chance of `kept` in 256, else 0, as a vector of bool."""
    return _random(-(-count // 8), device).view(torch.uint8)[:count] < kept


def _random(count: int, device: torch.device) -> Tensor:
    """`count` random 64-bit integers."""
    return torch.empty(count, dtype=torch.int64, device=device).random_(-(2**63), None)
