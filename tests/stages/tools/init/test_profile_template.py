"""The written profile is a profile, and says what was found."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from dvc.utils.serialize import loads_yaml

from stroi.pipeline.params.load import load_profile
from stroi.pipeline.params.profile import Profile, Split, Validation
from stroi.stages.tools.init.profile_template import MEDIUM, SMALL, Facts, profile_text

FACTS = Facts(
    name="mine",
    adapter="folders",
    pattern="",
    clips=60,
    classes=6,
    source="auto",
    people="auto",
    cell=34,
    cell_reason="half of 67 px, the median of 44 torsos in 12 videos",
    splits={"fold1": Split(by="id", fold=(1, 5)), "fold2": Split(by="id", fold=(2, 5))},
)


def read(folder: Path, facts: Facts) -> Profile:
    (folder / "profiles").mkdir(exist_ok=True)
    (folder / "profiles" / "mine.yaml").write_text(profile_text(facts), encoding="utf-8")
    return load_profile(folder, "mine")


def test_it_contains_the_facts(tmp_path: Path) -> None:
    profile = read(tmp_path, replace(FACTS, people="2", source="movenet"))
    assert profile.index.adapter == "folders"
    assert (profile.skeletons.people, profile.skeletons.subjects) == (2, 2)
    crowd = read(tmp_path, replace(FACTS, people="auto", most=4)).skeletons
    assert (crowd.people, crowd.subjects) == (4, "auto")
    assert profile.skeletons.source == "movenet"
    assert profile.mosaics.cell == 34
    assert profile.splits == FACTS.splits
    assert profile.resnet.precision == "auto"


@pytest.mark.parametrize("pattern", ["{subject}_{camera}_{*}", "größe '{subject}'", '"{group}\\'])
def test_patterns_survive_yaml(tmp_path: Path, pattern: str) -> None:
    assert read(tmp_path, replace(FACTS, pattern=pattern)).index.pattern == pattern


def test_an_own_split_with_validation(tmp_path: Path) -> None:
    validation = Validation(by="split", values=("val",))
    rule = Split(by="split", train=("train", "val"), test=("test",), validation=validation)
    assert read(tmp_path, replace(FACTS, splits={"own": rule})).splits == {"own": rule}


@pytest.mark.parametrize(
    ("clips", "batch", "epochs", "blocks"),
    [(SMALL, 8, 40, 4), (SMALL + 1, 16, 40, 4), (MEDIUM, 16, 40, 4), (MEDIUM + 1, 64, 65, 10)],
)
def test_schedules_follow_the_number_of_clips(
    tmp_path: Path, clips: int, batch: int, epochs: int, blocks: int
) -> None:
    profile = read(tmp_path, replace(FACTS, clips=clips))
    for schedule in (profile.gcn.schedule, profile.resnet.schedule):
        assert (schedule.batch_size, schedule.epochs) == (batch, epochs)
        assert max(schedule.milestones) < epochs
    assert len(profile.gcn.channels) == blocks


def test_every_choice_is_explained() -> None:
    text = profile_text(FACTS)
    assert "# mine: 60 clips of 6 classes, set up by `stroi init`." in text
    assert "half of 67 px, the median of 44 torsos in 12 videos" in text
    assert "the same people may be on both sides" in text
    people = {"fold1": Split(by="subject", fold=(1, 2))}
    assert "may be on both sides" not in profile_text(replace(FACTS, splits=people))


def test_it_has_every_key_that_dvc_looks_for(root: Path) -> None:
    stages = loads_yaml((root / "dvc.yaml").read_text())["stages"]
    expected = {
        key
        for name, stage in stages.items()
        if name != "skeletons3d"  # for data sets of a sensor
        for entry in stage["do"].get("params", [])
        for file, keys in entry.items()
        if file.startswith("profiles/")
        for key in keys
    }
    written = loads_yaml(profile_text(FACTS))
    assert {key for key in expected if not key.startswith("splits.")} == set(written)
