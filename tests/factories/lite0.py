"""EfficientNet-Lite0 a second time: a table of its blocks, and its forward pass in plain calls."""

from __future__ import annotations

import math
from collections.abc import Mapping

from torch import Tensor
from torch.nn import functional

BLOCKS = (
    # kernel, stride, channels of the input, inside, of the output
    (3, 1, 32, 32, 16),
    (3, 2, 16, 96, 24), (3, 1, 24, 144, 24),
    (5, 2, 24, 144, 40), (5, 1, 40, 240, 40),
    (3, 2, 40, 240, 80), (3, 1, 80, 480, 80), (3, 1, 80, 480, 80),
    (5, 1, 80, 480, 112), (5, 1, 112, 672, 112), (5, 1, 112, 672, 112),
    (5, 2, 112, 672, 192), (5, 1, 192, 1152, 192), (5, 1, 192, 1152, 192), (5, 1, 192, 1152, 192),
    (3, 1, 192, 1152, 320),
)  # fmt: skip
"""Every block of the published network, one by one."""


def functional_lite0(state: Mapping[str, Tensor], x: Tensor) -> Tensor:
    """The whole network as plain calls, out of a state dict and the table above."""

    def conv(x: Tensor, name: str, stride: int = 1, groups: int = 1) -> Tensor:
        weight = state[f"{name}.weight"]
        kernel, sides = weight.shape[-1], []
        for side in reversed(x.shape[2:]):
            total = max((math.ceil(side / stride) - 1) * stride + kernel - side, 0)
            sides += [total // 2, total - total // 2]
        return functional.conv2d(functional.pad(x, sides), weight, None, stride, 0, 1, groups)

    def norm(x: Tensor, name: str) -> Tensor:
        parts = ("running_mean", "running_var", "weight", "bias")
        mean, var, scale, shift = (state[f"{name}.{part}"] for part in parts)
        return functional.batch_norm(x, mean, var, scale, shift, eps=1e-3)

    x = norm(conv(x, "_conv_stem", 2), "_bn0").clamp(0, 6)
    for number, (_, stride, before, inside, after) in enumerate(BLOCKS):
        at, y = f"_blocks.{number}", x
        if inside != before:
            y = norm(conv(y, f"{at}._expand_conv"), f"{at}._bn0").clamp(0, 6)
        y = norm(conv(y, f"{at}._depthwise_conv", stride, inside), f"{at}._bn1").clamp(0, 6)
        y = norm(conv(y, f"{at}._project_conv"), f"{at}._bn2")
        x = x + y if stride == 1 and before == after else y
    x = norm(conv(x, "_conv_head"), "_bn1").clamp(0, 6).mean((2, 3))
    return x @ state["_fc.weight"].T + state["_fc.bias"]
