"""Where the scored columns stand among candidates, and what a manifest may tell of them."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_caches import make_mosaics, write_cache

from stroi.cache.errors import RefusedInput
from stroi.cache.manifest import read_manifest, write_manifest
from stroi.cache.mosaic_columns import scored_columns, scored_columns_of
from stroi.cache.mosaics import MosaicCache
from stroi.cache.share.convert import pack
from stroi.cache.verify import declared_columns, verify


@given(st.integers(1, 12), st.integers(0, 60))
def test_further_columns_are_spread_over_the_gaps(columns: int, more: int) -> None:
    places = scored_columns(columns, columns + more).tolist()
    assert len(set(places)) == columns
    assert places == sorted(places)
    bounds = [-1, *places, columns + more]
    gaps = [b - a - 1 for a, b in pairwise(bounds)]
    assert sum(gaps) == more
    assert max(gaps) - min(gaps) <= 1


@pytest.mark.parametrize(
    ("columns", "candidates", "expected"),
    [
        (5, 5, [0, 1, 2, 3, 4]),
        (5, 11, [1, 3, 5, 7, 9]),
        (5, 17, [2, 5, 8, 11, 14]),
        (1, 3, [1]),
        (5, 6, [0, 1, 2, 3, 4]),
    ],
)
def test_known_places(columns: int, candidates: int, expected: list[int]) -> None:
    assert scored_columns(columns, candidates).tolist() == expected


def test_caches_without_candidates_score_all_they_have() -> None:
    for params in ({}, {"columns": 3}, {"columns": 5, "candidates": 0}, {"frames": 2}):
        assert scored_columns_of(params, 3, "here").tolist() == [0, 1, 2]
    assert (declared_columns({}), declared_columns({"columns": 3, "candidates": 0})) == (None, 3)
    assert declared_columns({"columns": 3, "candidates": 8}) == 8
    assert declared_columns({"columns": "3", "candidates": True}) is None


@pytest.mark.parametrize(
    "params",
    [
        {"columns": 2, "candidates": 4},
        {"columns": 4, "candidates": 3},
        {"columns": 0, "candidates": 3},
        {"candidates": 3},
        {"columns": 2.0, "candidates": 3},
        {"columns": 2, "candidates": 3.0},
        {"columns": 2, "candidates": "all"},
        {"columns": True, "candidates": 3},
    ],
)
def test_manifests_with_other_columns_are_refused(params: dict[str, object]) -> None:
    with pytest.raises(RefusedInput, match=r"SCHEMA: here: 3 columns, its manifest says "):
        scored_columns_of(params, 3, "here")


def test_a_cache_of_candidates_verifies_and_gives_the_columns_wanted(tmp_path: Path) -> None:
    ids = ("a", "b", "c")
    folder = write_cache(tmp_path / "wide", [make_mosaics(ids)])
    write_manifest(folder, replace(read_manifest(folder), params={"columns": 1, "candidates": 3}))
    assert verify(folder) == []
    compact = tmp_path / "compact"
    pack(folder, compact, codec="webp")
    columns = np.array([[2, 0], [1, 1]])
    for place in (folder, compact):
        cache = MosaicCache(place)
        assert (cache.columns, cache.scored.tolist()) == (3, [1])
        cells = {name: cache[name].reshape(20, 3, 4, 3) for name in ids}
        got = cache.batch(["c", "a"], columns=columns)
        assert got.shape == (2, 20, 8, 3)
        np.testing.assert_array_equal(got[0].reshape(20, 2, 4, 3)[:, 0], cells["c"][:, 2])
        np.testing.assert_array_equal(got[0].reshape(20, 2, 4, 3)[:, 1], cells["c"][:, 0])
        np.testing.assert_array_equal(got[1], cells["a"][:, [1, 1]].reshape(20, 8, 3))
        out = np.empty_like(got)
        assert cache.batch(["c", "a"], out, columns=columns) is out
        np.testing.assert_array_equal(out, got)
    write_manifest(folder, replace(read_manifest(folder), params={"columns": 1, "candidates": 4}))
    [problem] = verify(folder)
    assert "was made with C = 3, the manifest with 4" in problem


def test_columns_that_are_not_there_are_a_mistake(tmp_path: Path) -> None:
    cache = MosaicCache(write_cache(tmp_path / "c", [make_mosaics(("a", "b"))]))
    for columns, problem in (
        (np.array([[0, 3]]), "columns 0 to 3 of 3"),
        (np.array([[-1, 0]]), "columns -1 to 0 of 3"),
        (np.array([[0], [1]]), r"columns are \(2, 1\), want some for each of 1 clips"),
        (np.zeros((1, 0), np.int64), r"columns are \(1, 0\)"),
        (np.array([0]), r"columns are \(1,\)"),
    ):
        with pytest.raises(ValueError, match=problem):
            cache.batch(["a"], columns=columns)
    with pytest.raises(ValueError, match=r"out is uint8 \(1, 20, 12, 3\), want uint8 \(1, 20, 4,"):
        cache.batch(["a"], np.empty((1, 20, 12, 3), np.uint8), columns=np.array([[0]]))
    turned = np.empty((1, 4, 20, 3), np.uint8).transpose(0, 2, 1, 3)
    with pytest.raises(ValueError, match="out is not in C order"):
        cache.batch(["a"], turned, columns=np.array([[0]]))
