"""Reading the results: what is stale, malformed or hostile is refused by name."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_run import CLASSES, TEST, label_of, weights

from stroi.cache.errors import RefusedInput
from stroi.cache.weights import Weights, write_weights
from stroi.pipeline.params.load import RunParams
from stroi.pipeline.workspace import Workspace
from stroi.stages.report_page.inputs import read_curve, read_inputs
from stroi.stages.report_page.results import read_class_sizes, read_predictions, read_table


@pytest.fixture
def folder(workspace: Workspace) -> Path:
    return workspace.run("small-xsub", "ensemble")


def test_results_are_read_as_written(folder: Path) -> None:
    table = read_table(folder)
    assert table.classes == CLASSES
    assert table.row(1).accuracy == pytest.approx(62.5)
    assert read_class_sizes(folder, CLASSES) == (2, 2, 2, 2)
    predictions = read_predictions(folder, table)
    assert predictions.ids == TEST
    assert [CLASSES[label] for label in predictions.actual] == [label_of(name) for name in TEST]
    taken = dict(zip(TEST, predictions.predicted[1], strict=True))
    assert CLASSES[taken["k1_s3"]] == "wave"
    assert np.mean(predictions.predicted[1] == predictions.actual) == pytest.approx(0.625)


Change = Callable[[dict[str, Any]], object]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table["rows"].pop(), "the rows are not 1 to 7"),
        (lambda table: table["rows"].reverse(), "the rows are not 1 to 7"),
        (lambda table: table["rows"][2]["per_class"].pop(), "one accuracy per class"),
        (lambda table: table["rows"][0].update(accuracy=101.0), "rows.0.accuracy"),
        (lambda table: table["rows"][0].update(accuracy="<b>"), "rows.0.accuracy"),
        (lambda table: table.update(test_clips=0), "test_clips"),
        (lambda table: table.pop("chance"), "chance"),
        (lambda table: table["comparisons"][0].update(first=9), "comparisons.0.first"),
        (lambda table: table["comparisons"][0].update(median_p=1.5), "comparisons.0.median_p"),
        (lambda table: table["gains"].pop(), "there is not one gain per class"),
        (lambda table: table.update(interval="<b>"), "interval"),
    ],
)
def test_malformed_table_is_refused(folder: Path, change: Change, message: str) -> None:
    path = folder / "table.json"
    table = json.loads(path.read_text())
    change(table)
    path.write_text(json.dumps(table))
    with pytest.raises(RefusedInput, match=message) as caught:
        read_table(folder)
    assert "table.json" in caught.value.message
    assert "stroi ensemble" in caught.value.remedy


@pytest.mark.parametrize("text", ["", "[1", "null", '{"chance": NaN}'])
def test_table_that_is_no_table_is_refused(folder: Path, text: str) -> None:
    (folder / "table.json").write_text(text)
    with pytest.raises(RefusedInput, match=r"table\.json"):
        read_table(folder)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("k1_s3,drink", "k1_s3,dance", "'dance' is no class"),
        ("k1_s3,drink", "k1_s4,drink", "k1_s4"),
        ("k1_s3,drink", "../k1,drink", "k1"),
    ],
)
def test_predictions_of_other_clips_are_refused(
    folder: Path, old: str, new: str, message: str
) -> None:
    path = folder / "predictions.csv"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(RefusedInput, match=message):
        read_predictions(folder, read_table(folder))


def test_predictions_that_lack_a_clip_are_refused(folder: Path) -> None:
    path = folder / "predictions.csv"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    with pytest.raises(RefusedInput, match=r"7 clips, table\.json has 8"):
        read_predictions(folder, read_table(folder))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [("drink,2", "dance,2", "classes are not"), ("drink,2", "drink,two", "'two' is no number")],
)
def test_class_sizes_of_other_results_are_refused(
    folder: Path, old: str, new: str, message: str
) -> None:
    path = folder / "per_class.csv"
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(RefusedInput, match=message):
        read_class_sizes(folder, CLASSES)


def test_curve_must_be_numbers_but_may_diverge(tmp_path: Path) -> None:
    path = tmp_path / "curve.csv"
    path.write_text("epoch,loss,accuracy,lr\n0,inf,0.5,0.1\n")
    assert read_curve(path).accuracy == (0.5,)
    path.write_text("epoch,loss,accuracy,lr\n0,high,0.5,0.1\n")
    with pytest.raises(RefusedInput, match=r"curve\.csv: .*'high'"):
        read_curve(path)


@pytest.mark.parametrize(
    ("update", "message"),
    [({"seeds": (0,)}, "the profile's 1 seeds"), ({"ensemble": None}, "the profile's pairs")],
)
def test_table_of_other_params_is_refused(
    workspace: Workspace, run: RunParams, update: dict[str, Any], message: str
) -> None:
    if "ensemble" in update:
        update = {"ensemble": run.profile.ensemble.model_copy(update={"pairs": {}})}
    other = RunParams(run.name, run.run, run.profile.model_copy(update=update))
    with pytest.raises(RefusedInput, match=message):
        read_inputs(workspace, other)


def test_table_of_another_index_is_refused(workspace: Workspace, run: RunParams) -> None:
    path = workspace.index("small") / "classes.txt"
    path.write_text(path.read_text() + "zoo\n")
    with pytest.raises(RefusedInput, match="not the index's"):
        read_inputs(workspace, run)


def test_ledgers_that_do_not_follow_each_other_are_refused(
    workspace: Workspace, run: RunParams
) -> None:
    path = workspace.mosaics("small") / "ledger.csv"
    path.write_text(path.read_text() + "zz_s9,done,,\n")
    with pytest.raises(RefusedInput, match=r"1 clips differ .* stage skeletons .* 'zz_s9'"):
        read_inputs(workspace, run)


def test_weights_that_lack_a_test_clip_are_refused(workspace: Workspace, run: RunParams) -> None:
    whole = weights(0)
    folder = workspace.run("small-xsub", "weights") / "seed-0"
    part = Weights(whole.ids[:-1], whole.joint_weights[:-1], whole.row_weights[:-1])
    write_weights(folder, part, params={}, producer={})
    with pytest.raises(RefusedInput, match=f"lacks 1 test clips, first {TEST[-1]}"):
        read_inputs(workspace, run)


def test_weights_of_another_skeleton_are_refused(workspace: Workspace, run: RunParams) -> None:
    whole = weights(0)
    folder = workspace.run("small-xsub", "weights") / "seed-0"
    coco = Weights(whole.ids, whole.joint_weights[:, :, :17], whole.row_weights)
    write_weights(folder, coco, params={}, producer={})
    with pytest.raises(RefusedInput, match="17 joints and 5 rows"):
        read_inputs(workspace, run)
