"""What a sample id may look like."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stroi.cache.errors import RefusedInput
from stroi.cache.ids import check_ids, check_sorted, ids_from_array, ids_to_array

GOOD = st.from_regex(re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", re.ASCII), fullmatch=True)
BAD = [
    "", ".hidden", "-rf", "_a", "a b", "a/b", "../x", "/etc/passwd", "a..b", "a.", "a\n",
    "a\x1b[2J", "a\u202eb", "=cmd", "%03d", "é", "e\u0301", "\ud800", "a\x00", "\u0663",
    "x" * 65, "CON", "nul", "com1.txt", "Lpt9",
]  # fmt: skip


@pytest.mark.parametrize("name", BAD, ids=ascii)
def test_bad_id_is_refused_escaped_and_on_one_line(name: str) -> None:
    with pytest.raises(RefusedInput) as caught:
        check_ids(["good", name], where="index")
    assert caught.value.code == "ID_BAD"
    text = str(caught.value)
    assert text.startswith("ID_BAD: index: sample 1 has the id '")
    assert "use 1 to 64 of A-Z" in text
    assert text.isascii()
    assert text.isprintable()


@pytest.mark.parametrize("name", ["a", "0", "S001C002P003R002A013", "x" * 64, "a.b-c_d", "console"])
def test_good_id_is_taken(name: str) -> None:
    check_ids([name])


@given(st.text(max_size=70))
def test_nothing_outside_the_rule_is_taken(name: str) -> None:
    try:
        check_ids([name])
    except RefusedInput:
        return
    assert 1 <= len(name) <= 64
    assert set(name) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-")
    assert name[0].isalnum()
    assert ".." not in name
    assert name[-1] != "."


@pytest.mark.parametrize("twin", ["wave_01", "Wave_01", "WAVE_01"])
def test_double_id_names_both_places(twin: str) -> None:
    with pytest.raises(RefusedInput) as caught:
        check_ids(["wave_01", "b", twin])
    assert caught.value.code == "ID_DUPLICATE"
    assert f"sample 2 ('{twin}') has the same id as sample 0 ('wave_01')" in str(caught.value)


def test_order_is_bytewise() -> None:
    check_sorted(["A", "B", "a", "a-1", "a.1", "a1", "a_1"])
    with pytest.raises(RefusedInput, match=r"^ID_ORDER: shard: 'B' stands after 'a'; sort"):
        check_sorted(["A", "a", "B"], where="shard")
    with pytest.raises(RefusedInput, match="ID_ORDER"):
        check_sorted(["a", "a"])


@given(st.lists(GOOD, max_size=8, unique_by=str.casefold))
def test_array_round_trip(names: list[str]) -> None:
    names = [name for name in names if not re.fullmatch(r"(?i)con|prn|aux|nul|com\d|lpt\d", name)]
    array = ids_to_array(names)
    assert array.dtype == np.dtype("S64")
    assert ids_from_array(array) == tuple(names)


def test_long_id_is_refused_and_not_cut() -> None:
    with pytest.raises(RefusedInput, match="ID_BAD"):
        ids_to_array(["x" * 65])


def test_bytes_that_are_not_ascii_come_back_as_escapes() -> None:
    assert ids_from_array(np.array([b"\xff"], "S64")) == ("\\xff",)
