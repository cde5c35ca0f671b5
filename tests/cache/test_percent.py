"""Percentages as text: 100 means all, and 0 means none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stroi.cache.percent import percent


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (91.54, "91.5"), (12.96, "13.0"), (100.0, "100.0"), (0.0, "0.0"), (-0.0, "0.0"),
        # One clip of 2,500, of 50,000 and of 114,000.
        (100 * 2499 / 2500, "99.96"), (100 / 50_000, "0.002"), (100 * 113_999 / 114_000, "99.999"),
        (-0.04, "-0.04"), (-99.97, "-99.97"), (-100.0, "-100.0"),
        # Floating point's, and no clip's.
        (100 - 1e-12, "100.0"), (1e-12, "0.0"), (-1e-12, "0.0"),
    ],
)  # fmt: skip
def test_all_and_none_are_shown_for_all_and_none_alone(value: float, shown: str) -> None:
    assert percent(value) == shown


def test_more_decimals_are_kept() -> None:
    assert (percent(91.546, 2), percent(99.996, 2), percent(100.0, 2)) == (
        "91.55", "99.996", "100.00",
    )  # fmt: skip


@given(st.integers(1, 10**7).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_text_is_close_and_reaches_an_end_only_where_the_count_does(pair: tuple[int, int]) -> None:
    hits, count = pair
    text = percent(100 * hits / count)
    assert float(text) == pytest.approx(100 * hits / count, abs=0.0501)
    assert (float(text) == 100) == (hits == count)
    assert (float(text) == 0) == (hits == 0)
