"""EfficientNet-Lite0 in plain torch, with the names of the published PyTorch checkpoint.

EfficientNet (Tan and Le, 2019) without squeeze and excitation and with ReLU6. The weights were
trained in TensorFlow: strided convolutions are padded as there, more at the right and the bottom.

Legend of shapes: B batch, C_in and C channels, H and W height and width in px, s stride.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, NamedTuple

from torch import Tensor, nn
from torch.nn import functional

from stroi.trainer.models.layers import BitDropout, initialise_convolutions
from stroi.trainer.models.rgb_net import RgbNet

STEM, LAST = 32, 1280
"""Channels of the stem and of the features."""
EPSILON = 1e-3
"""Of every batch normalisation, as the weights were trained."""


class Stage(NamedTuple):
    """A stage of inverted residual blocks; its first block has the stride.

    Attributes:
        blocks: Number of blocks.
        kernel: Side of the depthwise convolution.
        stride: Its stride.
        expansion: Channels inside a block per channel of its input.
        channels: Channels of the output.
    """

    blocks: int
    kernel: int
    stride: int
    expansion: int
    channels: int


STAGES = (
    Stage(1, 3, 1, 1, 16),
    Stage(2, 3, 2, 6, 24),
    Stage(2, 5, 2, 6, 40),
    Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112),
    Stage(4, 5, 2, 6, 192),
    Stage(1, 3, 1, 6, 320),
)


class SameConv(nn.Conv2d):
    """A convolution without bias whose output has ceil(H / s) by ceil(W / s) px.

    TensorFlow's padding "SAME": what the input lacks is added in halves, the odd line at the
    bottom and the right.
    """

    def __init__(
        self, channels_in: int, channels: int, kernel: int, stride: int, groups: int = 1
    ) -> None:
        # Without a stride both sides get the same, which the convolution does by itself.
        padding = kernel // 2 if stride == 1 else 0
        super().__init__(channels_in, channels, kernel, stride, padding, groups=groups, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C_in, H, W) to (B, C, ceil(H / s), ceil(W / s))."""
        (kernel, _), (stride, _) = self.kernel_size, self.stride
        if stride > 1:
            sides = []
            for length in (x.shape[3], x.shape[2]):
                lacking = max(0, (-(-length // stride) - 1) * stride + kernel - length)
                sides += [lacking // 2, lacking - lacking // 2]
            x = functional.pad(x, sides)
        return super().forward(x)


class InvertedResidual(nn.Module):
    """A 1x1 convolution that widens, a depthwise one, a 1x1 one that narrows, and a shortcut.

    Args:
        channels_in: Channels of the input.
        stage: Kernel, expansion and channels.
        stride: Stride of the depthwise convolution.
        dropout: Share of activations dropped before the last convolution.
    """

    def __init__(self, channels_in: int, stage: Stage, stride: int, dropout: float) -> None:
        super().__init__()
        inside = stage.expansion * channels_in
        self.widens = stage.expansion > 1
        if self.widens:
            self._expand_conv = nn.Conv2d(channels_in, inside, 1, bias=False)
            self._bn0 = nn.BatchNorm2d(inside, EPSILON)
        self._depthwise_conv = SameConv(inside, inside, stage.kernel, stride, inside)
        self._bn1 = nn.BatchNorm2d(inside, EPSILON)
        self._project_conv = nn.Conv2d(inside, stage.channels, 1, bias=False)
        self._bn2 = nn.BatchNorm2d(stage.channels, EPSILON)
        self.relu = nn.ReLU6(inplace=True)
        self.dropout = BitDropout(dropout)
        self.has_shortcut = stride == 1 and channels_in == stage.channels

    def forward(self, x: Tensor) -> Tensor:
        """(B, C_in, H, W) to (B, C, ceil(H / s), ceil(W / s))."""
        y: Tensor = self.relu(self._bn0(self._expand_conv(x))) if self.widens else x
        y = self.dropout(self.relu(self._bn1(self._depthwise_conv(y))))
        y = self._bn2(self._project_conv(y))
        return y + x if self.has_shortcut else y


class EfficientNetLite0(RgbNet):
    """EfficientNet-Lite0.

    Args:
        classes: Number of outputs.
        dropout: Share of activations dropped within every block.
        vectors: Feature vectors that the classifier takes: 1 of a whole picture.
    """

    mean: ClassVar[tuple[float, float, float]] = (127 / 255, 127 / 255, 127 / 255)
    std: ClassVar[tuple[float, float, float]] = (128 / 255, 128 / 255, 128 / 255)
    classifier_name: ClassVar[str] = "_fc"
    width = LAST

    def __init__(self, classes: int, dropout: float = 0.0, vectors: int = 1) -> None:
        super().__init__()
        self._conv_stem = SameConv(3, STEM, 3, 2)
        self._bn0 = nn.BatchNorm2d(STEM, EPSILON)
        self._blocks = nn.ModuleList()
        channels_in = STEM
        for stage in STAGES:
            for number in range(stage.blocks):
                stride = 1 if number else stage.stride
                self._blocks.append(InvertedResidual(channels_in, stage, stride, dropout))
                channels_in = stage.channels
        self._conv_head = nn.Conv2d(channels_in, LAST, 1, bias=False)
        self._bn1 = nn.BatchNorm2d(LAST, EPSILON)
        self._fc = nn.Linear(vectors * LAST, classes)
        self.relu = nn.ReLU6(inplace=True)
        initialise_convolutions(self)
        for module in self.modules():
            if isinstance(module, SameConv) and module.groups > 1 and not module.weight.is_meta:
                # torch counts the fan-out over all groups; a channel feeds its own alone.
                nn.init.kaiming_normal_(module.weight, mode="fan_in", nonlinearity="relu")

    def stages(self) -> Sequence[Sequence[nn.Module]]:
        """Stem, seven stages of blocks, last convolution."""
        groups: list[list[nn.Module]] = [[self._conv_stem, self._bn0]]
        blocks = list(self._blocks)
        for stage in STAGES:
            groups.append(blocks[: stage.blocks])
            blocks = blocks[stage.blocks :]
        return [*groups, [self._conv_head, self._bn1]]

    def features(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) normalised pictures to (B, 1280, ceil(H / 32), ceil(W / 32))."""
        x = self.relu(self._bn0(self._conv_stem(x)))
        for block in self._blocks:
            x = block(x)
        return self.relu(self._bn1(self._conv_head(x)))  # type: ignore[no-any-return]
