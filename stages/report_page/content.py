"""The whole content of the page, computed: nothing is left to the template but layout."""

from __future__ import annotations

from dataclasses import dataclass

from stroi.stages.report_page import accuracy, attention
from stroi.stages.report_page import provenance as origin
from stroi.stages.report_page.common import Common
from stroi.stages.report_page.inputs import Inputs
from stroi.stages.report_page.results import Table


@dataclass(frozen=True, kw_only=True)
class Content(Common):
    """What the page shows beside `Common`, section by section.

    Attributes:
        clips: Clips that were listed, and those of them that have a mosaic.
        table: The seven rows.
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


def gather(inputs: Inputs) -> Content:
    """Compute the page's content.

    Raises:
        RefusedInput: If a test clip has no mosaic.
    """
    run, table = inputs.run, inputs.table
    shown, weights = inputs.predictions, inputs.weights
    cards = attention.cards(shown, table.classes, inputs.mosaics, weights)
    return Content(
        run=run.name,
        dataset=run.run.dataset,
        split=origin.split_rule(run.run.split, run.profile.splits[run.run.split]),
        profile=run.profile,
        clips=(len(inputs.ledgers["index"].outcomes), len(inputs.mosaics)),
        table=table,
        verdict=accuracy.verdict(table),
        pairs=accuracy.pair_lines(table, run.profile.ensemble.pairs),
        classes=accuracy.class_lines(table, inputs.class_sizes),
        confusions=accuracy.confusions(table, inputs.predictions),
        matrices=accuracy.matrices(table, inputs.predictions),
        cards=cards,
        top_weight=attention.top_weight(cards),
        means=attention.mean_weights(shown.ids, shown.actual, table.classes, weights),
        layout=inputs.layout,
        losses=origin.losses(inputs.ledgers, inputs.mosaics),
        curves=inputs.curves,
        params=origin.params_groups(
            run.profile,
            {each.kind: each.params for each in inputs.manifests.values()
             if each.kind in ("skeletons3d", "skeletons", "mosaics")},
        ),
        producers=origin.producers(inputs.manifests),
    )  # fmt: skip
