"""ResNet18 in plain torch, with torchvision's state-dict names and shapes."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from stroi.trainer.checkpoint import read_tensors
from stroi.trainer.initial import initialise_convolutions

STAGES = ((64, 1), (128, 2), (256, 2), (512, 2))
"""Channels and first stride of the four stages of two blocks each."""


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut.

    Args:
        channels_in: Channels of the input.
        channels: Channels of the output.
        stride: Stride of the first convolution.
    """

    def __init__(self, channels_in: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.downsample: nn.Sequential | None = None
        if stride != 1 or channels_in != channels:
            self.downsample = nn.Sequential(
                nn.Conv2d(channels_in, channels, 1, stride, bias=False), nn.BatchNorm2d(channels)
            )

    def forward(self, x: Tensor) -> Tensor:
        """(B, C_in, H, W) to (B, C, H / stride, W / stride)."""
        shortcut = x if self.downsample is None else self.downsample(x)
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return self.relu(y.add_(shortcut))  # type: ignore[no-any-return]


class ResNet18(nn.Module):
    """The 18-layer residual network; 122 state-dict entries under torchvision's names.

    Args:
        classes: Number of outputs.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        before = 64
        for number, (channels, stride) in enumerate(STAGES, 1):
            stage = (BasicBlock(before, channels, stride), BasicBlock(channels, channels, 1))
            self.add_module(f"layer{number}", nn.Sequential(*stage))
            before = channels
        self.fc = nn.Linear(before, classes)
        initialise_convolutions(self)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) normalised pictures to (B, classes) logits."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        for number in range(1, len(STAGES) + 1):
            x = self.get_submodule(f"layer{number}")(x)
        return self.fc(x.mean((2, 3)))  # type: ignore[no-any-return]


def load_backbone(net: ResNet18, path: Path) -> None:
    """Start `net` from a local weights file of torchvision's ResNet18; ``fc`` stays as it is.

    The file must have torchvision's names, as safetensors or in torch's own zip format (``.pth``).
    No pickle is unpickled: see `stroi.trainer.legacy_pth`. The counters of the batch
    normalisation, which old files lack, may be missing: nothing reads them.

    Args:
        net: Network whose entries other than ``fc`` are overwritten.
        path: The weights file.

    Raises:
        RefusedInput: If the file is damaged or its names and shapes are not ResNet18's.
    """
    own = {name: value for name, value in net.state_dict().items() if not name.startswith("fc.")}
    loaded, _ = read_tensors(
        path, own, ignore=("fc.weight", "fc.bias"), optional=".num_batches_tracked", pth=True
    )
    with torch.no_grad():
        for name, value in loaded.items():
            own[name].copy_(value)
