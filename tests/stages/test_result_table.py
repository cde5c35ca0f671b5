"""benchmarks/result_table.py: the table of a run, and of several runs as one test."""

from __future__ import annotations

import re
import sys

import pytest
import result_table
from small_folds import add_folds

from stroi.pipeline.workspace import Workspace


def _print(workspace: Workspace, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    words = ["result_table.py", *arguments, "--root", str(workspace.root)]
    monkeypatch.setattr(sys, "argv", words)
    result_table.main()


def test_table_of_a_run(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    _print(workspace, monkeypatch, "small-xsub")
    text = (workspace.root / "benchmarks" / "results" / "small-xsub.md").read_text()
    assert "8 test clips, 4 classes of 2 to 2, chance 25.0 %, 2 seeds." in text
    assert re.search(
        r"\| 1 \| ST-GCN \| train \| - \| 62.5 ± 0.0 \| [0-9.]+ to [0-9.]+ \| 62.5, 62.5 ", text
    )
    assert re.search(
        r"\| ResNet18 \+ weights \(end to end\) . ResNet18 \| \+37.5 \| .* \| 3 : 0 \(0.25\), 3 : 0"
        r" \(0.25\) \| 0.25 \|",
        text,
    )
    assert "| hands | 25.0 |" in text


def test_runs_that_test_other_clips_are_pooled_into_one_test(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_folds(workspace)
    _print(workspace, monkeypatch, "s3", "s4", "--pooled", "both")
    _print(workspace, monkeypatch, "small-xsub")
    pooled, whole = (
        (workspace.root / "benchmarks" / "results" / f"{name}.md").read_text()
        for name in ("both", "small-xsub")
    )
    lines = [line for line in whole.splitlines() if line.startswith("| ")]
    assert len(lines) > 19
    assert [line for line in pooled.splitlines() if line in lines] == lines
    assert "The test clips of 2 runs as one test" in pooled
    # Row 1 errs on k1 of both, and on k3 of s3.
    assert "| s3 | 4 | 50.0 | 50.0 | 75.0 | 50.0 | 50.0 | 75.0 | 50.0 |" in pooled
    assert "| s4 | 4 | 75.0 | 50.0 | 100.0 | 100.0 | 50.0 | 100.0 | 100.0 |" in pooled


@pytest.mark.parametrize("arguments", [("a", "b"), ("a", "a", "--pooled", "x")])
def test_wrong_usage(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        _print(workspace, monkeypatch, *arguments)
