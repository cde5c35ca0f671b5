"""The page's inputs: what does not belong together is refused by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from small_run import TEST, weights

from stroi.cache.errors import RefusedInput
from stroi.cache.weights import Weights, write_weights
from stroi.pipeline.params.load import RunParams
from stroi.pipeline.workspace import Workspace
from stroi.stages.report_page.inputs import read_curve, read_inputs


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
    with pytest.raises(RefusedInput, match=r"1 clips differ .* stage skeletons has done, first"):
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
    with pytest.raises(RefusedInput, match="17 joints, the page draws 25"):
        read_inputs(workspace, run)
