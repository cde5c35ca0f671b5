"""Patterns of file names against a reading by regular expressions, and what they refuse."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stroi.pipeline.name_pattern import FIELDS, MAX_LENGTH, NamePattern, parse_pattern

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


@pytest.mark.parametrize(("pattern", "name", "told"), CASES)
def test_what_names_tell(pattern: str, name: str, told: dict[str, str] | None) -> None:
    assert parse_pattern(pattern).match(name) == told


def _by_expression(pattern: NamePattern, name: str) -> dict[str, str] | None:
    """Another reading: a lazy field ends at the first place of what follows it."""
    text, last = re.escape(pattern.before), len(pattern.pieces) - 1
    for number, piece in enumerate(pattern.pieces):
        if piece.width:
            field = f".{{{piece.width}}}"
        elif number == last:
            field = ".+"
        else:
            field = rf".(?:(?!{re.escape(piece.after)}).)*"
        group = f"(?P<{piece.field}>{field})" if piece.field != "*" else f"(?:{field})"
        text += group + re.escape(piece.after)
    found = re.fullmatch(text, name, re.DOTALL)
    return found.groupdict() if found else None


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
def test_linear_matching_is_what_an_expression_says(
    pieces: list[tuple[str, str]], before: str, name: str
) -> None:
    text = before + "".join(field + after for field, after in pieces)
    try:
        pattern = parse_pattern(text)
    except ValueError:
        return
    assert pattern.match(name) == _by_expression(pattern, name)


@pytest.mark.parametrize(
    ("pattern", "problem"),
    [
        ("{subjekt}_{*}", r"no field \{subjekt\}: there are \{subject\}, \{camera\}, \{group\}"),
        ("{subject}_{subject}", r"\{subject\} stands twice"),
        ("{subject}{camera}", r"nothing tells where \{subject\} ends"),
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
        parse_pattern(pattern)


def test_a_name_cannot_keep_the_matcher_busy() -> None:
    pattern = parse_pattern("{*}a{subject}a{camera}a{group}a{*}b")
    began = time.process_time()
    assert pattern.match("a" * 200_000) is None
    assert time.process_time() - began < 1
