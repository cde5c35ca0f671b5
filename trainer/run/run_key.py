"""What a training result depends on, as one digest: a training resumes under the same key alone.

Settings that a training makes no use of are no part of it; the functions `used_...` give them their
defaults.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from stroi.cache.files.digests import digest, sha256_file
from stroi.cache.layouts import Layout
from stroi.cache.mosaics import MosaicCache
from stroi.cache.own_layouts import layout_json
from stroi.cache.rois import rows_to_json
from stroi.cache.weights import Weights
from stroi.trainer.config import GcnConfig, LoaderConfig, Mode, ResNetConfig, Schedule, Settings
from stroi.trainer.data.input_digests import array_digest, mosaic_digest
from stroi.trainer.data.side_inputs import side_digests
from stroi.trainer.data.skeleton_input import ClipSource
from stroi.trainer.models.weighted_mosaic_net import WeightedMosaicNet
from stroi.trainer.plugins import versioned
from stroi.trainer.run.run_options import RunOptions

VERSION = 5
"""Raised whenever the same inputs and settings would train to another result."""

AnySettings = TypeVar("AnySettings", bound=Settings)


def run_key(
    what: str,
    config: GcnConfig | ResNetConfig,
    schedule: Schedule,
    run: RunOptions,
    *,
    device: torch.device,
    classes: Sequence[str],
    inputs: Mapping[str, str],
) -> str:
    """Digest of everything a training result depends on.

    Args:
        what: Kind of run.
        config: Settings of the network, those in use.
        schedule: Settings of the optimiser, those in use.
        run: Its seed counts, and its threads and processes, which decide the last bits.
        device: Where it trains.
        classes: Class names, of which the number counts.
        inputs: Digests of the data, by name.

    Returns:
        64 hexadecimal digits.
    """
    parts: dict[str, Any] = {
        "version": VERSION,
        "what": what,
        "config": config.model_dump(mode="json"),
        "network": versioned(_group(config), config.model),
        "schedule": schedule.model_dump(mode="json"),
        "seed": run.seed,
        "threads": run.threads,
        "processes": run.world.size,
        "device": device.type,
        "torch": torch.__version__,
        # Its generators decide the order of clips and all random changes of them.
        "numpy": np.__version__,
        "classes": len(classes),
        "inputs": dict(inputs),
    }
    return digest(parts)


def _group(config: GcnConfig | ResNetConfig) -> str:
    return "graph_nets" if isinstance(config, GcnConfig) else "rgb_nets"


def model_digest(model: nn.Module) -> str:
    """SHA-256 of a network's parameters and buffers."""
    state = model.state_dict()
    return digest({name: array_digest(value.cpu().numpy()) for name, value in state.items()})


def mosaic_inputs(
    model: WeightedMosaicNet,
    mosaics: MosaicCache,
    ids: Sequence[str],
    targets: NDArray[np.int64],
    weights: Weights | None,
    clips: ClipSource | None,
) -> dict[str, str]:
    """Digests of the clips that a training of the RGB branch sees.

    Args:
        model: The network before its first step.
        mosaics: The mosaics; their digests cover which cells show a joint.
        ids: N training clips.
        targets: (N,) class numbers.
        weights: Row weights, fixed mode.
        clips: Skeletons by sample id, end-to-end mode.
    """
    inputs = side_digests(model.mode, ids, weights, clips) | {
        "labels": array_digest(targets),
        "mosaics": mosaic_digest(mosaics, ids),
        "columns": f"{model.cells.columns} of {mosaics.columns}",
        "rows": digest(rows_to_json(model.rows)),
    }
    if model.gcn is not None:
        network = used_end_to_end(model.gcn.config, model.gcn.layout)
        inputs["gcn"] = model_digest(model.gcn)
        plugin = versioned("graph_nets", network.model)
        inputs["network"] = digest(
            [layout_json(model.gcn.layout), network.model_dump(mode="json"), *plugin.values()]
        )
    return inputs


def loader_inputs(
    mosaics: MosaicCache, ids: Sequence[str], config: LoaderConfig, pretrained: Path | None
) -> dict[str, str]:
    """What else a training of the RGB branch depends on, where it does.

    Args:
        mosaics: The mosaics.
        ids: N training clips.
        config: How mosaics reach the network.
        pretrained: The weights file that the network starts from, or None.
    """
    inputs = {} if pretrained is None else {"pretrained": sha256_file(pretrained)}
    if config.order == "windowed":
        inputs["order"] = f"{config.window} of {array_digest(mosaics.storage_order(ids))}"
    if config.compile != "none":
        inputs["compile"] = config.compile
    return inputs


def used_schedule(schedule: Schedule) -> Schedule:
    """A cosine has no milestones, and where nothing decays it does not matter what does."""
    steps = schedule.decay == "steps"
    return _without(
        schedule,
        {
            "milestones": not steps,
            "gamma": not (steps and schedule.milestones),
            "decay_all": schedule.weight_decay == 0,
        },
    )


def used_gcn(config: GcnConfig, layout: Layout) -> GcnConfig:
    """Settings of a graph network trained on joints of `layout`."""
    flat = layout.axes == 2
    augment = _without(config.augment, {"rotate": flat})
    return _without(
        config.replace(augment=augment),
        {
            "centre": config.stream in ("bone", "bone_motion"),
            "align": flat,
            "topologies": config.model == "stgcn",
            "alpha": config.normalisation == "stgcn",
            "smoothing": config.loss != "cross_entropy",
        },
    )


def used_end_to_end(config: GcnConfig, layout: Layout) -> GcnConfig:
    """Settings of a graph network that end-to-end mode trains: loss and precision are the ResNet's.

    It flips skeletons with their mosaics.
    """
    augment = config.augment.replace(flip=0.0)
    return _without(
        used_gcn(config.replace(augment=augment), layout),
        dict.fromkeys(("loss", "smoothing", "precision"), True),
    )


def used_resnet(config: ResNetConfig, mode: Mode) -> ResNetConfig:
    """Settings of the RGB branch: only end-to-end mode makes weights, and plain mode has none."""
    ready = mode != "end-to-end"
    return _without(
        config,
        {
            "person_pooling": ready,
            "formula": ready,
            "weight_scale": ready,
            "weight_position": config.images == "cells"
            or (mode == "plain" and config.missing == "row"),
            "erase_area": config.erase == 0,
        },
    )


def _without(settings: AnySettings, unused: Mapping[str, bool]) -> AnySettings:
    """Settings with those that are unused at their defaults."""
    known = type(settings).model_fields
    return settings.replace(**{name: known[name].default for name in unused if unused[name]})
