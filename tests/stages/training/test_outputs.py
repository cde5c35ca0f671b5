"""What training stages write besides networks: which clips have no scores, and what to do next."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from small_inputs import IDS
from trained_project import RUN, project, train_gcn, train_resnet

from stroi.cache.errors import RefusedInput
from stroi.cache.manifest import read_manifest, write_manifest
from stroi.cache.scores import read_scores
from stroi.pipeline.index.table import read_index, write_index
from stroi.pipeline.workspace import Workspace
from stroi.stages.ensemble import lost_clips
from stroi.stages.evaluation.methods import STREAMS
from stroi.stages.training.outputs import TEST, commit_hint, left_out, scores_folder


def test_scores_know_the_clips_that_they_lack(tmp_path: Path) -> None:
    """A test clip without skeleton and mosaic: no ledger is needed to know it."""
    workspace, run = project(tmp_path)
    index = read_index(workspace.index("d"))
    lost = [replace(index.samples[at], id=f"lost{at}", sha256=f"{9 + at:064x}") for at in (0, 7)]
    write_index(workspace.index("d"), [*index.samples, *lost])
    train_gcn(workspace, run)
    for mode in ("plain", "fixed", "end-to-end"):
        train_resnet(workspace, run, mode)
    for stage in STREAMS:
        folder = scores_folder(workspace.run(RUN, stage), 0)
        assert read_scores(folder, TEST).ids == IDS[5:]
        # The other lost clip would train.
        assert left_out(folder) == {"lost7"}
    assert lost_clips(workspace.networks(run.name), run) == {
        "skeletons": {"lost7"},
        "mosaics": {"lost7"},
    }


def test_a_malformed_list_of_clips_is_refused(tmp_path: Path) -> None:
    workspace, run = project(tmp_path)
    train_gcn(workspace, run)
    folder = scores_folder(workspace.run(RUN, "gcn"), 0)
    assert left_out(folder) == set()
    manifest = read_manifest(folder)
    for value in ("clip1", [1], None):
        write_manifest(folder, replace(manifest, producer={"left_out": value}))
        with pytest.raises(RefusedInput, match=r"MANIFEST: .*left_out"):
            left_out(folder)


def test_a_training_that_dvc_did_not_start_names_the_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DVC_STAGE", raising=False)
    assert commit_hint(Workspace(tmp_path), "gcn@r") == ""
    (tmp_path / "dvc.yaml").touch()
    assert commit_hint(Workspace(tmp_path), "gcn@r").startswith("next: `dvc commit --force gcn@r`")
    monkeypatch.setenv("DVC_STAGE", "gcn@r")
    assert commit_hint(Workspace(tmp_path), "gcn@r") == ""
