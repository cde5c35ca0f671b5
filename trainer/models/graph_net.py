"""The graph networks: blocks over the present persons of every clip, and a classifier.

Legend of shapes: N clips, M persons, B bodies (the present persons of all clips), T frames of the
input and T'' after the last block, V joints, D channels after the last block, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from stroi.cache.layouts import BODY_25, Layout
from stroi.trainer.config import GcnConfig
from stroi.trainer.models.ctrgcn import CtrGcnBlock
from stroi.trainer.models.input_streams import network_stream
from stroi.trainer.models.layers import BlockShape, initialise_convolutions
from stroi.trainer.models.skeleton_graph import adjacency
from stroi.trainer.models.stgcn import StGcnBlock
from stroi.trainer.plugins import Network, find


class BlockStack(nn.Sequential):
    """The blocks of a graph network: (B, 3, T, V) to (B, D, T'', V).

    Args:
        block: Their class.
        graph: (K, V, V) normalised adjacency.
        config: Channels and strides.
    """

    def __init__(
        self, block: type[StGcnBlock | CtrGcnBlock], graph: Tensor, config: GcnConfig
    ) -> None:
        super().__init__(
            *(
                block(BlockShape(*widths, stride, residual=number > 0), graph, config)
                for number, (widths, stride) in enumerate(
                    zip(pairwise((3, *config.channels)), config.strides, strict=True)
                )
            )
        )
        self.memory_format = block.memory_format


class GraphNet(nn.Module):
    """Classifies the skeletons of a clip (sections III.B and III.C).

    Absent persons are left out before the first layer. They change neither the batch
    normalisation nor the mean over persons.

    Args:
        classes: Class names, C of them.
        config: Kind and shape of the network, and its input stream.
        layout: Joints and bones, V joints.
    """

    def __init__(self, classes: Sequence[str], config: GcnConfig, layout: Layout = BODY_25) -> None:
        super().__init__()
        self.classes, self.config, self.layout = tuple(classes), config, layout
        graph = torch.from_numpy(
            adjacency(layout, alpha=config.alpha, normalisation=config.normalisation)
        )
        self.data_bn = nn.BatchNorm1d(len(layout.joints) * 3)
        network = find("graph_nets", config.model, Network)
        self.blocks: nn.Module = network.build(graph, config, *network.own(config.options))
        self.memory_format = getattr(self.blocks, "memory_format", torch.contiguous_format)
        self.fc = nn.Linear(config.channels[-1], len(self.classes))
        initialise_convolutions(self)

    def forward(self, x: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
        """Classify N clips.

        Args:
            x: (N, M, T, V, 3) prepared key points.
            present: (N, M) bool; at least one person per clip.

        Returns:
            (N, C) logits and the last block's feature (N, M, D, T'', V), the Y of eq. 4; the
            feature of an absent person is 0.
        """
        bodies = self.stream(x)[present]  # (N, M, T, V, 3) -> (B, T, V, 3)
        feature = self.features(bodies).to(self.fc.weight.dtype)  # (B, D, T'', V)
        persons = scatter_to_persons(feature.mean((2, 3)), present)  # (B, D) -> (N, M, D)
        pooled = persons.sum(1) / present.sum(1, keepdim=True)  # (N, D)
        return self.fc(pooled), scatter_to_persons(feature, present)

    def stream(self, x: Tensor) -> Tensor:
        """The network's input stream of whole clips, (N, M, T, V, 3) to the same.

        It comes before bodies are picked: a clip's size is that of both persons together.
        """
        return network_stream(x, self.layout, self.config)

    def features(self, bodies: Tensor) -> Tensor:
        """(B, T, V, 3) bodies of the input stream to the last block's feature (B, D, T'', V)."""
        count, frames, joints, axes = bodies.shape
        y = bodies.reshape(count, frames, joints * axes).transpose(1, 2)  # (B, V*3, T)
        y = self.data_bn(y).view(count, joints, axes, frames)  # (B, V, 3, T)
        y = y.permute(0, 2, 3, 1)  # (B, 3, T, V)
        return self.blocks(y.contiguous(memory_format=self.memory_format))  # type: ignore[no-any-return]


def scatter_to_persons(values: Tensor, present: Tensor) -> Tensor:
    """(B, ...) of the present persons to (N, M, ...), 0 for the absent ones."""
    if len(values) == present.numel():
        return values.view(*present.shape, *values.shape[1:])
    scattered = values.new_zeros((*present.shape, *values.shape[1:]))
    scattered[present] = values
    return scattered
