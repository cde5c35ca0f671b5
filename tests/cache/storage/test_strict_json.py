"""Strict JSON."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stroi.cache.errors import RefusedInput
from stroi.cache.storage.strict_json import JsonNode, parse_json


@given(st.recursive(st.none() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(
    st.text(), x), max_leaves=10))  # fmt: skip
def test_ordinary_json_is_parsed(value: object) -> None:
    assert parse_json(json.dumps(value).encode(), "file") == value


@pytest.mark.parametrize(
    ("data", "code", "text"),
    [
        (b'{"a": 1, "b": 2, "a": 3}', "JSON_DUPLICATE_KEY", "file has the key 'a' twice"),
        (b'{"a": {"\\u001b": 1, "\\u001b": 2}}', "JSON_DUPLICATE_KEY", r"the key '\x1b' twice"),
        (b'{"a": NaN}', "JSON", "file holds NaN, which is not JSON"),
        (b"[-Infinity]", "JSON", "holds -Infinity"),
        (b"[1e999]", "JSON", "holds 1e999"),
        (b'{"a": 1', "JSON", "file is not JSON"),
        (b"\xff", "JSON", "file is not JSON"),
        (b"", "JSON", "file is not JSON"),
        (b"1" * 5000, "JSON", "file holds a number of 5000 digits"),
        (b"[-1" + b"0" * 100 + b"]", "JSON", "file holds a number of 102 digits"),
        (b"1" * 5000 + b".5", "JSON", "which is not JSON"),
        (
            b'{"' + b"a" * 999 + b'": 1, "' + b"a" * 999 + b'": 1}',
            "JSON_DUPLICATE_KEY",
            "aa' twice",
        ),
        (b"[" * 200_000, "JSON_DEPTH", "file nests deeper than 64"),
        (b'{"a":' * 100 + b"1" + b"}" * 100, "JSON_DEPTH", "nests deeper than 64"),
    ],
    ids=range(14),
)
def test_bad_json_is_refused(data: bytes, code: str, text: str) -> None:
    with pytest.raises(RefusedInput) as caught:
        parse_json(data, "file")
    assert caught.value.code == code
    assert text in caught.value.message
    assert len(str(caught.value)) < 300
    assert caught.value.remedy


def test_brackets_in_text_are_not_nesting() -> None:
    text = "[{" * 500 + '\\"'
    assert parse_json(json.dumps([text]).encode(), "file") == [text]


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (lambda node: node.text("missing"), "file: missing is missing"),
        (lambda node: node.text("number"), "file: number is not text"),
        (lambda node: node.count("text"), "file: text is not a whole number from 0"),
        (lambda node: node.count("flag"), "file: flag is not a whole number from 0"),
        (lambda node: node.count("minus"), "file: minus is not a whole number from 0"),
        (lambda node: node.texts("mixed"), "file: mixed[1] is not text"),
        (lambda node: node.texts("text"), "file: text is not a list"),
        (lambda node: node.mapping("mixed"), "file: mixed is not an object"),
        (lambda node: node.nodes("mixed")[1].text("a"), "file: mixed[1] is not an object"),
    ],
    ids=range(9),
)
def test_node_says_which_value_is_wrong(read: Callable[[JsonNode], object], text: str) -> None:
    value = {"number": 1, "text": "x", "flag": True, "minus": -1, "mixed": ["x", 2]}
    with pytest.raises(RefusedInput) as caught:
        read(JsonNode(value, "file"))
    assert caught.value.code == "MANIFEST"
    assert caught.value.message == text
