"""The block of CTR-GCN: a topology per channel and body, and several temporal kernels.

The spatial part is the channel-wise topology refinement graph convolution of Chen et al. (ICCV
2021). The temporal part is the multi-scale convolution of Liu et al. (CVPR 2020), as Chen et al.
use it. Both are written from the papers' formulas.

Legend of shapes: B bodies, T frames, V joints, C_in and C channels, R reduced channels, K = 3
subsets of the graph, G topologies.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from stroi.trainer.config import GcnConfig
from stroi.trainer.models.layers import BitDropout, BlockShape, PointwiseConv

REDUCTION = 8
"""Input channels per reduced channel, from which the topology is computed."""
DILATIONS = (1, 2)
"""Of the two branches of a temporal layer that convolve over several frames."""


class CtrGraphConv(nn.Module):
    """Channel-wise topology refinement graph convolution (CTR-GC).

    Each of the K subsets adds Q x W, where Q_ij = A_ij + alpha * xi(tanh(phi(x_j) - psi(x_i))).
    phi and psi are linear maps of the body's mean feature at a joint to R channels, and xi is a
    linear map from R channels to G topologies. Neighbouring channels share a topology. A is
    learnt, starting from the subset's adjacency.

    Args:
        channels_in: C_in.
        channels: C.
        graph: (K, V, V) normalised adjacency.
        topologies: G; the paper has as many as channels.
    """

    def __init__(self, channels_in: int, channels: int, graph: Tensor, topologies: int) -> None:
        super().__init__()
        self.subsets, self.topologies = len(graph), min(topologies, channels)
        self.reduced = max(8, channels_in // REDUCTION)
        self.graph = nn.Parameter(graph.clone())
        self.alpha = nn.Parameter(torch.zeros(1))
        self.relate = nn.Conv1d(channels_in, 2 * self.subsets * self.reduced, 1)
        self.expand = nn.Conv2d(
            self.subsets * self.reduced, self.subsets * self.topologies, 1, groups=self.subsets
        )
        self.value = nn.ModuleList(PointwiseConv(channels_in, channels) for _ in graph)
        self.bn = nn.BatchNorm2d(channels)

    def topology(self, x: Tensor) -> Tensor:
        """(B, C_in, T, V) to (K, B, G, V, V): what joint i, the last axis, gets from joint j."""
        related = self.relate(x.mean(2))  # (B, C_in, V) -> (B, 2*K*R, V)
        phi, psi = related.chunk(2, dim=1)  # (B, K*R, V) each
        pairs = torch.tanh(phi[..., :, None] - psi[..., None, :])  # (B, K*R, V, V)
        refined: Tensor = self.expand(pairs)  # (B, K*G, V, V)
        refined = refined.view(-1, self.subsets, self.topologies, *pairs.shape[2:])
        refined = refined.transpose(0, 1)  # (B, K, G, V, V) -> (K, B, G, V, V)
        graph = self.graph.transpose(1, 2)[:, None, None]  # (K, V, V) -> (K, 1, 1, V, V)
        return graph + self.alpha * refined

    def forward(self, x: Tensor) -> Tensor:
        """(B, C_in, T, V) to (B, C, T, V), after batch normalisation."""
        batch, _, frames, joints = x.shape
        # (B, C, T, V) -> (B*G, C/G*T, V), one per subset
        values = [value(x).view(batch * self.topologies, -1, joints) for value in self.value]
        topology = self.topology(x).flatten(1, 2)  # (K, B, G, V, V) -> (K, B*G, V, V)
        topology = topology.to(values[0].dtype)
        total = torch.bmm(values[0], topology[0])  # (B*G, C/G*T, V)
        for subset in range(1, self.subsets):
            total = torch.baddbmm(total, values[subset], topology[subset])
        y: Tensor = self.bn(total.view(batch, -1, frames, joints))  # (B, C, T, V)
        return y


class MultiScaleTemporalConv(nn.Module):
    """Four branches over a quarter of the channels each, side by side.

    Two convolutions of different dilation, a maximum over three frames, and the frame alone.

    Args:
        channels: C of input and output, a multiple of 4.
        kernel: Frames of a convolution.
        stride: Temporal stride.
    """

    def __init__(self, channels: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.width, self.stride = channels // 4, stride
        self.reduce = PointwiseConv(channels, channels)
        self.bn_reduce = nn.BatchNorm2d(channels)
        self.dilated = nn.ModuleList(
            nn.Conv2d(
                self.width,
                self.width,
                (kernel, 1),
                stride=(stride, 1),
                padding=(dilation * (kernel // 2), 0),
                dilation=(dilation, 1),
            )
            for dilation in DILATIONS
        )
        self.pool = nn.MaxPool2d((3, 1), (stride, 1), (1, 0))
        self.bn = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T, V) to (B, C, T / stride, V), after batch normalisation."""
        reduced = self.bn_reduce(self.reduce(x))
        temporal, frame = reduced.split((3 * self.width, self.width), dim=1)
        first, second, third = temporal.relu().chunk(3, dim=1)  # (B, C/4, T, V) each
        # On a CPU torch takes this maximum over many channels at once where they lie last.
        highest = self.pool(third.contiguous(memory_format=torch.channels_last))
        frame = frame[:, :, :: self.stride]  # (B, C/4, T / stride, V)
        branches = [self.dilated[0](first), self.dilated[1](second), highest, frame]
        y: Tensor = self.bn(torch.cat(branches, dim=1))
        return y


class CtrGcnBlock(nn.Module):
    """Refined graph convolution and multi-scale temporal convolution, with shortcuts.

    Args:
        shape: Channels, stride, and whether there is a shortcut around the whole block; the graph
            convolution always has one.
        graph: (K, V, V) normalised adjacency.
        config: Topologies, temporal kernel and dropout.
    """

    memory_format: ClassVar[torch.memory_format] = torch.contiguous_format

    def __init__(self, shape: BlockShape, graph: Tensor, config: GcnConfig) -> None:
        super().__init__()
        channels_in, channels = shape.channels_in, shape.channels
        self.stride, self.residual = shape.stride, shape.residual
        self.spatial = CtrGraphConv(channels_in, channels, graph, config.topologies)
        self.temporal = MultiScaleTemporalConv(channels, config.temporal_kernel, shape.stride)
        self.dropout = BitDropout(config.dropout)
        self.shortcut: nn.Module = nn.Identity()
        if channels_in != channels:
            self.shortcut = nn.Sequential(
                PointwiseConv(channels_in, channels), nn.BatchNorm2d(channels)
            )

    def forward(self, x: Tensor) -> Tensor:
        """(B, C_in, T, V) to (B, C, T / stride, V)."""
        shortcut = self.shortcut(x)
        y = torch.relu(self.spatial(x) + shortcut)
        kept = shortcut[:, :, :: self.stride] if self.residual else None
        return torch.relu(self.dropout(self.temporal(y), kept))
