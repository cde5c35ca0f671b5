"""The page of several runs as one test: their accuracies together, and run by run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from stroi.pipeline.params.load import RunParams
from stroi.pipeline.params.profile import Profile
from stroi.stages.evaluation.predictions import PredictedLabels
from stroi.stages.evaluation.table import Table
from stroi.stages.report_page import accuracy, provenance
from stroi.stages.report_page.page import render
from stroi.stages.report_page.verdict import Verdict, verdict


@dataclass(frozen=True, kw_only=True)
class PoolPage:
    """The content of the page, section by section.

    Attributes:
        run: Name of the pool.
        dataset: Name of the data set of its runs.
        splits: Split of each run in words, by its name.
        profile: The params of the data set.
        table: The rows, of all test clips and of each run.
        verdict: What a test backs, what none does, and cautions.
        paper: The paper has no such figures.
        groups: No clips are shown.
        pairs: Two-way accuracies; empty if the profile names no pairs.
        classes: Accuracy per class.
        confusions: Most confused pairs by row.
        matrices: Confusion matrices.
    """

    run: str
    dataset: str
    splits: dict[str, str]
    profile: Profile
    table: Table
    verdict: Verdict
    pairs: tuple[accuracy.PairLine, ...]
    classes: tuple[accuracy.ClassLine, ...]
    confusions: tuple[accuracy.Confused, ...]
    matrices: tuple[accuracy.Matrix, ...]
    paper: None = None
    groups: tuple[()] = ()


def pool_page(name: str, runs: Sequence[RunParams], table: Table, labels: PredictedLabels) -> str:
    """The page as HTML.

    Args:
        name: Name of the pool.
        runs: Its runs, at least one.
        table: Their table.
        labels: What each row predicts for each clip.
    """
    profile = runs[0].profile
    page = PoolPage(
        run=name,
        dataset=runs[0].run.dataset,
        splits={
            run.name: provenance.split_rule(run.run.split, profile.splits[run.run.split])
            for run in runs
        },
        profile=profile,
        table=table,
        verdict=verdict(table, _cautions(runs[0])),
        pairs=accuracy.pair_lines(table),
        classes=accuracy.class_lines(table),
        confusions=accuracy.confusions(table, labels),
        matrices=accuracy.matrices(table, labels),
    )
    return render("pool.html", page)


def _cautions(run: RunParams) -> tuple[str, ...]:
    """That the split ignores who acts, if it does."""
    by = run.profile.splits[run.run.split].by
    if by == "subject":
        return ()
    return (f"the folds are by {by}: the same people may be on both sides",)
