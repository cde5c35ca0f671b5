"""A training in bfloat16 gives the same bits whatever freed memory held before.

Libraries of torch have read memory that was never written, for pictures that shrink to one pixel.
"""

from __future__ import annotations

import math

import pytest
import torch
from small_inputs import CLASSES, LABELS, SMALL_GCN, clips
from trainings import gcn_trained, resnet_trained

from stroi.cache.mosaics import MosaicCache
from stroi.trainer.config import Backbone, Images, ResNetConfig, RgbModel, Schedule
from stroi.trainer.run.run_key import model_digest

SCHEDULE = Schedule(epochs=1, batch_size=4, lr=0.01, milestones=(1,))
VALUES = (0.0, math.nan, 1e30)


def fill_freed_memory(value: float) -> None:
    """Leave freed blocks of many sizes that hold a number."""
    left = [torch.full((2**power,), value) for power in [*range(4, 22)] * 4]
    del left


@pytest.mark.parametrize("model", ["stgcn", "ctrgcn"])
def test_graph_networks(model: Backbone) -> None:
    config = SMALL_GCN.replace(model=model, precision="bf16", channels=(16, 32), strides=(1, 2))
    digests = set()
    for value in VALUES:
        fill_freed_memory(value)
        net = gcn_trained(clips(), LABELS, CLASSES, config=config, schedule=SCHEDULE, seed=0)
        digests.add(model_digest(net))
    assert len(digests) == 1


@pytest.mark.parametrize("images", ["mosaic", "cells"])
@pytest.mark.parametrize("model", ["resnet18", "efficientnet_lite0"])
def test_image_networks(mosaics: MosaicCache, model: RgbModel, images: Images) -> None:
    config = ResNetConfig(model=model, images=images, precision="bf16")
    digests = set()
    for value in VALUES:
        fill_freed_memory(value)
        net = resnet_trained("plain", mosaics, LABELS, CLASSES, config=config, schedule=SCHEDULE)
        digests.add(model_digest(net))
    assert len(digests) == 1
