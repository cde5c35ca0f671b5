"""Folds: every value in one, about as many clips in each, by names alone."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stroi.pipeline.index.folds import folds_of

SIZES = st.dictionaries(st.text(max_size=6), st.integers(1, 50), min_size=2, max_size=12)


def _loads(sizes: dict[str, int], folds: dict[str, int], count: int) -> list[int]:
    return [
        sum(sizes[value] for value in sizes if folds[value] == fold) for fold in range(1, count + 1)
    ]


def test_as_many_folds_as_values_leave_one_out_in_natural_order() -> None:
    sizes = {"s10": 9, "s2": 1, "s1": 4, "s02": 2}
    assert folds_of(sizes, 4) == {"s1": 1, "s02": 2, "s2": 3, "s10": 4}


def test_large_values_come_first() -> None:
    # By hand: 7 opens one fold, 5 the other, 4 joins the 5, 3 the 7, 1 and 1 one each.
    sizes = {"a": 1, "b": 7, "c": 5, "d": 4, "e": 3, "f": 1}
    assert folds_of(sizes, 2) == {"a": 1, "b": 2, "c": 1, "d": 1, "e": 2, "f": 2}


@settings(derandomize=True, deadline=None, max_examples=100)
@given(SIZES, st.data(), st.booleans())
def test_folds_divide_and_depend_on_names_and_sizes_alone(
    sizes: dict[str, int], data: st.DataObject, shuffled: bool
) -> None:
    count = data.draw(st.integers(2, len(sizes)))
    folds = folds_of(sizes, count, shuffled=shuffled)
    assert set(folds.values()) == set(range(1, count + 1))
    turned = {value: sizes[value] for value in data.draw(st.permutations(list(sizes)))}
    assert folds_of(turned, count, shuffled=shuffled) == folds
    loads = _loads(sizes, folds, count)
    assert max(loads) - min(loads) <= max(sizes.values())
    # Two of the count + 1 largest values share a fold whatever one does.
    largest = [*sorted(sizes.values(), reverse=True), 0]
    best_possible = max(sum(sizes.values()) / count, largest[0], 2 * largest[count])
    assert max(loads) <= 4 / 3 * best_possible


@pytest.mark.parametrize("count", [2, 3, 7])
def test_ids_are_shuffled_by_their_digest(count: int) -> None:
    ids = {f"clip{number:03d}": 1 for number in range(50)}
    folds = folds_of(ids, count, shuffled=True)
    loads = _loads(ids, folds, count)
    assert max(loads) - min(loads) <= 1
    neighbours = sum(
        folds[f"clip{at:03d}"] % count + 1 == folds[f"clip{at + 1:03d}"] for at in range(49)
    )
    assert neighbours < 40
