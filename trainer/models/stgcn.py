"""The block of ST-GCN (sections III.B and III.C), arranged for speed on a CPU.

Activations are kept as (B, T, V, C) with the channels last: the graph product and the 1x1
convolution become plain matrix products without a copy, and the temporal convolution sees the
same memory as a channels_last picture.

Legend of shapes: B bodies, T frames, V joints, C_in and C channels, K = 3 subsets of the graph.
"""

from __future__ import annotations

from typing import ClassVar, cast

import torch
from torch import Tensor, nn

from stroi.trainer.config import GcnConfig
from stroi.trainer.models.layers import BitDropout, BlockShape, conv_bn


class StGcnBlock(nn.Module):
    """Graph convolution (eq. 3), temporal convolution, shortcut.

    Args:
        shape: Channels, stride, shortcut.
        graph: (K, V, V) normalised adjacency.
        config: Temporal kernel and dropout.
    """

    memory_format: ClassVar[torch.memory_format] = torch.channels_last
    graph: Tensor

    def __init__(self, shape: BlockShape, graph: Tensor, config: GcnConfig) -> None:
        super().__init__()
        channels_in, channels, stride = shape.channels_in, shape.channels, shape.stride
        kernel = config.temporal_kernel
        self.register_buffer("graph", graph.clone(), persistent=False)
        self.mask = nn.Parameter(torch.ones_like(graph))
        self.spatial = nn.Conv2d(len(graph) * channels_in, channels, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.temporal = nn.Conv2d(
            channels, channels, (kernel, 1), (stride, 1), (kernel // 2, 0), bias=False
        )
        self.bn2 = nn.BatchNorm2d(channels)
        self.dropout = BitDropout(config.dropout)
        self.stride = stride
        self.shortcut: nn.Module | None = None
        if shape.residual and (stride != 1 or channels_in != channels):
            self.shortcut = nn.Sequential(
                nn.Conv2d(channels_in, channels, 1, bias=False), nn.BatchNorm2d(channels)
            )
        elif shape.residual:
            self.shortcut = nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(B, C_in, T, V) to (B, C, T / stride, V), both channels_last."""
        y = conv_bn(self._gather(x), self.spatial, self.bn1).relu_()
        y = conv_bn(y, self.temporal, self.bn2)
        return torch.relu_(self.dropout(y, self._shortcut(x)))

    def _gather(self, x: Tensor) -> Tensor:
        """Eq. 3 before its weights W_k: (B, C_in, T, V) to (B, K*C_in, T, V)."""
        batch, channels_in, frames, joints = x.shape
        # A_k with its mask M_k. Stacking the subsets under each vertex gives one product whose
        # result already lies in memory as the input of the 1x1 convolution W_k.
        graph = (self.graph * self.mask).transpose(0, 1)  # (K, V, V) -> (V, K, V)
        graph = graph.reshape(-1, joints)  # (V*K, V)
        vertices = x.permute(0, 2, 3, 1)  # (B, C_in, T, V) -> (B, T, V, C_in)
        vertices = vertices.reshape(batch * frames, joints, channels_in)  # (B*T, V, C_in)
        # bmm on an expanded view: matmul would fold the batch into rows and copy it twice.
        graph = graph.to(vertices.dtype).expand(batch * frames, -1, -1)  # (B*T, V*K, V)
        gathered = torch.bmm(graph, vertices)  # (B*T, V*K, C_in)
        gathered = gathered.view(batch, frames, joints, -1)  # (B, T, V, K*C_in)
        return gathered.permute(0, 3, 1, 2)  # (B, K*C_in, T, V)

    def _shortcut(self, x: Tensor) -> Tensor | None:
        """What is added to the output: (B, C_in, T, V) to (B, C, T / stride, V)."""
        if not isinstance(self.shortcut, nn.Sequential):
            return None if self.shortcut is None else x
        conv, bn = self.shortcut
        # Frames are skipped here and not by a strided 1x1 convolution: on a CPU with several
        # threads its backward pass writes out of bounds for 8 or 12 channels (torch 2.13).
        kept = x if self.stride == 1 else x[:, :, :: self.stride]
        return conv_bn(kept, cast(nn.Conv2d, conv), cast(nn.BatchNorm2d, bn))
