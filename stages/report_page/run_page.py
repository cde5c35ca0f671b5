"""The page of a whole run: everything computed, so that the template only lays it out."""

from __future__ import annotations

from dataclasses import dataclass

from stroi.pipeline.params.load import RunParams
from stroi.pipeline.workspace import Workspace
from stroi.stages.evaluation.table import Table
from stroi.stages.report_page import accuracy, attention, provenance
from stroi.stages.report_page.inputs import read_inputs
from stroi.stages.report_page.page import Page, render


@dataclass(frozen=True, kw_only=True)
class RunPage(Page):
    """The content of the page, section by section.

    Attributes:
        clips: Clips that were listed, and those of them that have a mosaic.
        table: The rows.
        verdict: Whether the best ensemble beats both single branches, in words.
        pairs: Two-way accuracies; empty if the profile names no pairs.
        classes: Accuracy per class.
        confusions: Most confused pairs by row.
        matrices: Confusion matrices.
        cards: Mosaics with their weights.
        top_weight: Right end of their weight bars.
    """

    clips: tuple[int, int]
    table: Table
    verdict: str
    pairs: tuple[accuracy.PairLine, ...]
    classes: tuple[accuracy.ClassLine, ...]
    confusions: tuple[accuracy.Confused, ...]
    matrices: tuple[accuracy.Matrix, ...]
    cards: tuple[attention.Card, ...]
    top_weight: float


def run_page(workspace: Workspace, run: RunParams) -> str:
    """The page as HTML.

    Raises:
        RefusedInput: If what a stage wrote is missing, damaged, or does not belong together; if a
            test clip has no mosaic.
    """
    inputs = read_inputs(workspace, run)
    first = next(iter(inputs.ledgers.values()), None)
    table, labels, weights = inputs.table, inputs.labels, inputs.weights
    cards = attention.cards(labels, table.classes, inputs.mosaics, weights)
    page = RunPage(
        run=run.name,
        dataset=run.run.dataset,
        split=provenance.split_rule(run.run.split, run.profile.splits[run.run.split]),
        profile=run.profile,
        clips=(len(first.outcomes if first else inputs.mosaics), len(inputs.mosaics)),
        table=table,
        verdict=accuracy.verdict(table),
        pairs=accuracy.pair_lines(table),
        classes=accuracy.class_lines(table),
        confusions=accuracy.confusions(table, labels),
        matrices=accuracy.matrices(table, labels),
        cards=cards,
        top_weight=attention.top_weight(cards),
        means=attention.mean_weights(labels.ids, labels.actual, table.classes, weights),
        layout=inputs.layout,
        rows=weights.rows,
        losses=provenance.losses(inputs.ledgers, inputs.mosaics),
        no_ledger=inputs.no_ledger,
        curves=inputs.curves,
        params=provenance.params_sections(
            run.profile,
            {
                each.kind: each.params
                for each in inputs.manifests.values()
                if each.kind in ("skeletons3d", "skeletons", "mosaics")
            },
        ),
        producers=provenance.producers(inputs.manifests),
    )
    return render("page.html", page)
