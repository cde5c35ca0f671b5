"""Command show: one picture of a clip, or the reason why there is little to see."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from small_run import TEST, lose

from stroi.pipeline.cli import run as stroi
from stroi.pipeline.workspace import Workspace
from stroi.stages.tools import show
from stroi.stages.tools.show import show_clip


def _texts(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    seen: list[str] = []
    real = show.text_panel

    def panel(lines: list[str], width: int) -> np.ndarray:
        seen.extend(lines)
        return real(lines, width)

    monkeypatch.setattr(show, "text_panel", panel)
    return seen


def test_a_clip_with_answers(
    workspace: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    lines, clip = _texts(monkeypatch), "k1_s3"
    out = tmp_path / "clip.png"
    root = ["--root", str(workspace.root)]
    assert stroi(["show", "small", clip, "--out", str(out), *root]) == 0
    picture = cv2.imread(str(out))
    assert picture is not None
    assert f"show small {clip}: {out}, {picture.shape[1]} x {picture.shape[0]} px" in (
        capsys.readouterr().out
    )
    assert lines[:2] == [f"small: {clip}", "class drink, subject s3, camera c1"]
    assert "run small-xsub:" in lines
    assert any(line.startswith("  1 ST-GCN: WRONG, wave ") for line in lines)
    assert any(line.startswith("  2 ResNet18: right, drink ") for line in lines)
    # The run's videos are not there: the picture says so and shows the mosaic.
    assert "video: VIDEO_OPEN" in lines


def test_a_clip_that_a_stage_lost(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = _texts(monkeypatch)
    picture = show_clip(workspace, "small", "lost")
    assert picture.shape[1] > 100
    assert "skeletons: VIDEO_OPEN" in lines
    assert "  cannot read <b>any</b> frame" in lines
    assert any("no row scored this clip" in line for line in lines)


def test_an_unknown_clip_names_near_ones(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    assert stroi(["show", "small", "k1_s33", "--root", str(workspace.root)]) == 3
    error = capsys.readouterr().err
    assert "SHOW_CLIP: data set small has no clip 'k1_s33'; name a clip of" in error
    assert "k1_s3" in error


def test_a_clip_without_scores_is_told(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    lose(workspace, TEST[:1])
    lines = _texts(monkeypatch)
    show_clip(workspace, "small", TEST[0])
    assert any("no row scored this clip" in line for line in lines)
