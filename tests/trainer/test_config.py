"""Settings: declared once, validated wherever they come from, and free of torch."""

from __future__ import annotations

import subprocess
import sys

import pytest
from pydantic import BaseModel, ValidationError

from stroi.pipeline.params.profile import Profile
from stroi.trainer.config import (
    GcnConfig,
    GcnSettings,
    LoaderConfig,
    ResNetConfig,
    ResNetSettings,
    Schedule,
    SkeletonAugment,
    WeightSettings,
)


def test_no_torch_is_imported() -> None:
    script = "import sys, stroi.pipeline.params.profile; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script]).returncode == 0


def test_a_profile_is_composed_of_the_trainers_settings() -> None:
    profile = Profile()
    assert isinstance(profile.gcn, GcnSettings)
    assert isinstance(profile.weights, WeightSettings)
    assert isinstance(profile.resnet, ResNetSettings)
    assert isinstance(profile.resnet, LoaderConfig)
    assert (type(profile.gcn.schedule), type(profile.gcn.augment)) == (Schedule, SkeletonAugment)


MODELS = (Schedule, SkeletonAugment, GcnConfig, ResNetConfig, LoaderConfig)


@pytest.mark.parametrize("model", MODELS)
def test_every_setting_says_what_it_is(model: type[BaseModel]) -> None:
    assert all(each.description for each in model.model_fields.values())
    assert model() == model.model_validate_json(model().model_dump_json())


@pytest.mark.parametrize(
    ("settings", "changes"),
    [
        (Schedule(), {"epochs": 0}),
        (Schedule(), {"lr": float("inf")}),
        (Schedule(), {"lr": "0.1"}),
        (Schedule(), {"rate": 0.1}),
        (SkeletonAugment(), {"crop": 0.0}),
        (GcnConfig(), {"precision": "auto"}),
        (GcnConfig(), {"channels": ()}),
        (GcnConfig(), {"channels": (8,) * 101, "strides": (1,) * 101}),
        (GcnConfig(), {"augment": {"time_warp": 2.0}}),
        (ResNetConfig(), {"weight_scale": 0.0}),
    ],
)
def test_what_cannot_be_is_refused_in_a_copy_too(
    settings: Schedule, changes: dict[str, object]
) -> None:
    with pytest.raises(ValidationError):
        settings.replace(**changes)


def test_a_copy_has_the_changes_and_all_else() -> None:
    config = GcnConfig(stream="bone", augment=SkeletonAugment(flip=0.5))
    changed = config.replace(frames=16)
    assert changed.frames == 16
    assert changed.replace(frames=64) == config
    with pytest.raises(ValidationError, match="frozen"):
        config.frames = 3
