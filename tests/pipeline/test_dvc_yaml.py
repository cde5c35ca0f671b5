"""dvc.yaml against the code: no code is a dep, what a stage reads is declared, no shell."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any

import pytest
from dvc.utils.serialize import loads_yaml

from stroi.pipeline.params.profile import Pool, Profile, ProjectParams, Run
from stroi.pipeline.params.tracked import tracked_sections
from stroi.pipeline.versions import STAGES as MODULES

ROOT = Path(__file__).resolve().parents[2]
STAGES: dict[str, Any] = {
    name: stage["do"]
    for name, stage in loads_yaml((ROOT / "dvc.yaml").read_text())["stages"].items()
}
TRAINED = {"gcn", "weights", "resnet"}
"""Stages whose result also depends on the version of the trainer."""


def _command(name: str) -> str:
    """Which of stroi's commands a DVC stage runs."""
    return str(STAGES[name]["cmd"].split()[1])


def _keys(name: str) -> dict[str, list[str]]:
    """Keys that a DVC stage tracks, by params file."""
    return {file: keys for entry in STAGES[name]["params"] for file, keys in entry.items()}


def test_every_stage_of_stroi_is_run() -> None:
    assert {_command(name) for name in STAGES} == set(MODULES)


@pytest.mark.parametrize("name", STAGES)
def test_deps_are_data_and_tracked_files_are_versions_and_a_profile(name: str) -> None:
    assert all(dep.startswith(("data/", "runs/")) for dep in STAGES[name].get("deps", ()))
    versions, profile, *own = _keys(name)
    assert own == (["params.yaml"] if name == "pool" else [])
    assert versions == "versions.yaml"
    assert re.fullmatch(r"profiles/\$\{item(\.dataset)?\}\.yaml", profile)


def test_the_raw_data_is_a_dep_of_the_index_alone() -> None:
    """What later stages read there has its digest in the index: see tests/stages/test_index.py."""
    raw = [name for name in STAGES if any("/raw" in dep for dep in STAGES[name].get("deps", ()))]
    assert raw == ["index"]
    readers = ("skeletons", "skeletons3d", "mosaics")
    assert all("data/${item}/index" in STAGES[name]["deps"] for name in readers)


@pytest.mark.parametrize("name", STAGES)
def test_its_own_version_is_tracked_and_the_trainers_where_it_counts(name: str) -> None:
    command = _command(name)
    expected = [command, "trainer"] if command in TRAINED else [command]
    assert _keys(name)["versions.yaml"] == expected


@pytest.mark.parametrize("name", STAGES)
def test_params_are_the_groups_that_the_stage_declares(name: str) -> None:
    _, keys, *_ = _keys(name).values()
    groups = {key.split(".")[0] for key in keys}
    assert groups <= set(Profile.model_fields)
    declared = set(importlib.import_module(MODULES[_command(name)]).STAGE_PARAMS)
    joint_only = {"weights"} if name in ("resnet-plain", "resnet-fixed") else set()
    assert groups == declared - joint_only


def test_check_knows_the_sections_that_are_tracked() -> None:
    """`stroi check` misses them before DVC does, after hours of other stages."""
    run = Run(dataset="run", split="s", input="skeletons3d")
    project = ProjectParams(
        rendered=("rendered",),
        datasets=("data",),
        sensors=("sensor",),
        runs={"r": run, "s": run},
        pools={"p": Pool(dataset="run", runs=("r", "s"))},
    )
    found: dict[str, set[str]] = {}
    for name, entry in loads_yaml((ROOT / "dvc.yaml").read_text())["stages"].items():
        group = {"${rendered}": "rendered", "${datasets}": "data", "${sensors}": "sensor",
                 "${runs}": "run", "${pools}": "run"}[entry["foreach"]]  # fmt: skip
        keys = _keys(name)[next(file for file in _keys(name) if file.startswith("profiles/"))]
        found.setdefault(group, set()).update(keys)
    splits = {"splits", "splits.${item.split}"}
    assert tracked_sections(project) == {name: keys - splits for name, keys in found.items()}


@pytest.mark.parametrize("name", STAGES)
def test_commands_take_only_checked_names_from_params(name: str) -> None:
    assert set(re.findall(r"\$\{(.+?)\}", STAGES[name]["cmd"])) <= {"item", "key"}


@pytest.mark.parametrize("name", STAGES)
def test_outs_and_metrics_are_cached_and_not_persistent(name: str) -> None:
    """So that git may ignore them, and DVC compares them across commits and experiments."""
    outs = [*STAGES[name]["outs"], *STAGES[name].get("metrics", ())]
    assert all(isinstance(out, str) for out in outs)
