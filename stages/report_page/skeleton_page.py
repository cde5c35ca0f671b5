"""The smaller page of the skeleton branch alone: it needs no mosaic."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from stroi.cache.scores import Scores
from stroi.pipeline.params.load import RunParams
from stroi.pipeline.params.profile import EnsembleParams
from stroi.pipeline.workspace import Workspace
from stroi.stages.evaluation.ground_truth import GroundTruth
from stroi.stages.evaluation.methods import METHODS
from stroi.stages.evaluation.predictions import method_scores
from stroi.stages.evaluation.table import RowResult, row_result
from stroi.stages.report_page import accuracy, attention, provenance
from stroi.stages.report_page.inputs import (
    check_ledgers,
    read_curves,
    read_joint_weights,
    read_ledgers,
    read_manifests,
)
from stroi.stages.report_page.page import Page, render

STAGE_PARAMS = ("index", "gcn", "weights")
"""Sections of params that the page shows, besides those that its input was made with."""


@dataclass(frozen=True, kw_only=True)
class SkeletonPage(Page):
    """The content of the page, section by section.

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
    result: RowResult
    confusions: tuple[accuracy.Confusion, ...]
    counts: tuple[tuple[int, ...], ...]


def skeleton_page(
    workspace: Workspace, run: RunParams, truth: GroundTruth, scores: tuple[Scores, ...], name: str
) -> str:
    """The page as HTML.

    Args:
        workspace: The project.
        run: The run.
        truth: The test clips.
        scores: Scores of the graph network for these clips, one per seed.
        name: Name of the graph network.

    Raises:
        RefusedInput: If what a stage wrote is missing, damaged, or does not belong together.
    """
    classes = truth.classes
    method = replace(METHODS[0], name=name)
    values = [method_scores(method, {"gcn": each}, truth, EnsembleParams()) for each in scores]
    counts = accuracy.confusion_matrix(truth.labels, values[0].argmax(axis=1), len(classes))
    weights, layout = read_joint_weights(workspace, run, truth.ids)
    kind = run.run.input
    folders = {
        "index": workspace.index(run.run.dataset),
        kind: getattr(workspace, kind)(run.run.dataset),
    }
    ledgers = read_ledgers(folders)
    check_ledgers(ledgers, folders, folders)
    manifests = read_manifests(workspace, run, [folders[kind]], ("gcn",))
    sections = provenance.params_sections(
        run.profile, {each.kind: each.params for each in manifests.values() if each.kind == kind}
    )
    page = SkeletonPage(
        run=run.name,
        dataset=run.run.dataset,
        split=provenance.split_rule(run.run.split, run.profile.splits[run.run.split]),
        profile=run.profile,
        classes=classes,
        sizes=tuple(np.bincount(truth.labels, minlength=len(classes)).tolist()),
        listed=truth.listed,
        result=row_result(method, values, truth, {}),
        confusions=accuracy.most_confused(counts, classes),
        counts=tuple(map(tuple, counts.tolist())),
        means=attention.mean_weights(truth.ids, truth.labels, classes, weights),
        layout=layout,
        rows=weights.rows,
        losses=provenance.losses(ledgers, None),
        no_ledger=tuple(stage for stage in folders if stage not in ledgers),
        curves=read_curves(workspace, run, ("gcn",)),
        params=tuple(each for each in sections if each.name in {*STAGE_PARAMS, kind}),
        producers=provenance.producers(manifests),
    )
    return render("skeleton.html", page)
