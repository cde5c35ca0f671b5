"""A stronger graph network: a topology per channel and clip, and several temporal kernels.

The spatial part is the channel-wise topology refinement of Chen et al. (ICCV 2021), the temporal
part the branches of different dilation that Liu et al. (CVPR 2020) and they use; written from
their formulas. The feature for eq. 4 comes out as from ST-GCN.

Legend of shapes: B bodies, T frames, V joints, C channels.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from stroi.trainer.config import GcnConfig
from stroi.trainer.models.dropout import Dropout
from stroi.trainer.models.graph_net import GraphNet
from stroi.trainer.models.pointwise import Pointwise

REDUCTION = 8
"""Channels of a layer per channel that its topology is told by."""
DILATIONS = (1, 2)
"""Of the two branches of a temporal layer that convolve over several frames."""


class Refined(nn.Module):
    """Graph convolution with topologies that depend on the body.

    For each of the three subsets: Z = (A + gain * L(tanh(p_i - q_j))) f W, where p and q are
    linear functions of the body's mean feature at joints i and j, and L is a linear map to as
    many topologies as there are. Channels are dealt out to topologies in runs. A is learnt, from
    the subset's adjacency on.

    Args:
        channels_in: Channels of the input.
        channels: Channels of the output.
        graph: (3, V, V) normalised adjacency.
        topologies: G, topologies of a layer; as many as channels are the paper's.
    """

    def __init__(self, channels_in: int, channels: int, graph: Tensor, topologies: int) -> None:
        super().__init__()
        self.subsets, self.groups = len(graph), min(topologies, channels)
        self.few = max(8, channels_in // REDUCTION)
        self.graph = nn.Parameter(graph.clone())
        self.gain = nn.Parameter(torch.zeros(1))
        self.ends = nn.Conv1d(channels_in, 2 * self.subsets * self.few, 1)
        self.widen = nn.Conv2d(
            self.subsets * self.few, self.subsets * self.groups, 1, groups=self.subsets
        )
        self.mix = nn.ModuleList(Pointwise(channels_in, channels) for _ in graph)
        self.bn = nn.BatchNorm2d(channels)

    def topology(self, x: Tensor) -> Tensor:
        """(B, C_in, T, V) to (3, B, G, V, V): what each joint (last axis) gets from each."""
        inner, outer = self.ends(x.mean(2)).chunk(2, dim=1)
        pairs = torch.tanh(inner[..., :, None] - outer[..., None, :])
        refined: Tensor = (
            self.widen(pairs).unflatten(1, (self.subsets, self.groups)).transpose(0, 1)
        )
        return self.graph.transpose(1, 2)[:, None, None] + self.gain * refined

    def forward(self, x: Tensor) -> Tensor:
        """(B, C_in, T, V) to (B, C, T, V), normalised."""
        batch, _, frames, joints = x.shape
        mixed = [mix(x).view(batch * self.groups, -1, joints) for mix in self.mix]
        topology = self.topology(x).flatten(1, 2).to(mixed[0].dtype)
        summed = torch.bmm(mixed[0], topology[0])
        for subset in range(1, self.subsets):
            summed = torch.baddbmm(summed, mixed[subset], topology[subset])
        normalised: Tensor = self.bn(summed.view(batch, -1, frames, joints))
        return normalised


class Branches(nn.Module):
    """Temporal convolutions of two dilations, a maximum over three frames, and no reach at all.

    Args:
        channels: Channels of input and output, a multiple of 4.
        kernel: Frames of a convolution.
        stride: Temporal stride.
    """

    def __init__(self, channels: int, kernel: int, stride: int) -> None:
        super().__init__()
        part = channels // 4
        self.part, self.stride = part, stride
        self.reduce = Pointwise(channels, channels)
        self.bn_reduce = nn.BatchNorm2d(channels)
        self.reach = nn.ModuleList(
            nn.Conv2d(
                part, part, (kernel, 1), (stride, 1), (dilation * (kernel // 2), 0), (dilation, 1)
            )
            for dilation in DILATIONS
        )
        self.pool = nn.MaxPool2d((3, 1), (stride, 1), (1, 0))
        self.bn = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T, V) to (B, C, T / stride, V), normalised."""
        few = self.bn_reduce(self.reduce(x))
        near, still = few.split((3 * self.part, self.part), dim=1)
        first, second, third = near.relu().chunk(3, dim=1)
        # On a CPU torch takes this maximum over many channels at once where they lie last.
        highest = self.pool(third.contiguous(memory_format=torch.channels_last))
        still = still[:, :, :: self.stride]
        parts = [self.reach[0](first), self.reach[1](second), highest, still]
        normalised: Tensor = self.bn(torch.cat(parts, dim=1))
        return normalised


class RefinedBlock(nn.Module):
    """Refined graph convolution, temporal branches, shortcuts around each and both.

    Args:
        channels_in: Channels of the input.
        channels: Channels of the output.
        stride: Temporal stride.
        shortcut: Whether the input is added to the output.
        graph: (3, V, V) normalised adjacency.
        config: Temporal kernel and dropout.
    """

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
        self.stride, self.shortcut = stride, shortcut
        self.spatial = Refined(channels_in, channels, graph, config.topologies)
        self.temporal = Branches(channels, config.temporal_kernel, stride)
        self.dropout = Dropout(config.dropout)
        self.around: nn.Module = nn.Identity()
        if channels_in != channels:
            self.around = nn.Sequential(Pointwise(channels_in, channels), nn.BatchNorm2d(channels))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C_in, T, V) to (B, C, T / stride, V)."""
        around = self.around(x)
        y = torch.relu(self.spatial(x) + around)
        kept = around[:, :, :: self.stride] if self.shortcut else None
        return torch.relu(self.dropout(self.temporal(y), kept))


class CtrGcn(GraphNet):
    """Channel-wise refined topologies: see `GraphNet`, and `RefinedBlock` for its parts."""

    block = RefinedBlock
    memory = torch.contiguous_format
