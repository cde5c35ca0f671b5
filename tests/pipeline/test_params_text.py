"""params.yaml is added to, and nothing of it is lost."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from stroi.cache.errors import ParamsError
from stroi.pipeline.params import load_plan
from stroi.pipeline.params_text import add_to_params
from stroi.pipeline.profile import Run

RUN = Run(dataset="mine", split="fold1", input="skeletons")
TAIL = "\n# the end\nshow: one\n"
FORMS = {
    "blocks": "datasets:\n  - one # the first\n\n# runs follow\nruns:\n"
    "  one-x: # so\n    dataset: one\n    split: x # a split\n    input: skeletons\n",
    "no indent": "datasets:\n- one\nruns:\n  one-x:\n    {dataset: one, split: x, input: joints}\n",
    "flow": "datasets: [one, two] # all\nruns:\n  one-x: {dataset: one, split: x, input: joints}\n",
    "all flow": "datasets: [one,]\nruns: {one-x: {dataset: one, split: x, input: joints}}\n",
    "empty flow": "datasets: []\nruns: {}\n",
    "comment inside": "datasets:\n  - one\n  # - two is not ready\nruns: {} # none yet\n",
    "sensors": "datasets: [one]\nsensors: [one]\nruns: {}\n",
}


def _plan(folder: Path, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "params.yaml").write_bytes(text.encode())
    return folder


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("tail", ["", TAIL])
@pytest.mark.parametrize("sensor", [False, True])
def test_additions_are_all_that_changes(tmp_path: Path, form: str, tail: str, sensor: bool) -> None:
    text = FORMS[form] + tail
    root = _plan(tmp_path, text)
    before = load_plan(root)
    after = add_to_params(root, "mine", {"mine-fold1": RUN}, sensor=sensor)
    assert after == load_plan(root)
    assert after.datasets == (*before.datasets, "mine")
    assert after.runs == {**before.runs, "mine-fold1": RUN}
    assert after.sensors == ((*before.sensors, "mine") if sensor else before.sensors)
    # All characters of the old file are there, in their order.
    left = iter((root / "params.yaml").read_text())
    assert all(char in left for char in text)


def test_the_shipped_file_keeps_every_line(tmp_path: Path, root: Path) -> None:
    text = (root / "params.yaml").read_text()
    project = _plan(tmp_path, text)
    add_to_params(project, "mine", {"mine-fold1": RUN}, sensor=False)
    lines = iter((project / "params.yaml").read_text().splitlines())
    assert all(line in lines for line in text.splitlines())


def test_adding_twice_changes_nothing(tmp_path: Path) -> None:
    root = _plan(tmp_path, FORMS["blocks"] + TAIL)
    add_to_params(root, "mine", {"mine-fold1": RUN}, sensor=True)
    once = (root / "params.yaml").read_bytes()
    add_to_params(root, "mine", {"mine-fold1": RUN}, sensor=True)
    assert (root / "params.yaml").read_bytes() == once


def test_a_run_that_is_there_stays_as_it_is(tmp_path: Path) -> None:
    root = _plan(tmp_path, FORMS["flow"])
    plan = add_to_params(root, "one", {"one-x": RUN}, sensor=False)
    assert plan.runs["one-x"].dataset == "one"


@settings(derandomize=True, max_examples=60)
@given(st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,8}", fullmatch=True))
@pytest.mark.parametrize("form", ["blocks", "all flow"])
def test_names_that_yaml_would_read_otherwise(
    tmp_path_factory: pytest.TempPathFactory, form: str, name: str
) -> None:
    root = _plan(tmp_path_factory.mktemp("plan"), FORMS[form])
    run = Run(dataset=name, split="x", input="skeletons")
    assert add_to_params(root, name, {f"{name}-x": run}, sensor=False).datasets[-1] == name
    assert name in load_plan(root).datasets


@pytest.mark.parametrize("name", ["no", "1e3", "null", "007", "2024-01-02", "1_000"])
def test_odd_names_stay_text(tmp_path: Path, name: str) -> None:
    root = _plan(tmp_path, FORMS["blocks"])
    add_to_params(root, name, {}, sensor=False)
    assert yaml.safe_load((root / "params.yaml").read_text())["datasets"] == ["one", name]


def test_a_file_that_cannot_be_added_to_is_untouched(tmp_path: Path) -> None:
    root = _plan(tmp_path, "datasets:\n  - >-\n    one\nruns: {}\n")
    before = (root / "params.yaml").read_bytes()
    with pytest.raises(ParamsError) as caught:
        add_to_params(root, "mine", {"mine-fold1": RUN}, sensor=False)
    assert caught.value.code == "PARAMS_EDIT"
    assert caught.value.remedy == (
        "add by hand: mine to datasets; "
        "runs: {mine-fold1: {dataset: mine, split: fold1, input: skeletons}}"
    )
    assert (root / "params.yaml").read_bytes() == before
