"""What the paper reports and sets, beside a run."""

from __future__ import annotations

from pathlib import Path

import pytest

from stroi.pipeline.params.load import RunParams, load_profile
from stroi.pipeline.params.profile import Run
from stroi.stages.report_page.paper import differences, published


def _run(root: Path, dataset: str, split: str) -> RunParams:
    run = Run(dataset=dataset, split=split, input="skeletons3d")
    return RunParams(f"{dataset}-{split}", run, load_profile(root, dataset))


@pytest.mark.parametrize(
    ("dataset", "split", "first", "last"),
    [("ntu60", "xsub", 81.4, 91.5), ("ntu60", "xview", 88.0, 95.0), ("nucla", "v12-3", 82.9, 91.6)],
)
def test_the_papers_protocols_have_its_figures(
    root: Path, dataset: str, split: str, first: float, last: float
) -> None:
    found = published(_run(root, dataset, split))
    assert found is not None
    assert (found.accuracy[1], found.accuracy[7]) == (first, last)


def test_other_data_has_none(root: Path) -> None:
    assert published(_run(root, "demo", "xsub")) is None
    assert published(_run(root, "nucla", "v12-3-sound")) is None


def test_settings_that_are_not_the_papers_are_listed(root: Path) -> None:
    run = _run(root, "ntu60", "xsub")
    found = {each.key: (each.here, each.paper) for each in differences(run)}
    # What the shipped profile leaves open or follows: docs/method.md.
    assert found["gcn.loss"] == ("cross_entropy", "mse")
    assert "mosaics.cell" not in found
    assert "gcn.schedule.milestones" not in found
    mosaics = run.profile.mosaics.model_copy(update={"cell": 48})
    profile = run.profile.model_copy(update={"mosaics": mosaics})
    changed = {each.key: each.here for each in differences(RunParams(run.name, run.run, profile))}
    assert changed == {key: here for key, (here, _) in found.items()} | {"mosaics.cell": "48"}


def test_an_input_that_is_not_the_papers_is_listed(root: Path) -> None:
    run = _run(root, "ntu60", "xsub")
    estimated = RunParams(run.name, run.run.model_copy(update={"input": "skeletons"}), run.profile)
    assert differences(estimated)[-1].key == "input of the run"
