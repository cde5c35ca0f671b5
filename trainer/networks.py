"""The networks that come with stroi, by the names of `stroi.trainer.plugins.GROUPS`.

Torch is imported when one is built: tables name networks without it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stroi.trainer.config import GcnConfig, ResNetConfig
from stroi.trainer.plugins import Network

if TYPE_CHECKING:
    from torch import Tensor, nn

    from stroi.trainer.models.rgb_net import RgbNet


def _stgcn(graph: Tensor, config: GcnConfig) -> nn.Module:
    from stroi.trainer.models.graph_net import BlockStack
    from stroi.trainer.models.stgcn import StGcnBlock

    return BlockStack(StGcnBlock, graph, config)


def _ctrgcn(graph: Tensor, config: GcnConfig) -> nn.Module:
    from stroi.trainer.models.ctrgcn import CtrGcnBlock
    from stroi.trainer.models.graph_net import BlockStack

    return BlockStack(CtrGcnBlock, graph, config)


def _resnet(classes: int, config: ResNetConfig, vectors: int) -> RgbNet:
    from stroi.trainer.models.resnet import ResNet

    return ResNet(classes, config.model, config.dropout, vectors)


def _efficientnet_lite0(classes: int, config: ResNetConfig, vectors: int) -> RgbNet:
    from stroi.trainer.models.efficientnet_lite import EfficientNetLite0

    return EfficientNetLite0(classes, config.dropout, vectors)


STGCN = Network(label="ST-GCN", build=_stgcn)
CTRGCN = Network(label="CTR-GCN", build=_ctrgcn)
RESNET18 = Network(label="ResNet18", build=_resnet)
RESNET34 = Network(label="ResNet34", build=_resnet)
RESNET50 = Network(label="ResNet50", build=_resnet)
EFFICIENTNET_LITE0 = Network(label="EfficientNet-Lite0", build=_efficientnet_lite0)
