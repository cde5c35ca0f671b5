"""The two trainings with the options of a run as keywords: on the CPU, from seed 0."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from stroi.trainer.models.graph_net import GraphNet
from stroi.trainer.models.weighted_mosaic_net import WeightedMosaicNet
from stroi.trainer.run.run_options import RunOptions
from stroi.trainer.train_gcn import train_gcn
from stroi.trainer.train_resnet import train_resnet

_OPTIONS = {field.name for field in fields(RunOptions)}


def gcn_trained(*inputs: Any, **settings: Any) -> GraphNet:
    """What `train_gcn` gives; keywords that are options of a run become its `run`."""
    return train_gcn(*inputs, **_with_run(settings))


def resnet_trained(*inputs: Any, **settings: Any) -> WeightedMosaicNet:
    """What `train_resnet` gives; keywords that are options of a run become its `run`."""
    return train_resnet(*inputs, **_with_run(settings))


def _with_run(settings: dict[str, Any]) -> dict[str, Any]:
    options = {name: value for name, value in settings.items() if name in _OPTIONS}
    rest = {name: value for name, value in settings.items() if name not in _OPTIONS}
    return rest | {"run": RunOptions(**{"seed": 0, "device": "cpu"} | options)}
