"""YAML without its surprises: plain keys and values that mean what they look like."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from yaml.error import Mark, MarkedYAMLError
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from yaml.reader import ReaderError

from stroi.cache.errors import ParamsError
from stroi.cache.received import read_plain

MAX_BYTES = 2**17
"""Largest file that is read; the shipped profiles have a fiftieth of it."""

MAX_DEPTH = 32

_TAG = "tag:yaml.org,2002:"
_WHOLE = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})")
_REAL = re.compile(r"[-+]?([0-9]+\.[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?")


@dataclass
class Document:
    """A parsed file.

    Attributes:
        value: dict with text keys, list, str, int, float, bool and None, nested.
        lines: Line (from 1) of each key path; an item of a list counts as the key of its number.
        texts: Scalars as they are written, by key path.
    """

    value: Any = None
    lines: dict[tuple[str, ...], int] = field(default_factory=dict)
    texts: dict[tuple[str, ...], str] = field(default_factory=dict)


def printable(text: str, limit: int = 80) -> str:
    """Received text for one line of a message: ASCII, escaped, cut short."""
    short = text if len(text) <= limit else f"{text[:limit]}..."
    return "".join(
        char if char.isascii() and char.isprintable() else ascii(char)[1:-1] for char in short
    )


def read_yaml(path: Path) -> Document:
    """Read one YAML document.

    Aliases, tags, keys that are not text or stand twice, numbers that are not what they look like
    (``012``, ``1_000``, ``1:30``, ``.inf``), control characters and deep nesting are refused.
    Dates stay text.

    Raises:
        ParamsError: ``PARAMS_MISSING``, ``PARAMS_UNREADABLE`` or ``PARAMS_YAML``, with the line.
    """
    text = _read_text(path)
    try:
        node = _Loader(text).get_single_node()
        document = Document({})
        if node is not None:
            document.value = _value(node, (), document)
        return document
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise _wrong(path, line, printable(error.problem or "cannot be read", 200)) from None
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise _wrong(path, line, f"the character {chr(error.character)!a} is not allowed") from None
    except (yaml.YAMLError, ValueError) as error:
        raise _wrong(path, 1, printable(str(error), 200)) from None


def _read_text(path: Path) -> str:
    try:
        data = read_plain(path, MAX_BYTES)
    except FileNotFoundError:
        raise ParamsError(
            "PARAMS_MISSING", f"{path} does not exist", remedy="run from the project's root"
        ) from None
    except OSError as error:
        raise ParamsError(
            "PARAMS_UNREADABLE", f"{path}: {error.strerror}", remedy="mend the file"
        ) from None
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ParamsError(
            "PARAMS_UNREADABLE", f"{path}:{line}: no UTF-8 text", remedy="save it as UTF-8"
        ) from None


def _wrong(path: Path, line: int, problem: str) -> ParamsError:
    return ParamsError("PARAMS_YAML", f"{path}:{line}: {problem}", remedy="mend the YAML")


class _Loader(yaml.SafeLoader):
    """Composes nodes; no object is ever constructed from a tag."""

    depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
        if self.check_event(yaml.events.AliasEvent):
            raise MarkedYAMLError(None, None, "aliases are not allowed", mark)
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise MarkedYAMLError(None, None, f"nested deeper than {MAX_DEPTH} levels", mark)
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


# Dates stay text: a subject called 2024-01-02 is a name.
_Loader.yaml_implicit_resolvers = {
    first: [pair for pair in pairs if pair[0] != f"{_TAG}timestamp"]
    for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _value(node: Node, at: tuple[str, ...], document: Document) -> Any:
    if isinstance(node, MappingNode) and node.tag == f"{_TAG}map":
        return _mapping(node, at, document)
    if isinstance(node, SequenceNode) and node.tag == f"{_TAG}seq":
        items = []
        for number, item in enumerate(node.value):
            inner = (*at, str(number))
            document.lines[inner] = item.start_mark.line + 1
            items.append(_value(item, inner, document))
        return items
    if not isinstance(node, ScalarNode):
        raise _no_constructor(node)
    document.texts[at] = node.value
    return _scalar(node, printable(".".join(at)))


def _mapping(node: MappingNode, at: tuple[str, ...], document: Document) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in node.value:
        if not isinstance(key, ScalarNode):
            raise MarkedYAMLError(None, None, "a key is not text", key.start_mark)
        if key.tag != f"{_TAG}str":
            raise MarkedYAMLError(None, None, f"key {key.value!r} is not text", key.start_mark)
        if key.value in found:
            raise MarkedYAMLError(None, None, f"key {key.value!r} stands twice", key.start_mark)
        inner = (*at, _text(key))
        document.lines[inner] = key.start_mark.line + 1
        found[key.value] = _value(value, inner, document)
    return found


def _scalar(node: ScalarNode, key: str) -> str | int | float | bool | None:
    text = node.value
    kind = node.tag.removeprefix(_TAG)
    if kind == "str":
        return _text(node)
    if kind == "null":
        return None
    if kind == "bool" and text.lower() in yaml.SafeLoader.bool_values:
        return bool(yaml.SafeLoader.bool_values[text.lower()])
    if kind == "int" and _WHOLE.fullmatch(text):
        return int(text)
    if kind == "float" and _REAL.fullmatch(text) and math.isfinite(float(text)):
        return float(text)
    if kind in ("int", "float"):
        raise _odd_number(text, key, node.start_mark)
    raise _no_constructor(node)


def _text(node: ScalarNode) -> str:
    text: str = node.value
    if not text.isprintable():
        problem = f"{text[:40]!a} holds characters that cannot be printed"
        raise MarkedYAMLError(None, None, problem, node.start_mark)
    return text


def _odd_number(text: str, key: str, mark: Mark) -> MarkedYAMLError:
    problem = f"{key}: Input should be a plain number or text, got {text[:40]}: write it in decimal"
    problem += ", or in quotes if it is text"
    return MarkedYAMLError(None, None, problem, mark)


def _no_constructor(node: Node) -> MarkedYAMLError:
    problem = f"could not determine a constructor for the tag {node.tag[:80]!r}: tags are refused"
    return MarkedYAMLError(None, None, problem, node.start_mark)
