"""The graph networks there are, behind one interface.

Each is built of class names, a `GcnConfig` and a layout, and maps (N, M, T, V, 3) clips and
(N, M) presence to (N, C) logits and the (N, M, channels, T', V) feature that eq. 4 reads.
"""

from __future__ import annotations

from collections.abc import Sequence

from stroi.cache.layouts import Layout
from stroi.trainer.config import Backbone, GcnConfig
from stroi.trainer.models.ctrgcn import CtrGcn
from stroi.trainer.models.graph_net import GraphNet
from stroi.trainer.models.stgcn import StGcn

GRAPH_NETS: dict[Backbone, type[GraphNet]] = {"stgcn": StGcn, "ctrgcn": CtrGcn}
"""By the name that `GcnConfig.model` and checkpoints give them."""


def build_graph_net(classes: Sequence[str], config: GcnConfig, layout: Layout) -> GraphNet:
    """The graph network that `config.model` names, with fresh weights.

    Args:
        classes: Class names, C of them.
        config: Shape of the network and its stream.
        layout: Joints and bones, V joints.
    """
    return GRAPH_NETS[config.model](classes, config, layout=layout)
