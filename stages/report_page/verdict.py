"""What a table shows: the differences that a test backs, those that none backs, and cautions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from stroi.cache.percent import percent, signed
from stroi.stages.evaluation.comparisons import Comparison
from stroi.stages.evaluation.table import RowResult, Table

LEVEL = 0.05
"""Probability with which some comparison of a table stands although no row is better."""

WIDE = 10.0
"""Points: with a wider interval the test clips are few."""


@dataclass(frozen=True)
class Verdict:
    """The headline of a page.

    Attributes:
        headline: The best row, its interval and chance.
        stands: Sentences that a test backs.
        open: Differences that no test backs.
        cautions: Why the figures say less than they seem to.
    """

    headline: str
    stands: tuple[str, ...]
    open: tuple[str, ...]
    cautions: tuple[str, ...]


def stands(comparison: Comparison, table: Table) -> bool:
    """Whether a difference stands against all comparisons of the table, with every seed.

    Each seed's exact test must stay below `LEVEL` divided by the number of comparisons
    (Bonferroni), and the interval must not contain 0.
    """
    limit = LEVEL / len(table.comparisons)
    ends = comparison.interval
    clear = ends is None or ends[0] > 0 or ends[1] < 0
    return clear and comparison.gain != 0 and all(seed.p < limit for seed in comparison.seeds)


def verdict(table: Table, cautions: Iterable[str] = ()) -> Verdict:
    """What `table` shows.

    Args:
        table: The table.
        cautions: What is known of the split, such as that it ignores who acts.
    """
    best = max(table.rows, key=lambda row: row.accuracy)
    # Means over seeds that ought to be equal may differ in the last bit.
    equal = [row for row in table.rows if round(best.accuracy - row.accuracy, 9) == 0]
    names = " and ".join(table.label(row.method.number) for row in equal)
    low, high = best.interval
    found = [each for each in table.comparisons if stands(each, table)]
    rest = [each for each in table.comparisons if not stands(each, table)]
    return Verdict(
        headline=(
            f"Best: {names}, {percent(best.accuracy)} % of "
            f"{table.test_clips} test clips (95 % interval {percent(low)} to {percent(high)}; "
            f"chance {percent(table.chance)} %)."
        ),
        stands=(*_above_chance(table), *(_backed(each, table) for each in found)),
        open=tuple(_not_backed(each, table) for each in rest),
        cautions=(*_few_clips(table, best), *cautions),
    )


def _above_chance(table: Table) -> tuple[str, ...]:
    above = [row for row in table.rows if row.interval[0] > table.chance]
    below = [row for row in table.rows if row.interval[0] <= table.chance]
    if not above:
        return ()
    if not below:
        return (f"All {len(table.rows)} rows are above chance.",)
    names = ", ".join(str(row.method.number) for row in below)
    return (f"Above chance, except row{'s' * (len(below) > 1)} {names}.",)


def _backed(each: Comparison, table: Table) -> str:
    return (
        f"{table.label(each.second)} is {'better' if each.gain > 0 else 'worse'} than "
        f"{table.label(each.first)}: {signed(each.gain)} points (p {_p(each)})."
    )


def _not_backed(each: Comparison, table: Table) -> str:
    return (
        f"{table.label(each.second)} \u2212 {table.label(each.first)}: "
        f"{signed(each.gain)} (p {_p(each)})"
    )


def _p(each: Comparison) -> str:
    """The largest p of its seeds."""
    value = max(seed.p for seed in each.seeds)
    return "< 0.001" if value < 0.001 else f"= {value:.3f}"


def _few_clips(table: Table, best: RowResult) -> tuple[str, ...]:
    low, high = best.interval
    if high - low <= WIDE:
        return ()
    return (
        f"few test clips: with {table.test_clips} one clip is {percent(100 / table.test_clips)} "
        f"points, and the best row is known to {percent(high - low)} points only",
    )
