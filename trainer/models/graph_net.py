"""What all graph networks share: blocks over the present persons, and a classifier."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Protocol

import torch
from torch import Tensor, nn

from stroi.cache.layouts import BODY_25, Layout
from stroi.trainer.config import GcnConfig
from stroi.trainer.models.initial import initialise_convolutions
from stroi.trainer.models.input_streams import seen
from stroi.trainer.models.skeleton_graph import adjacency


class MakeBlock(Protocol):
    """Makes one block: (B, channels_in, T, V) to (B, channels, T / stride, V)."""

    def __call__(
        self,
        channels_in: int,
        channels: int,
        stride: int,
        *,
        shortcut: bool,
        graph: Tensor,
        config: GcnConfig,
    ) -> nn.Module:
        """A block; `graph` is the (3, V, V) normalised adjacency."""


class GraphNet(nn.Module):
    """Blocks over the present persons of every clip, and a classifier of their mean.

    Absent persons are left out before the first layer: they touch neither the batch
    normalisation nor the mean over persons. A network is told by its block.

    Args:
        classes: Class names, C of them.
        config: Shape of the network and its stream.
        layout: Joints and bones, V joints.
    """

    block: ClassVar[MakeBlock]
    memory: ClassVar[torch.memory_format]
    """How the blocks want (B, C, T, V) to lie in memory."""

    def __init__(
        self, classes: Sequence[str], config: GcnConfig, *, layout: Layout = BODY_25
    ) -> None:
        super().__init__()
        self.classes, self.config, self.layout = tuple(classes), config, layout
        graph = torch.from_numpy(
            adjacency(layout, alpha=config.alpha, normalisation=config.normalisation)
        )
        self.data_bn = nn.BatchNorm1d(len(layout.joints) * 3)
        blocks, before = [], 3
        for number, (channels, stride) in enumerate(
            zip(config.channels, config.strides, strict=True)
        ):
            blocks.append(
                type(self).block(
                    before, channels, stride, shortcut=number > 0, graph=graph, config=config
                )
            )
            before = channels
        self.blocks = nn.ModuleList(blocks)
        self.fc = nn.Linear(before, len(self.classes))
        initialise_convolutions(self)

    def forward(self, x: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
        """Classify N clips.

        Args:
            x: (N, M, T, V, 3) prepared key points.
            present: (N, M) bool; at least one person per clip.

        Returns:
            (N, C) logits and the last block's feature (N, M, channels, T'', V) that eq. 4
            reads; the feature of an absent person is 0.
        """
        bodies = self.stream(x)[present]
        y = self.features(bodies).to(self.fc.weight.dtype)
        pooled = spread(y.mean((2, 3)), present).sum(1) / present.sum(1, keepdim=True)
        return self.fc(pooled), spread(y, present)

    def stream(self, x: Tensor) -> Tensor:
        """The network's stream of whole clips, (N, M, T, V, 3) to the same; see `seen`.

        It comes before bodies are picked: a clip's size is that of both persons together.
        """
        return seen(x, self.layout, self.config)

    def features(self, bodies: Tensor) -> Tensor:
        """(B, T, V, 3) bodies, as the stream has them, to the last block's (B, C, T'', V)."""
        count, frames, joints, axes = bodies.shape
        y = self.data_bn(bodies.reshape(count, frames, joints * axes).transpose(1, 2))
        y = y.view(count, joints, axes, frames).permute(0, 2, 3, 1)
        y = y.contiguous(memory_format=self.memory)
        for block in self.blocks:
            y = block(y)
        return y  # type: ignore[no-any-return]


def spread(values: Tensor, present: Tensor) -> Tensor:
    """(B, ...) of the present persons to (N, M, ...), 0 for the absent ones."""
    if len(values) == present.numel():
        return values.view(*present.shape, *values.shape[1:])
    spread = values.new_zeros((*present.shape, *values.shape[1:]))
    spread[present] = values
    return spread
