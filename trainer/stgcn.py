"""The spatial-temporal graph network (sections III.B and III.C), arranged for speed on a CPU.

Activations are kept as (B, T, V, C) with the channels last: the graph product and the 1x1
convolution become plain matrix products without a copy, and the temporal convolution sees the
same memory as a channels_last picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from stroi.cache.errors import ParamsError
from stroi.cache.layouts import BODY_25, Layout
from stroi.trainer.config import GcnConfig
from stroi.trainer.dropout import Dropout
from stroi.trainer.graph import adjacency
from stroi.trainer.initial import initialise_convolutions
from stroi.trainer.streams import seen


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


class StGcn(nn.Module):
    """ST-GCN over the present persons of every clip.

    Absent persons are left out before the first layer: they touch neither the batch
    normalisation nor the mean over persons.

    Args:
        classes: Class names, C of them.
        config: Shape of the network.
        layout: Joints and bones, V joints.

    Raises:
        ParamsError: ``GCN_KERNEL`` if the temporal kernel is even: it would have no middle.
    """

    def __init__(
        self, classes: Sequence[str], config: GcnConfig, *, layout: Layout = BODY_25
    ) -> None:
        super().__init__()
        if config.temporal_kernel % 2 == 0:
            raise ParamsError(
                "GCN_KERNEL",
                f"a temporal kernel of {config.temporal_kernel} frames has no middle",
                remedy="use an odd number, such as 9",
            )
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
                Block(before, channels, stride, shortcut=number > 0, graph=graph, config=config)
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
        bodies = seen(x, self.layout, self.config)[present]
        y = self.features(bodies)
        exact = self.fc.weight.dtype
        pooled = spread(y.mean((2, 3), dtype=exact), present).sum(1) / present.sum(1, keepdim=True)
        return self.fc(pooled), spread(y.to(exact), present)

    def features(self, bodies: Tensor) -> Tensor:
        """(B, T, V, 3) bodies, as the stream has them, to the last block's (B, C, T'', V)."""
        count, frames, joints, axes = bodies.shape
        y = self.data_bn(bodies.reshape(count, frames, joints * axes).transpose(1, 2))
        y = y.view(count, joints, axes, frames).permute(0, 2, 3, 1)
        y = y.contiguous(memory_format=torch.channels_last)
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
