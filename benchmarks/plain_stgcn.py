"""ST-GCN as one writes it down: what `gcn_speed.py` compares the trainer's with.

(N, C, T, V) throughout, two bodies always, 1x1 convolution to three subsets and then an einsum
with the graph, torch's own dropout, float32. The same blocks as `stroi.trainer.models.stgcn`.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from stroi.cache.layouts import Layout
from stroi.trainer.config import GcnConfig
from stroi.trainer.models.skeleton_graph import adjacency


class PlainBlock(nn.Module):
    """Graph convolution, temporal convolution, shortcut.

    Args:
        before: Channels of the input.
        after: Channels of the output.
        stride: Temporal stride.
        shortcut: Whether there is one.
        graph: (3, V, V).
        config: Temporal kernel and dropout.
    """

    graph: Tensor

    def __init__(
        self,
        before: int,
        after: int,
        stride: int,
        *,
        shortcut: bool,
        graph: Tensor,
        config: GcnConfig,
    ) -> None:
        super().__init__()
        self.register_buffer("graph", graph)
        self.mask = nn.Parameter(torch.ones_like(graph))
        self.spatial = nn.Conv2d(before, 3 * after, 1)
        kernel = config.temporal_kernel
        self.temporal = nn.Sequential(
            nn.BatchNorm2d(after),
            nn.ReLU(inplace=True),
            nn.Conv2d(after, after, (kernel, 1), (stride, 1), (kernel // 2, 0)),
            nn.BatchNorm2d(after),
            nn.Dropout(config.dropout, inplace=True),
        )
        self.around: nn.Module | None = None
        if shortcut and stride == 1 and before == after:
            self.around = nn.Identity()
        elif shortcut:
            self.around = nn.Sequential(
                nn.Conv2d(before, after, 1, (stride, 1)), nn.BatchNorm2d(after)
            )

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, T, V) to (N, C', T', V)."""
        count, _, frames, joints = x.shape
        y = self.spatial(x).view(count, 3, -1, frames, joints)
        y = torch.einsum("nkctv,kvw->nctw", y, self.graph * self.mask).contiguous()
        y = self.temporal(y)
        if self.around is not None:
            y = y + self.around(x)
        return torch.relu_(y)


class PlainStGcn(nn.Module):
    """The network.

    Args:
        classes: How many.
        config: Channels, strides, temporal kernel, dropout.
        layout: V joints.
    """

    def __init__(self, classes: int, config: GcnConfig, layout: Layout) -> None:
        super().__init__()
        graph = torch.from_numpy(adjacency(layout)).transpose(1, 2).contiguous()
        self.data_bn = nn.BatchNorm1d(len(layout.joints) * 3)
        widths = (3, *config.channels)
        self.blocks = nn.Sequential(
            *(
                PlainBlock(
                    *widths[at : at + 2], stride, shortcut=at > 0, graph=graph, config=config
                )
                for at, stride in enumerate(config.strides)
            )
        )
        self.fc = nn.Linear(widths[-1], classes)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(N, M, T, V, 3) to logits (N, classes) and the feature (N, M, C, T', V)."""
        count, bodies, frames, joints, axes = x.shape
        y = x.permute(0, 1, 3, 4, 2).reshape(count * bodies, joints * axes, frames)
        y = self.data_bn(y).view(count * bodies, joints, axes, frames).permute(0, 2, 3, 1)
        y = self.blocks(y.contiguous())
        pooled = y.mean((2, 3)).view(count, bodies, -1).mean(1)
        return self.fc(pooled), y.view(count, bodies, *y.shape[1:])
