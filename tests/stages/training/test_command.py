"""What a training prints when it ends."""

from __future__ import annotations

import pytest
from small_run import SEEDS, TEST, lose

from stroi.cache.scores import Scores, read_scores, write_scores
from stroi.pipeline.params.load import RunParams
from stroi.pipeline.workspace import Workspace
from stroi.stages.training.command import describe_test, training
from stroi.stages.training.outputs import scores_folder


def test_a_training_ends_with_its_test_accuracy_and_chance(
    workspace: Workspace, run: RunParams, capsys: pytest.CaptureFixture[str]
) -> None:
    """Row 1 of the small run errs on three of eight test clips of four classes."""
    with training(workspace, run, "gcn"):
        pass
    assert capsys.readouterr().out == (
        "gcn small-xsub: trained with 2 seeds; test accuracy 62.5 % "
        "(each seed 62.5, 62.5 %; 8 clips, chance 25.0 %)\n"
    )


def test_only_the_clips_that_have_scores_count(workspace: Workspace, run: RunParams) -> None:
    for seed in SEEDS:
        folder = scores_folder(workspace.run(run.name, "gcn"), seed)
        scores = read_scores(folder, "test")
        kept = Scores(TEST[:-2], scores.logits[:-2], scores.classes)
        write_scores(folder, "test", kept, params={}, producer={})
    lose(workspace, TEST[-2:], ["gcn"])
    assert describe_test(workspace, run, "gcn").endswith("6 of 8 clips, chance 25.0 %)")


def test_classes_are_matched_by_name(workspace: Workspace, run: RunParams) -> None:
    for seed in SEEDS:
        folder = scores_folder(workspace.run(run.name, "gcn"), seed)
        scores = read_scores(folder, "test")
        turned = Scores(TEST, scores.logits[:, ::-1].copy(), scores.classes[::-1])
        write_scores(folder, "test", turned, params={}, producer={})
    assert describe_test(workspace, run, "gcn").startswith("test accuracy 62.5 %")
