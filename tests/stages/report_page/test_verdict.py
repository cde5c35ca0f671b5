"""The headline: only what a test backs stands."""

from __future__ import annotations

from dataclasses import replace

import pytest

from stroi.pipeline.workspace import Workspace
from stroi.stages.evaluation.comparisons import Comparison
from stroi.stages.evaluation.result_files import read_table
from stroi.stages.evaluation.table import Table
from stroi.stages.report_page.verdict import stands, verdict
from stroi.trainer.metrics.significance import McNemar


@pytest.fixture
def table(workspace: Workspace) -> Table:
    return read_table(workspace.run("small-xsub", "ensemble"))


def _comparison(table: Table, *ps: float, gain: float = 20.0, **changes: object) -> Comparison:
    seeds = tuple(McNemar(20, 2, p) for p in ps)
    first = replace(table.comparisons[0], gain=gain, interval=(10.0, 30.0), seeds=seeds)
    return replace(first, **changes)  # type: ignore[arg-type]


def test_a_lead_of_one_clip_is_no_headline(table: Table) -> None:
    """Rows 3 and 6 lead on eight clips, with p from 0.25 to 1."""
    found = verdict(table)
    assert found.headline == (
        "Best: ResNet18 + weights (end to end) and ST-GCN & ResNet18 + weights (end to end), "
        "87.5 % of 8 test clips (95 % interval 62.5 to 100.0; chance 25.0 %)."
    )
    assert found.stands == ("Above chance, except rows 1, 2, 5.",)
    assert len(found.open) == 11
    assert found.open[0] == ("ResNet18 + weights (end to end) \u2212 ResNet18: +37.5 (p = 0.250)")
    assert found.cautions == (
        "few test clips: with 8 one clip is 12.5 points, and the best row is known to 37.5 "
        "points only",
    )
    assert verdict(table, ["the split is by id"]).cautions[-1] == "the split is by id"


def test_every_seed_must_stand_against_all_comparisons(table: Table) -> None:
    """0.05 / 11 is 0.0045."""
    assert stands(_comparison(table, 0.001, 0.004), table)
    assert not stands(_comparison(table, 0.001, 0.005), table)
    assert not stands(_comparison(table, 0.0, 0.0, interval=(-0.1, 30.0)), table)
    assert stands(_comparison(table, 0.0, gain=-20.0, interval=(-30.0, -10.0)), table)


def test_what_stands_is_said_with_its_direction(table: Table) -> None:
    better = _comparison(table, 0.0001, 0.001)
    worse = _comparison(table, 0.0001, 0.002, gain=-20.0, interval=(-30.0, -10.0))
    others = table.comparisons[2:]
    found = verdict(table.model_copy(update={"comparisons": (better, worse, *others)}))
    first, second = found.stands[1:]
    assert (
        first
        == "ResNet18 + weights (end to end) is better than ResNet18: +20.0 points (p = 0.001)."
    )
    assert second.endswith("is worse than ResNet18: -20.0 points (p = 0.002).")
    assert len(found.open) == 9


def test_rows_above_chance(table: Table) -> None:
    def with_low(low: float) -> Table:
        rows = tuple(replace(row, interval=(low, 90.0)) for row in table.rows)
        return table.model_copy(update={"rows": rows})

    assert verdict(with_low(25.1)).stands == ("All 7 rows are above chance.",)
    assert verdict(with_low(25.0)).stands == ()
    assert verdict(with_low(80.0)).cautions == ()
