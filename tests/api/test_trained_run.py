"""A trained run, opened by its folder."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

import stroi
from stroi.cache.errors import ParamsError, RefusedInput
from stroi.trainer.score_gcn import score_gcn


def test_its_parts_are_those_on_disk(project: Path) -> None:
    run = stroi.load_run(project / "runs" / "r")
    assert (run.name, run.seeds, run.folder) == ("r", (0,), project / "runs" / "r")
    assert run.networks == ("gcn", "resnet-plain", "resnet-fixed", "resnet-end-to-end")
    assert run.classes == ("kick", "wave")
    assert set(run.metrics) == {*(f"row{n}" for n in range(1, 8)), "chance", "test_clips"}
    assert run.weights().ids == stroi.open_skeletons(project / "data/d/skeletons").ids


def test_its_network_gives_its_scores(project: Path) -> None:
    run = stroi.load_run(project / "runs" / "r")
    stored = run.scores("gcn", seed=0)
    skeletons = stroi.open_skeletons(project / "data/d/skeletons")
    scores = score_gcn(run.graph_network(), skeletons, stored.ids, threads=1)
    np.testing.assert_array_equal(scores.logits, stored.logits)
    assert run.rgb_network("resnet-fixed").classes == run.classes


def test_what_is_not_there_is_said(project: Path, tmp_path: Path) -> None:
    run = stroi.load_run(project / "runs" / "r")
    with pytest.raises(ParamsError, match=r"RUN_SEED: run r has no seed 7; its seeds are: 0$"):
        run.scores("gcn", seed=7)
    with pytest.raises(RefusedInput, match=r"PTH_META: .* no resnet checkpoint"):
        run.rgb_network("gcn")
    with pytest.raises(RefusedInput, match=r"RUN_UNTRAINED: run r in .* has no gcn bone; run "):
        run.graph_network(stream="bone")
    with pytest.raises(RefusedInput, match=r"RUN_OPEN: .* is no run: .*; name a folder such as"):
        stroi.load_run(tmp_path)


def test_a_run_that_has_not_been_trained(project: Path, tmp_path: Path) -> None:
    shutil.copytree(project, tmp_path, ignore=shutil.ignore_patterns("r"), dirs_exist_ok=True)
    run = stroi.load_run(tmp_path / "runs" / "r")
    assert run.networks == ()
    for ask in (lambda: run.classes, lambda: run.scores("gcn"), run.weights, run.graph_network):
        with pytest.raises(RefusedInput, match=r"RUN_UNTRAINED: .*; run `dvc repro`, or"):
            ask()
    with pytest.raises(RefusedInput, match=r"METRICS: .*; run `stroi ensemble` first"):
        run.metrics  # noqa: B018
