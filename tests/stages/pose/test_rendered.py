"""From video to chosen people on rendered clips, whose joints are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from stroi.cache.rois import PAPER, row_joints
from stroi.cache.skeletons import Clip
from stroi.stages.demo.clips import plan_demo
from stroi.stages.demo.render import render_clip
from stroi.stages.pose.estimators.movenet import MoveNet
from stroi.stages.pose.tracking.person_selection import main_persons
from stroi.stages.pose.tracking.tracking import track
from stroi.stages.video.reader import read_frames


def hits(found: NDArray[np.float32], truth: Clip) -> NDArray[np.bool_]:
    """(T, P, K): joints within a tenth of the figure's height (PCK@0.1), own side only."""
    true = truth.keypoints[:, : truth.person_count]
    seen = true[..., 2] > 0
    top = np.where(seen, true[..., 1], np.inf).min(axis=2)
    height = np.where(seen, true[..., 1], -np.inf).max(axis=2) - top
    rows = [joint for (joint,) in row_joints()]
    person = found[:, : truth.person_count][:, :, rows]
    apart = np.linalg.norm(person[..., :2] - true[:, :, rows, :2], axis=-1)
    return (apart < 0.1 * height[..., None]) & (person[..., 2] > 0)


@pytest.mark.parametrize("label", ["drink", "give_letter", "step_fast"])
def test_rendered_people_are_found_at_their_joints(tmp_path: Path, label: str) -> None:
    clip = next(one for one in plan_demo(seed=0, frames=(32, 36)) if one.label == label)
    truth = render_clip(clip, tmp_path / "clip.avi")
    frames = read_frames(tmp_path / "clip.avi")
    estimator = MoveNet()
    keypoints, count = main_persons(track([estimator(frame) for frame in frames]))
    assert len(keypoints) == frames.info.frames == len(truth.keypoints)
    assert count == truth.person_count == (2 if label.startswith("give") else 1)
    for row, share in zip(PAPER, hits(keypoints, truth).mean(axis=(0, 1)), strict=True):
        assert share >= 0.95, row
