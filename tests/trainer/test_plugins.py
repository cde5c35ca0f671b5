"""Finding plug-ins: what is built in, and what is wrong with a package."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from lab_package import install

from stroi.cache.errors import ParamsError
from stroi.pipeline.datasets.listing import DatasetAdapter
from stroi.pipeline.params.profile import IndexParams, Profile
from stroi.stages.evaluation.methods import run_methods
from stroi.stages.pose.estimator import PoseSource
from stroi.stages.sensors.readers import SensorFormat
from stroi.stages.tools.environment import plugins as doctor
from stroi.trainer import plugins
from stroi.trainer.plugins import GROUPS, Network, Plugin, find, names

KINDS = {
    "datasets": DatasetAdapter,
    "pose": PoseSource,
    "sensors": SensorFormat,
    "graph_nets": Network,
    "rgb_nets": Network,
}


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for packages, on Python's path."""
    monkeypatch.syspath_prepend(str(tmp_path))
    for known in (plugins.installed, plugins._load):
        known.cache_clear()
    yield tmp_path
    for known in (plugins.installed, plugins._load):
        known.cache_clear()


@pytest.mark.parametrize(("group", "kind"), KINDS.items())
def test_everything_built_in_is_found_by_its_name(group: str, kind: type[Plugin]) -> None:
    for name in GROUPS[group].built_in:
        assert isinstance(find(group, name, kind), kind)


@pytest.mark.parametrize("group", GROUPS)
def test_every_group_is_chosen_by_a_param(group: str) -> None:
    section = type(getattr(Profile(), GROUPS[group].section))
    assert GROUPS[group].key in section.model_fields


def test_two_packages_of_one_name(site: Path) -> None:
    for name in ("one", "two"):
        install(site, name, {"stroi.datasets": {"lab": "somewhere:LAB"}})
    assert names("datasets")[-1] == "lab"
    with pytest.raises(
        ParamsError,
        match=r"PLUGIN_TWICE: one 0.3 and two 0.3 have a plug-in 'lab' of stroi.datasets each; "
        "uninstall one of them",
    ):
        IndexParams(adapter="lab")


def test_an_object_of_another_class(site: Path) -> None:
    install(site, "odd", {"stroi.datasets": {"odd": "stroi.trainer.networks:STGCN"}})
    with pytest.raises(
        ParamsError,
        match=r"PLUGIN_BROKEN: stroi.datasets: odd: a Network, not a DatasetAdapter; "
        r"update or remove odd 0.3",
    ):
        find("datasets", "odd", DatasetAdapter)


def test_a_name_that_is_built_in_stays_what_it_is(site: Path) -> None:
    install(site, "thief", {"stroi.datasets": {"table": "nowhere:X"}})
    assert names("datasets").count("table") == 1
    assert find("datasets", "table", DatasetAdapter).list_clips.__name__ == "list_table"
    (line,) = doctor()
    assert line.detail == "PLUGIN_NAME: thief 0.3 has a plug-in of the name of a built-in one"


def test_a_name_that_is_not_installed() -> None:
    with pytest.raises(ParamsError, match=r"PLUGIN_MISSING: no installed package has .*'none'"):
        find("pose", "none", PoseSource)


def test_options_of_what_is_built_in_are_refused() -> None:
    with pytest.raises(ValueError, match=r"options\.ending"):
        IndexParams.model_validate({"adapter": "table", "options": {"ending": ".avi"}})


ROWS = """
from stroi.stages.evaluation.methods import Method, MethodPlugin
def row(number, **more):
    use = dict(skeleton="eval", rgb="eval", streams=("gcn", "resnet-plain"))
    return MethodPlugin(method=Method(number=number, name="mine", **use, **more))
SEVEN, LONELY = row(7), row(9, compared_with=(8,))
"""


def test_rows_with_a_number_that_is_taken_or_missing(site: Path) -> None:
    (site / "more_rows.py").write_text(ROWS)
    points = {"seven": "more_rows:SEVEN", "lonely": "more_rows:LONELY"}
    install(site, "rows", {"stroi.methods": points})
    with pytest.raises(ParamsError, match=r"METHOD_NUMBER: method seven: row 7 is 'Ensemble 1\+4'"):
        run_methods(["seven"])
    with pytest.raises(ParamsError, match=r"METHOD_NUMBER: .*compared with row 8, which is no row"):
        run_methods(["lonely"])
