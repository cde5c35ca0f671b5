"""YAML that does not mean what it looks like is refused with its line, in one printable line."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from stroi.cache.errors import ParamsError
from stroi.pipeline.params import parse
from stroi.pipeline.profile import Profile
from stroi.pipeline.strict_yaml import MAX_BYTES, printable, read_yaml


def read(folder: Path, text: str | bytes) -> Any:
    path = folder / "x.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_yaml(path)


def test_plain_values_keep_their_types(tmp_path: Path) -> None:
    text = (
        "a: 1\nb: -2.5\nc: 1.0e-3\nd: yes\ne:\n  - no\n  - ~\n  - 'no'\n"
        "f: {g: 2024-01-02, h: '012', i: größe}\nj: 0\nk: +3\nl: .5\n"
    )
    document = read(tmp_path, text)
    assert document.value == {
        "a": 1, "b": -2.5, "c": 0.001, "d": True, "e": [False, None, "no"],
        "f": {"g": "2024-01-02", "h": "012", "i": "größe"}, "j": 0, "k": 3, "l": 0.5,
    }  # fmt: skip
    assert document.lines[("e", "1")] == 7
    assert document.lines[("f", "i")] == 9
    assert document.texts[("e", "0")] == "no"
    assert document.texts[("c",)] == "1.0e-3"


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n"])
def test_an_empty_file_is_an_empty_mapping(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, text).value in ({}, None)


NAMES = st.text(st.characters(codec="ascii", categories=("Lu", "Ll")), min_size=1)
VALUES = st.recursive(
    st.integers(-(10**17), 10**17)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.booleans()
    | st.none()
    | NAMES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(NAMES, VALUES, max_size=3))
def test_what_yaml_writes_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, value: Any
) -> None:
    text = yaml.safe_dump(value)
    if yaml.safe_load(text) == value:
        assert read(tmp_path_factory.getbasetemp(), text).value == value


REFUSED: dict[str, tuple[str | bytes, str]] = {
    "octal": ("a: 1\nb: {c: 012}\n", ":2: b.c: Input should be a plain number or text, got 012"),
    "hexadecimal": ("a: 0x10", "got 0x10: write it in decimal, or in quotes if it is text"),
    "binary": ("a: 0b11", "got 0b11"),
    "underscore": ("a: 1_000", "got 1_000"),
    "sexagesimal": ("a: 1:30", "got 1:30"),
    "sexagesimal real": ("a: 1:30.5", "got 1:30.5"),
    "infinity": ("a: .inf", "got .inf"),
    "not a number": ("a: [1, .nan]", ":1: a.1: Input should be a plain number or text, got .nan"),
    "overflow": ("a: 1.0e+999", "got 1.0e+999"),
    "5000 digits": ("a: " + "9" * 5000, "a: Input should be a plain number"),
    "key of a number": ("1: a", ":1: key '1' is not text"),
    "key of a boolean": ("on: a", ":1: key 'on' is not text"),
    "merge key": ("a: &a {b: 1}\n<<: {c: 1}", ":2: key '<<' is not text"),
    "key of a list": ("? [1]\n: 2", ":1: a key is not text"),
    "key twice": ("a: 1\nb: {c: 1, c: 2}", ":2: key 'c' stands twice"),
    "alias": ("a: &a [1]\nb: *a", ":2: aliases are not allowed"),
    "Python object": (
        "a: !!python/object/apply:os.system ['true']", "could not determine a constructor",
    ),
    "binary data": ("a: !!binary aGVsbG8=", "for the tag 'tag:yaml.org,2002:binary'"),
    "set": ("a: !!set {b}", "for the tag 'tag:yaml.org,2002:set'"),
    "own tag": ("a: !mine 1", "for the tag '!mine'"),
    "forced number": ("a: !!int x", "got x"),
    "forced boolean": ("a: !!bool x", "could not determine a constructor"),
    "value sign": ("a: =", "for the tag 'tag:yaml.org,2002:value'"),
    "two documents": ("a: 1\n---\nb: 2", ":2: but found another document"),
    "unfinished": ("a: [1\n", ":2: expected ',' or ']'"),
    "NUL": ("a: 1\nb: \0", r":2: the character '\x00' is not allowed"),
    "escape sequence": ("a: \x1b[31m", r":1: the character '\x1b' is not allowed"),
    "written escape": (r'a: "\e[31m"', r"'\x1b[31m' holds characters that cannot be printed"),
    "right to left": ("a: '\u202ex'", r"'\u202ex' holds characters that cannot be printed"),
    "half a character": (r'a: "\ud800"', "holds characters that cannot be printed"),
    "newline in a key": ('"a\\nb": 1', r"'a\nb' holds characters that cannot be printed"),
    "not UTF-8": (b"a: 1\nb: \xff", ":2: no UTF-8 text; save it as UTF-8"),
    "UTF-16": ("a: 1".encode("utf-16"), ":1: no UTF-8 text"),
    "nested lists": ("a: " + "[" * 100_000, ":1: nested deeper than 32 levels"),
    "nested blocks": ("- " * 30_000, ":1: nested deeper than 32 levels"),
    "large": (b"#" * (MAX_BYTES + 1), "131073 bytes, at most 131072 are read"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_surprises_are_refused_with_their_line(tmp_path: Path, case: str) -> None:
    text, expected = REFUSED[case]
    with pytest.raises(ParamsError) as caught:
        read(tmp_path, text)
    assert expected in str(caught.value)
    assert str(caught.value).isascii()
    assert str(caught.value).isprintable()
    assert caught.value.remedy


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    for name, code in (("pipe.yaml", "UNREADABLE"), (".", "UNREADABLE"), ("absent", "MISSING")):
        with pytest.raises(ParamsError, match=f"PARAMS_{code}"):
            read_yaml(tmp_path / name)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("seeds: [no]", "got False; YAML reads no as false, put it in quotes if it is text"),
        ("splits: {s: {by: subject, test: [1]}}", "splits.s.test.0: Input should be a valid strin"),
        ("splits: {s: {by: subject, test: [1]}}", "got 1; put it in quotes: '1'"),
        ("gcn: {alpha: 1e-3}", "got '1e-3'; YAML reads 1e-3 as text, write 0.001"),
        ("gcn: {alpha: 1e999}", "gcn.alpha: Input should be a valid number, got '1e999'"),
        ("gcn: {alpha: }", "got None; give a value or remove the key"),
        ("gcn: {alpha: ü}", r"got '\xfc'"),
        ("ümlaut: 1", r"\xfcmlaut: unknown key"),
        ("seeds: 'x" + "x" * 500 + "'", "x..."),
    ],
)
def test_every_mistake_says_what_to_write(tmp_path: Path, text: str, expected: str) -> None:
    (tmp_path / "x.yaml").write_text(text)
    params, problems = parse(Profile, tmp_path / "x.yaml")
    assert params is None
    assert any(expected in problem for problem in problems)
    assert all(problem.isascii() and problem.isprintable() for problem in problems)
    assert all(len(problem) < 500 + len(str(tmp_path)) for problem in problems)


def test_long_lists_of_mistakes_are_cut(tmp_path: Path) -> None:
    from stroi.pipeline.params import load_profile

    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / "x.yaml").write_text("".join(f"k{i}: 1\n" for i in range(75)))
    with pytest.raises(ParamsError, match="75 mistakes in the params, the first at") as caught:
        load_profile(tmp_path, "x")
    assert len(caught.value.details) == 51
    assert caught.value.details[-1] == "and 25 more mistakes"


def test_printable_is_one_short_line() -> None:
    assert printable("plain 'text'") == "plain 'text'"
    assert printable("a\x1bb\nü\u202e") == r"a\x1bb\n\xfc\u202e"
    assert printable("x" * 100, 10) == "x" * 10 + "..."
