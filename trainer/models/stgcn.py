"""The spatial-temporal graph network (sections III.B and III.C), arranged for speed on a CPU.

Activations are kept as (B, T, V, C) with the channels last: the graph product and the 1x1
convolution become plain matrix products without a copy, and the temporal convolution sees the
same memory as a channels_last picture.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from stroi.trainer.config import GcnConfig
from stroi.trainer.models.dropout import Dropout
from stroi.trainer.models.graph_net import GraphNet


class Block(nn.Module):
    """Graph convolution (eq. 3), temporal convolution, shortcut.

    Args:
        channels_in: Channels of the input.
        channels: Channels of the output.
        stride: Temporal stride.
        shortcut: Whether the input is added to the output.
        graph: (3, V, V) normalised adjacency.
        config: Temporal kernel and dropout.
    """

    graph: Tensor

    def __init__(
        self,
        channels_in: int,
        channels: int,
        stride: int,
        *,
        shortcut: bool,
        graph: Tensor,
        config: GcnConfig,
    ) -> None:
        super().__init__()
        self.register_buffer("graph", graph.clone(), persistent=False)
        self.mask = nn.Parameter(torch.ones_like(graph))
        self.spatial = nn.Conv2d(len(graph) * channels_in, channels, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        kernel = config.temporal_kernel
        self.temporal = nn.Conv2d(
            channels, channels, (kernel, 1), (stride, 1), (kernel // 2, 0), bias=False
        )
        self.bn2 = nn.BatchNorm2d(channels)
        self.dropout = Dropout(config.dropout)
        self.stride = stride
        self.shortcut: nn.Module | None = None
        if shortcut and (stride != 1 or channels_in != channels):
            self.shortcut = nn.Sequential(
                nn.Conv2d(channels_in, channels, 1, bias=False), nn.BatchNorm2d(channels)
            )
        elif shortcut:
            self.shortcut = nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(B, C_in, T, V) to (B, C, T / stride, V), both channels_last."""
        batch, channels_in, frames, joints = x.shape
        # Eq. 3 with M_k on A_k: stacking the subsets under each vertex gives one product whose
        # result is already laid out as the input of the 1x1 convolution W_k.
        graph = (self.graph * self.mask).transpose(0, 1).reshape(-1, joints)
        rows = x.permute(0, 2, 3, 1).reshape(batch * frames, joints, channels_in)
        # bmm on an expanded view: matmul would fold the batch into rows and copy it twice.
        gathered = torch.bmm(graph.to(rows.dtype).expand(rows.shape[0], -1, -1), rows)
        gathered = gathered.view(batch, frames, joints, -1).permute(0, 3, 1, 2)
        y = normalised(gathered, self.spatial, self.bn1).relu_()
        y = normalised(y, self.temporal, self.bn2)
        return torch.relu_(self.dropout(y, self._around(x)))

    def _around(self, x: Tensor) -> Tensor | None:
        """The shortcut's share of the output."""
        if not isinstance(self.shortcut, nn.Sequential):
            return None if self.shortcut is None else x
        conv, bn = self.shortcut
        # Frames are skipped here and not by a strided 1x1 convolution: on a CPU with several
        # threads its backward pass writes out of bounds for 8 or 12 channels (torch 2.13).
        kept = x if self.stride == 1 else x[:, :, :: self.stride]
        return normalised(kept, cast(nn.Conv2d, conv), cast(nn.BatchNorm2d, bn))


def normalised(x: Tensor, conv: nn.Conv2d, bn: nn.BatchNorm2d) -> Tensor:
    """A convolution without bias and its batch normalisation.

    In evaluation mode the normalisation is a fixed scale and shift of each channel: it goes into
    the convolution's weights and bias, which saves a pass over the activations.
    """
    if bn.training or bn.running_var is None or bn.running_mean is None:
        return bn(conv(x))  # type: ignore[no-any-return]
    scale = bn.weight * torch.rsqrt(bn.running_var + bn.eps)
    shift = bn.bias - bn.running_mean * scale
    weight = conv.weight * scale[:, None, None, None]
    return functional.conv2d(x, weight, shift, conv.stride, conv.padding)


class StGcn(GraphNet):
    """ST-GCN: see `GraphNet`, and `Block` for its parts."""

    block = Block
    memory = torch.channels_last
