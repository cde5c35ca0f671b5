"""The smaller page of the skeleton branch alone: for data without pictures, or before there are."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from stroi.cache.scores import Scores
from stroi.pipeline.index.ledger import read_ledger
from stroi.pipeline.params.load import RunParams
from stroi.pipeline.params.profile import EnsembleParams
from stroi.pipeline.workspace import Workspace
from stroi.stages.evaluation.table import ROWS, GroundTruth, Result, evaluate, row_scores
from stroi.stages.report_page import accuracy, attention
from stroi.stages.report_page import provenance as origin
from stroi.stages.report_page.common import Common
from stroi.stages.report_page.inputs import (
    check_flow,
    manifests,
    read_curves,
    read_joint_weights,
)
from stroi.stages.report_page.page import environment

STAGE_PARAMS = ("index", "gcn", "weights")
"""Groups of params that the page shows, beside what its joints or skeletons were made with."""


@dataclass(frozen=True, kw_only=True)
class SkeletonContent(Common):
    """What the page shows beside `Common`, section by section.

    Attributes:
        classes: Class names.
        sizes: Test clips of each class.
        listed: Test clips of the split, lost ones too.
        result: Row 1.
        confusions: The most confused pairs of classes, first seed.
        counts: (L, L) confusion matrix, actual by predicted, first seed.
    """

    classes: tuple[str, ...]
    sizes: tuple[int, ...]
    listed: int
    result: Result
    confusions: tuple[accuracy.Confusion, ...]
    counts: tuple[tuple[int, ...], ...]


def gather_skeleton(
    workspace: Workspace, run: RunParams, truth: GroundTruth, scores: tuple[Scores, ...], name: str
) -> SkeletonContent:
    """Read and compute the page's content.

    Args:
        workspace: The project.
        run: The run.
        truth: The test clips.
        scores: What the graph network says about them, per seed.
        name: Of the graph network.

    Raises:
        RefusedInput: If what a stage wrote is missing, damaged, or does not belong together.
    """
    classes, params = truth.classes, EnsembleParams()
    by_seed, row = [{"gcn": each} for each in scores], replace(ROWS[0], method=name)
    predicted = row_scores(row, by_seed[0], truth, params).argmax(axis=1)
    counts = accuracy.confusion_matrix(truth.labels, predicted, len(classes))
    weights, layout = read_joint_weights(workspace, run, truth.ids)
    seen = run.run.input
    folders = {
        "index": workspace.index(run.run.dataset),
        seen: getattr(workspace, seen)(run.run.dataset),
    }
    ledgers = {stage: read_ledger(folder) for stage, folder in folders.items()}
    check_flow(ledgers, folders, folders)
    made = manifests(workspace, run, [folders[seen]], ("gcn",))
    groups = origin.params_groups(
        run.profile, {each.kind: each.params for each in made.values() if each.kind == seen}
    )
    return SkeletonContent(
        run=run.name,
        dataset=run.run.dataset,
        split=origin.split_rule(run.run.split, run.profile.splits[run.run.split]),
        profile=run.profile,
        classes=classes,
        sizes=tuple(np.bincount(truth.labels, minlength=len(classes)).tolist()),
        listed=truth.listed,
        result=evaluate(row, by_seed, truth, params),
        confusions=accuracy.most_confused(counts, classes),
        counts=tuple(tuple(line) for line in counts.tolist()),
        means=attention.mean_weights(truth.ids, truth.labels, classes, weights),
        layout=layout,
        losses=origin.losses(ledgers, None),
        curves=read_curves(workspace, run, ("gcn",)),
        params=tuple(group for group in groups if group.name in {*STAGE_PARAMS, seen}),
        producers=origin.producers(made),
    )


def render_skeleton(content: SkeletonContent) -> str:
    """The page as HTML; equal text for equal content."""
    return environment().get_template("skeleton.html").render(page=content)
