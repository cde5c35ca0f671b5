"""Patterns of file names against a reading from left to right, and what they refuse."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stroi.pipeline.params.name_pattern import FIELDS, MAX_LENGTH, compile_pattern

CASES = (
    ("{subject}_{camera}_{*}", "anna_front_001_b", {"subject": "anna", "camera": "front"}),
    ("{*}_{subject}_{*}", "12_3_0", {"subject": "3"}),
    ("v_{*}_g{group}_c{*}", "v_Archery_g07_c02", {"group": "07"}),
    ("P{subject:3}C{camera:1}{*}", "P001C2xyz", {"subject": "001", "camera": "2"}),
    ("{subject}", "anna_front", {"subject": "anna_front"}),
    ("{subject}_x", "a_x_x", {"subject": "a_x"}),
    ("{subject:2}", "anna", None),
    ("{subject:9}", "anna", None),
    ("{subject}_{camera}", "anna", None),
    ("{subject}_{camera}", "_front", None),
    ("{subject}_{camera}", "anna_", None),
    ("s{subject}_{*}", "t1_x", None),
)


def _told(pattern: str, name: str) -> dict[str, str] | None:
    match = compile_pattern(pattern).fullmatch(name)
    return match.groupdict() if match else None


@pytest.mark.parametrize(("pattern", "name", "told"), CASES)
def test_what_names_tell(pattern: str, name: str, told: dict[str, str] | None) -> None:
    assert _told(pattern, name) == told


def _by_hand(pieces: list[tuple[str, str]], before: str, name: str) -> dict[str, str] | None:
    """Another reading: a field ends where what stands behind it occurs first."""
    if not name.startswith(before):
        return None
    rest, found = name[len(before) :], {}
    for number, (field, after) in enumerate(pieces):
        what, _, width = field[1:-1].partition(":")
        if width:
            end = int(width) if len(rest) >= int(width) else 0
        elif number == len(pieces) - 1:
            end = len(rest) - len(after)
        else:
            end = rest.find(after, 1)
        if end < 1 or not rest[end:].startswith(after):
            return None
        if what != "*":
            found[what] = rest[:end]
        rest = rest[end + len(after) :]
    return None if rest else found


_PIECES = st.tuples(
    st.sampled_from([*(f"{{{name}}}" for name in FIELDS), "{*}", "{*:2}", "{subject:1}"]),
    st.sampled_from(["_", "-", "a", "ab", ""]),
)


@settings(derandomize=True, max_examples=400)
@given(
    st.lists(_PIECES, min_size=1, max_size=4),
    st.sampled_from(["", "a", "_"]),
    st.text("ab_-", max_size=12),
)
def test_a_field_ends_where_what_stands_behind_it_occurs_first(
    pieces: list[tuple[str, str]], before: str, name: str
) -> None:
    text = before + "".join(field + after for field, after in pieces)
    try:
        compile_pattern(text)
    except ValueError:
        return
    assert _told(text, name) == _by_hand(pieces, before, name)


@pytest.mark.parametrize(
    ("pattern", "problem"),
    [
        ("{subjekt}_{*}", r"no field \{subjekt\}: there are \{subject\}, \{camera\}, \{group\}"),
        ("{subject}_{subject}", r"\{subject\} stands twice"),
        ("{subject}{camera}", r"the end of \{subject\} is undefined"),
        ("{*}_{*}", r"names none of \{subject\}"),
        ("plain", r"names none of \{subject\}"),
        ("{subject", "a brace without its other half"),
        ("subject}", "a brace without its other half"),
        ("{subject:x}", "'x' is no width from 1 to 99"),
        ("{subject:0}", "'0' is no width"),
        ("{subject}" + "x" * MAX_LENGTH, "at most 200 printable characters"),
        ("{subject}\n", "printable"),
    ],
)
def test_what_is_no_pattern(pattern: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        compile_pattern(pattern)


def test_a_name_cannot_keep_the_matcher_busy() -> None:
    pattern = compile_pattern("{*}a{subject}a{camera}a{group}a{*}b")
    began = time.process_time()
    assert pattern.fullmatch("a" * 200_000) is None
    assert time.process_time() - began < 1
