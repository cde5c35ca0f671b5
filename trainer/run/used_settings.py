"""Which settings a training makes use of: no others are part of its key.

Each function gives settings with those that make no difference at their defaults.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from stroi.cache.layouts import Layout
from stroi.trainer.config import GcnConfig, Mode, ResNetConfig, Schedule, Settings, SkeletonAugment
from stroi.trainer.models.input_streams import LAYOUTS_2D

Given = TypeVar("Given", bound=Settings)


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
    """Of a graph network trained on joints of `layout`."""
    flat = layout.name in LAYOUTS_2D
    return _without(
        config.replace(augment=_used_augment(config.augment, flat=flat)),
        {
            "centre": config.stream in ("bone", "bone_motion"),
            "align": flat,
            "topologies": config.model != "ctrgcn",
            "alpha": config.normalisation == "stgcn",
            "smoothing": config.loss != "cross_entropy",
        },
    )


def used_jointly(config: GcnConfig, layout: Layout) -> GcnConfig:
    """Of a graph network that joint mode trains on: it has the ResNet's loss and precision."""
    augment = config.augment.replace(flip=0.0)
    return _without(
        used_gcn(config.replace(augment=augment), layout),
        dict.fromkeys(("loss", "smoothing", "precision"), True),
    )


def used_resnet(config: ResNetConfig, mode: Mode) -> ResNetConfig:
    """Of the RGB branch in `mode`: only joint mode makes weights, and plain mode has none."""
    ready = mode != "joint"
    return _without(
        config,
        {
            "person_pooling": ready,
            "formula": ready,
            "weight_scale": ready,
            "weight_position": mode == "plain" and config.missing == "row",
            "erase_area": config.erase == 0,
        },
    )


def _used_augment(augment: SkeletonAugment, *, flat: bool) -> SkeletonAugment:
    return _without(augment, {"rotate": flat})


def _without(config: Given, unused: Mapping[str, bool]) -> Given:
    known = type(config).model_fields
    return config.replace(**{name: known[name].default for name in unused if unused[name]})
