"""The contact sheet: which mosaics, where, and the same bytes each time."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_caches import make_mosaics, write_cache

from stroi.cache.mosaics import MosaicCache
from stroi.cache.share.card import contact_sheet, evenly


@given(st.integers(1, 200), st.integers(1, 20))
def test_ids_are_chosen_evenly(total: int, count: int) -> None:
    ids = [f"s{number:03d}" for number in range(total)]
    chosen = evenly(ids, count)
    assert len(chosen) == len(set(chosen)) == min(total, count)
    assert chosen == sorted(chosen)
    assert chosen[0] == ids[0]
    assert count == 1 or chosen[-1] == ids[-1]
    if total > count:
        gaps = np.diff([ids.index(name) for name in chosen]).tolist()
        assert max(gaps, default=0) - min(gaps, default=0) <= 1


def test_each_mosaic_is_where_its_id_says(tmp_path: Path) -> None:
    mosaics = make_mosaics(tuple(f"s{number}" for number in range(6)), cell=8)
    colours = np.arange(6, dtype=np.uint8) * 40
    mosaics.mosaic[:] = colours[:, None, None, None]
    mosaics.mosaic[5] = (200, 0, 0)
    cache = MosaicCache(write_cache(tmp_path / "c", [mosaics]))
    sheet = cv2.imdecode(np.frombuffer(contact_sheet(cache), np.uint8), cv2.IMREAD_COLOR)
    assert sheet is not None
    height, width, _ = cache.shape
    assert sheet.shape == (2 * (height + 4) + 4, 4 * (width + 4) + 4, 3)
    for place, colour in enumerate(colours):
        y = 4 + place // 4 * (height + 4) + height // 2
        x = 4 + place % 4 * (width + 4) + width // 2
        bgr = [0, 0, 200] if place == 5 else [colour] * 3
        assert sheet[y, x] == pytest.approx(bgr, abs=6)
    assert contact_sheet(cache) == contact_sheet(cache)
    one = cv2.imdecode(np.frombuffer(contact_sheet(cache, 1), np.uint8), cv2.IMREAD_COLOR)
    assert one is not None
    assert one.shape == (height + 8, width + 8, 3)


def test_large_mosaics_are_shown_small(tmp_path: Path) -> None:
    mosaics = make_mosaics(("a",), cell=100)
    cache = MosaicCache(write_cache(tmp_path / "c", [mosaics]))
    sheet = cv2.imdecode(np.frombuffer(contact_sheet(cache), np.uint8), cv2.IMREAD_COLOR)
    assert sheet is not None
    assert sheet.shape == (225 + 8, 135 + 8, 3)
