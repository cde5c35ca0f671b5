"""Stage ``pool``: several runs as one test."""

from __future__ import annotations

import json
import re
import shutil

import pytest
from small_folds import FOLDS, POOL, add_folds

from stroi.cache.errors import RefusedInput
from stroi.pipeline.cli import run as stroi
from stroi.pipeline.workspace import Workspace
from stroi.stages.evaluation.result_files import read_labels, read_table
from stroi.stages.pool import build_pool


@pytest.fixture
def pooled(workspace: Workspace) -> Workspace:
    """The small project with both folds, after stage ensemble."""
    add_folds(workspace)
    for name in FOLDS:
        assert stroi(["ensemble", name, "--root", str(workspace.root)]) == 0
    return workspace


def test_a_pool_is_one_test_of_all_clips(
    pooled: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    # The stage needs the copies of the scores alone.
    for name in FOLDS:
        shutil.rmtree(pooled.networks(name))
    assert stroi(["pool", POOL, "--root", str(pooled.root)]) == 0
    printed = capsys.readouterr().out
    assert re.search(r"^s3 +50.0 +50.0 +75.0 +50.0 +50.0 +75.0 +50.0$", printed, re.MULTILINE)
    folder = pooled.run(POOL, "ensemble")
    table, whole = read_table(folder), read_table(pooled.run("small-xsub", "ensemble"))
    assert table.model_copy(update={"folds": {}}) == whole
    assert {name: fold.test_clips for name, fold in table.folds.items()} == {"s3": 4, "s4": 4}
    # Row 1 is right about 2 of 4 and 3 of 4 clips.
    mean, deviation = table.fold_spread(1)
    assert (mean, round(deviation, 4)) == (62.5, 17.6777)
    assert len(read_labels(folder, table).ids) == 8
    assert "| mean of the folds | | 62.5 ± 17.7 |" in (folder / "table.md").read_text()
    metrics = json.loads(pooled.run(POOL, "metrics.json").read_text())
    assert (metrics["row1"], metrics["test_clips"]) == (62.5, 8)


def test_the_page_of_a_pool_shows_each_run(pooled: Workspace) -> None:
    build_pool(pooled, POOL)
    page = pooled.run(POOL, "report.html").read_text()
    words = re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", page))
    assert "s4 s4: by subject; train all others; test s4 4 75.0 50.0 100.0" in words
    assert "Mean ± deviation 62.5 ± 17.7" in words
    assert str(pooled.root) not in page
    anchors = set(re.findall(r'href="#([^"]+)"', page))
    assert anchors <= set(re.findall(r'id="([^"]+)"', page))


def test_a_run_without_a_table_is_named(pooled: Workspace) -> None:
    shutil.rmtree(pooled.scores("small", "s4"))
    with pytest.raises(RefusedInput, match=r"MANIFEST_MISSING: .*scores/s4/gcn"):
        build_pool(pooled, POOL)
    assert not pooled.run(POOL, "report.html").exists()


def test_an_unknown_pool_is_refused(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    assert stroi(["pool", "some", "--root", str(workspace.root)]) == 2
    assert capsys.readouterr().err.endswith(
        "params.yaml has no pool 'some'; its pools are: none; `stroi init --all` adds one\n"
    )


def test_copies_of_an_earlier_run_are_replaced(pooled: Workspace) -> None:
    """A seed that is no longer trained has no scores there either."""
    stale = pooled.scores("small", "s3") / "gcn" / "seed-7"
    stale.mkdir()
    assert stroi(["ensemble", "s3", "--root", str(pooled.root)]) == 0
    assert not stale.exists()
