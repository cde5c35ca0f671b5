"""ResNet18, 34 and 50 in plain torch, with torchvision's state-dict names and shapes.

Legend of shapes: B batch, C_in and C channels, H and W height and width in px.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from stroi.trainer.models.layers import BitDropout, initialise_convolutions
from stroi.trainer.models.rgb_net import RgbNet

WIDTHS = (64, 128, 256, 512)
"""Channels of the four stages; all but the first start with stride 2."""


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut.

    Args:
        channels_in: Channels of the input.
        channels: Channels of the output.
        stride: Stride of the first convolution.
        dropout: Share of activations dropped between the convolutions.
    """

    expansion = 1
    """Channels of the output per channel of the stage."""

    def __init__(self, channels_in: int, channels: int, stride: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.dropout = BitDropout(dropout)
        self.downsample = _shortcut(channels_in, channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C_in, H, W) to (B, C, H / stride, W / stride)."""
        shortcut = x if self.downsample is None else self.downsample(x)
        y = self.dropout(self.relu(self.bn1(convolve(self.conv1, x))))
        y = self.bn2(self.conv2(y))
        return self.relu(y.add_(shortcut))  # type: ignore[no-any-return]


class Bottleneck(nn.Module):
    """A 3x3 convolution between two 1x1 ones, and a shortcut.

    The stride is that of the 3x3 convolution, as in torchvision.

    Args:
        channels_in: Channels of the input.
        channels: Channels of the 3x3 convolution; the output has four times as many.
        stride: Stride of the 3x3 convolution.
        dropout: Share of activations dropped before the last convolution.
    """

    expansion = 4
    """Channels of the output per channel of the stage."""

    def __init__(self, channels_in: int, channels: int, stride: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.conv3 = nn.Conv2d(channels, self.expansion * channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(self.expansion * channels)
        self.relu = nn.ReLU(inplace=True)
        self.dropout = BitDropout(dropout)
        self.downsample = _shortcut(channels_in, self.expansion * channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C_in, H, W) to (B, 4 C, H / stride, W / stride)."""
        shortcut = x if self.downsample is None else self.downsample(x)
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.dropout(self.relu(self.bn2(convolve(self.conv2, y))))
        y = self.bn3(self.conv3(y))
        return self.relu(y.add_(shortcut))  # type: ignore[no-any-return]


def convolve(conv: nn.Conv2d, x: Tensor) -> Tensor:
    """`conv(x)`, for a 3x3 convolution without bias.

    A picture that is one pixel wide stays so with any stride. With stride 2 the bfloat16 gradient
    of the weights reads memory that was never written (oneDNN in torch 2.13), so it gets stride 1.
    """
    narrow = x.shape[-1] == 1 and torch.is_autocast_enabled(x.device.type)
    stride = (conv.stride[0], 1) if narrow else conv.stride
    return functional.conv2d(x, conv.weight, None, stride, conv.padding)


def _shortcut(channels_in: int, channels: int, stride: int) -> nn.Sequential | None:
    """The shortcut's convolution; None where input and output have the same shape."""
    if stride == 1 and channels_in == channels:
        return None
    return nn.Sequential(
        nn.Conv2d(channels_in, channels, 1, stride, bias=False), nn.BatchNorm2d(channels)
    )


DEPTHS: dict[str, tuple[type[BasicBlock] | type[Bottleneck], tuple[int, ...]]] = {
    "resnet18": (BasicBlock, (2, 2, 2, 2)),
    "resnet34": (BasicBlock, (3, 4, 6, 3)),
    "resnet50": (Bottleneck, (3, 4, 6, 3)),
}
"""Block, and number of blocks in every stage."""


class ResNet(RgbNet):
    """A residual network under torchvision's names.

    Args:
        classes: Number of outputs.
        model: Depth of the network.
        dropout: Share of activations dropped within every block.
        vectors: Feature vectors that the classifier takes: 1 of a whole picture.
    """

    def __init__(
        self,
        classes: int,
        model: str = "resnet18",
        dropout: float = 0.0,
        vectors: int = 1,
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        block, counts = DEPTHS[model]
        channels_in = 64
        for number, (channels, count) in enumerate(zip(WIDTHS, counts, strict=True), 1):
            stage = []
            for position in range(count):
                stride = 2 if number > 1 and position == 0 else 1
                stage.append(block(channels_in, channels, stride, dropout))
                channels_in = block.expansion * channels
            self.add_module(f"layer{number}", nn.Sequential(*stage))
        self.width = channels_in
        self.fc = nn.Linear(vectors * channels_in, classes)
        initialise_convolutions(self)

    def stages(self) -> Sequence[Sequence[nn.Module]]:
        """Stem, four stages of blocks."""
        blocks = [[self.get_submodule(f"layer{at + 1}")] for at in range(len(WIDTHS))]
        return [[self.conv1, self.bn1], *blocks]

    def features(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) normalised pictures to (B, D, H / 32, W / 32)."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        for number in range(1, len(WIDTHS) + 1):
            x = self.get_submodule(f"layer{number}")(x)
        return x
