"""Result files: what is stale, malformed or hostile is refused by name."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from small_run import CLASSES, TEST, label_of

from stroi.cache.errors import RefusedInput
from stroi.pipeline.workspace import Workspace
from stroi.stages.evaluation.result_files import read_labels, read_table
from stroi.stages.evaluation.table import Table


@pytest.fixture
def folder(workspace: Workspace) -> Path:
    return workspace.run("small-xsub", "ensemble")


def test_results_are_read_as_written(folder: Path) -> None:
    table = read_table(folder)
    assert table.classes == CLASSES
    assert table.row(1).accuracy == pytest.approx(62.5)
    assert table.class_sizes == (2, 2, 2, 2)
    labels = read_labels(folder, table)
    assert labels.ids == TEST
    assert [CLASSES[label] for label in labels.actual] == [label_of(name) for name in TEST]
    predicted = dict(zip(TEST, labels.predicted[1], strict=True))
    assert CLASSES[predicted["k1_s3"]] == "wave"
    assert np.mean(labels.predicted[1] == labels.actual) == pytest.approx(0.625)
    # The certainty of row 1 is 1: so clear is every clip, and wrong where it errs.
    assert (
        labels.margins[1].tolist()
        == np.where(labels.predicted[1] == labels.actual, 1.0, -1.0).tolist()
    )


Change = Callable[[dict[str, Any]], object]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table["rows"].pop(), "the first rows are not 1 to 7"),
        (lambda table: table["rows"].reverse(), "the first rows are not 1 to 7"),
        (lambda table: table["rows"][2]["per_class"].pop(), "one accuracy per class"),
        (lambda table: table["rows"][0].update(accuracy=101.0), "rows.0.accuracy"),
        (lambda table: table["rows"][0].update(accuracy="<b>"), "rows.0.accuracy"),
        (lambda table: table.update(test_clips=0), "test_clips"),
        (lambda table: table.pop("chance"), "chance"),
        (lambda table: table["comparisons"][0].update(first=9), "a comparison is of a row that"),
        (lambda table: table["comparisons"][0].update(median_p=1.5), "comparisons.0.median_p"),
        (lambda table: table["gains"].pop(), "there is not one gain per class"),
        (lambda table: table["class_sizes"].pop(), "there is not one size per class"),
        (lambda table: table["rows"][0]["seeds"].pop(), "one accuracy per seed"),
        (lambda table: table.update(more=1), "more"),
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


def test_a_table_that_would_not_be_read_is_not_made(folder: Path) -> None:
    table = read_table(folder)
    nan = replace(table.rows[0], accuracy=float("nan"))
    with pytest.raises(ValidationError, match="finite number"):
        Table(**dict(table) | {"rows": (nan, *table.rows[1:])})


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
        read_labels(folder, read_table(folder))


def test_a_margin_that_is_no_number_is_refused(folder: Path) -> None:
    path = folder / "predictions.csv"
    first, *lines = path.read_text().splitlines()
    lines[0] = lines[0].rpartition(",")[0] + ",wide"
    path.write_text("\n".join([first, *lines]))
    with pytest.raises(RefusedInput, match=r"line 2: could not convert string to float: 'wide'"):
        read_labels(folder, read_table(folder))


def test_predictions_that_lack_a_clip_are_refused(folder: Path) -> None:
    path = folder / "predictions.csv"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    with pytest.raises(RefusedInput, match=r"7 clips, table\.json has 8"):
        read_labels(folder, read_table(folder))
