"""The page of a whole run: everything computed, so that the template only lays it out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from stroi.cache.mosaics import MosaicCache
from stroi.pipeline.index.cautions import split_cautions
from stroi.pipeline.index.table import Index
from stroi.pipeline.params.load import RunParams
from stroi.pipeline.workspace import Workspace
from stroi.stages.evaluation.table import Table
from stroi.stages.report_page import accuracy, attention, clips, provenance
from stroi.stages.report_page.first_frames import with_first_frames
from stroi.stages.report_page.inputs import read_inputs
from stroi.stages.report_page.page import Page, render
from stroi.stages.report_page.paper import Difference, Published, differences, published
from stroi.stages.report_page.verdict import Verdict, verdict
from stroi.stages.training.run_split import split_clips


@dataclass(frozen=True, kw_only=True)
class RunPage(Page):
    """The content of the page, section by section.

    Attributes:
        listed: Clips that were listed, and those of them that have a mosaic.
        table: The rows.
        verdict: What a test backs, what none does, and cautions.
        paper: The paper's figures for this data set and split; None for any other.
        pairs: Two-way accuracies; empty if the profile names no pairs.
        classes: Accuracy per class.
        confusions: Most confused pairs by row.
        matrices: Confusion matrices.
        groups: Mosaics of some clips with their weights, class by class.
        shown_row: The row whose predictions they have.
        top_weight: Right end of their weight bars.
        sparse: The clips with the most black cells.
        differences: Params that are not the paper's.
    """

    listed: tuple[int, int]
    table: Table
    verdict: Verdict
    paper: Published | None
    pairs: tuple[accuracy.PairLine, ...]
    classes: tuple[accuracy.ClassLine, ...]
    confusions: tuple[accuracy.Confused, ...]
    matrices: tuple[accuracy.Matrix, ...]
    groups: tuple[clips.ClassClips, ...]
    shown_row: int
    top_weight: float
    sparse: tuple[clips.SparseClip, ...]
    differences: tuple[Difference, ...]


def run_page(workspace: Workspace, run: RunParams) -> str:
    """The page as HTML.

    Raises:
        RefusedInput: If what a stage wrote is missing, damaged, or does not belong together; if a
            test clip has no mosaic.
    """
    inputs = read_inputs(workspace, run)
    first = next(iter(inputs.ledgers.values()), None)
    table, labels, weights = inputs.table, inputs.labels, inputs.weights
    shown = table.shown_in("confusions")[-1].method.number
    samples = {sample.id: sample for sample in inputs.index.samples}
    groups = clips.class_clips(labels, shown, table.classes, inputs.mosaics, weights, samples)
    page = RunPage(
        run=run.name,
        dataset=run.run.dataset,
        split=provenance.split_rule(run.run.split, run.profile.splits[run.run.split]),
        profile=run.profile,
        listed=(len(first.outcomes if first else inputs.mosaics), len(inputs.mosaics)),
        table=table,
        verdict=verdict(table, _cautions(inputs.index, run, inputs.mosaics)),
        paper=published(run),
        pairs=accuracy.pair_lines(table),
        classes=accuracy.class_lines(table),
        confusions=accuracy.confusions(table, labels),
        matrices=accuracy.matrices(table, labels),
        groups=groups,
        shown_row=shown,
        top_weight=clips.top_weight(groups),
        sparse=clips.sparse_clips(inputs.mosaics),
        differences=differences(run),
        means=attention.mean_weights(labels.ids, labels.actual, table.classes, weights),
        layout=inputs.layout,
        rows=weights.rows,
        losses=with_first_frames(
            provenance.losses(inputs.ledgers, inputs.mosaics),
            workspace.raw(run.run.dataset),
            samples,
        ),
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


def _cautions(index: Index, run: RunParams, mosaics: MosaicCache) -> Iterator[str]:
    """What makes the numbers of the split uncertain, besides few test clips."""
    split = split_clips(index, run, mosaics.ids)
    found = split_cautions(index.samples, split, run.profile.splits[run.run.split])
    return (each for each in found if not each.startswith("only "))
