"""YAML 1.2 as DVC reads and writes it, with the line of every key; comments survive an edit."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.composer import Composer
from ruamel.yaml.constructor import SafeConstructor
from ruamel.yaml.error import CommentMark, MarkedYAMLError, YAMLError
from ruamel.yaml.events import AliasEvent
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError
from ruamel.yaml.tokens import CommentToken

from stroi.cache.errors import ParamsError
from stroi.cache.files.atomic import write_atomic
from stroi.cache.files.opening import read_regular

MAX_BYTES = 2**17
"""Largest file that is read; the shipped profiles have a fiftieth of it."""

MAX_DEPTH = 32

_TAG = "tag:yaml.org,2002:"
_PLAIN = {f"{_TAG}{kind}" for kind in ("str", "int", "float", "bool", "null")}


@dataclass
class Document:
    """A parsed file.

    Attributes:
        value: dict with text keys, list, str, int, float, bool and None, nested.
        lines: Line (from 1) of each key path; an item of a list counts as the key of its number.
        texts: Scalars as they are written, by key path.
        places: Where a value stands that is of no line, by key path: an option of a command.
    """

    value: Any = None
    lines: dict[tuple[str, ...], int] = field(default_factory=dict)
    texts: dict[tuple[str, ...], str] = field(default_factory=dict)
    places: dict[tuple[str, ...], str] = field(default_factory=dict)

    def replace(self, key: tuple[str, ...], value: Document, place: str) -> None:
        """Note that the value of a key path is that of another document, which stands at `place`.

        The value itself is changed by the caller.
        """
        for known in (self.lines, self.texts, self.places):
            for at in [at for at in known if at[: len(key)] == key]:
                del known[at]
        self.texts |= {(*key, *at): text for at, text in value.texts.items()}
        self.places |= {(*key, *at): place for at in ((), *value.lines)}
        new = {key[:depth] for depth in range(1, len(key))} - self.lines.keys()
        self.places |= dict.fromkeys(new, place)


def printable(text: str, limit: int = 80) -> str:
    """Received text for one line of a message: ASCII, escaped, cut short."""
    short = text if len(text) <= limit else f"{text[:limit]}..."
    return "".join(
        char if char.isascii() and char.isprintable() else ascii(char)[1:-1] for char in short
    )


def read_yaml(path: Path) -> Document:
    """Read one YAML document; every value is what DVC reads.

    Refused are aliases, dates, tags of other things, keys that are not text or stand twice,
    control characters and deep nesting.

    Raises:
        ParamsError: ``PARAMS_MISSING``, ``PARAMS_UNREADABLE`` or ``PARAMS_YAML``, with the line.
    """
    document = read_yaml_text(_read_text(path), path)
    if document.value is None:
        document.value = {}
    return document


def read_yaml_text(text: str, path: Path | str) -> Document:
    """As `read_yaml`, of a text.

    Args:
        text: One YAML document.
        path: What it is called in messages.
    """
    yaml = YAML(typ="safe", pure=True)
    yaml.Composer, yaml.Constructor = _Composer, _Constructor
    try:
        document: Document = yaml.load(text)
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise _wrong(path, line, printable(error.problem or "cannot be read", 200)) from None
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise _wrong(path, line, f"the character {chr(error.character)!a} is not allowed") from None
    except (YAMLError, ValueError, OverflowError) as error:
        raise _wrong(path, 1, printable(str(error), 200)) from None
    return document


@contextmanager
def edit_yaml(path: Path) -> Iterator[Any]:
    """Change a file that `read_yaml` reads; its comments, order, quotes and line ends stay.

    Yields:
        The content, to be changed in place. The file is written at the end.
    """
    yaml = YAML()
    yaml.preserve_quotes, yaml.width = True, MAX_BYTES
    yaml.indent(mapping=2, sequence=4, offset=2)
    content = yaml.load(_read_text(path))
    ends = b"\r\n" if b"\r\n" in path.read_bytes() else b"\n"
    yield content
    out = io.BytesIO()
    yaml.dump(content, out)
    write_atomic(path, out.getvalue().replace(b"\n", ends))


def append(content: CommentedMap, key: str, value: Any, name: str = "") -> None:
    """Add to the list under a key of what `edit_yaml` yields, or by `name` to the mapping there.

    ruamel.yaml keeps the comment lines below a block with its last entry, but they are about what
    follows: they move below the new entry.
    """
    comments, last, place = _end(content, key if key in content else next(reversed(content)))
    below = ""
    if comments.get(last) and comments[last][place]:
        same_line, _, below = comments[last][place].value.partition("\n")
        if same_line:
            comments[last][place].value = f"{same_line}\n"
        else:
            comments[last][place] = None
    if not content.get(key):
        content[key] = CommentedMap() if name else CommentedSeq()
    if name:
        content[key][name] = CommentedMap(value)
    else:
        content[key].append(value)
    if below:
        comments, last, place = _end(content, key)
        comments[last] = [None] * 4
        comments[last][place] = CommentToken(f"\n{below}", CommentMark(0), None)


def _end(block: Any, last: Any) -> tuple[dict[Any, Any], Any, int]:
    """Where the comment behind an entry of a block is kept: comments by key, key and place."""
    inner = block[last]
    if isinstance(inner, CommentedMap | CommentedSeq) and inner and not inner.fa.flow_style():
        return _end(inner, len(inner) - 1 if isinstance(inner, list) else next(reversed(inner)))
    return block.ca.items, last, 0 if isinstance(block, list) else 2


def _read_text(path: Path) -> str:
    try:
        data = read_regular(path, MAX_BYTES)
    except FileNotFoundError:
        raise ParamsError(
            "PARAMS_MISSING",
            f"{path} does not exist",
            remedy="run this in a project, or name one by --root; `stroi new DIR` makes one",
        ) from None
    except OSError as error:
        raise ParamsError(
            "PARAMS_UNREADABLE", f"{path}: {error.strerror}", remedy="mend the file"
        ) from None
    try:
        # Line ends as in Python's text mode, in which DVC opens the file.
        return data.decode("utf-8").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ParamsError(
            "PARAMS_UNREADABLE", f"{path}:{line}: no UTF-8 text", remedy="save it as UTF-8"
        ) from None


def _wrong(path: Path | str, line: int, problem: str) -> ParamsError:
    return ParamsError("PARAMS_YAML", f"{path}:{line}: {problem}", remedy="mend the YAML")


def _refused(node: Any, problem: str) -> MarkedYAMLError:
    return MarkedYAMLError(None, None, problem, node.start_mark)


class _Composer(Composer):
    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.parser.peek_event()
        if isinstance(event, AliasEvent):
            raise _refused(event, "aliases are not allowed")
        if self.depth >= MAX_DEPTH:
            raise _refused(event, f"nested deeper than {MAX_DEPTH} levels")
        return super().compose_node(parent, index)


class _Constructor(SafeConstructor):
    """Notes where every value stands, and refuses those that no params have."""

    def get_single_data(self) -> Document:
        node = self.composer.get_single_node()
        self.document = Document()
        value = None if node is None else self._value(node, ())
        self.document.value = value
        return self.document

    def _value(self, node: Node, at: tuple[str, ...]) -> Any:
        if isinstance(node, MappingNode) and node.tag == f"{_TAG}map":
            values: dict[str, Any] = {}
            for key, value in node.value:
                name = self._key(key)
                if name in values:
                    raise _refused(key, f"key {name!r} stands twice")
                self.document.lines[*at, name] = key.start_mark.line + 1
                values[name] = self._value(value, (*at, name))
            return values
        if isinstance(node, SequenceNode) and node.tag == f"{_TAG}seq":
            items = []
            for number, item in enumerate(node.value):
                self.document.lines[*at, str(number)] = item.start_mark.line + 1
                items.append(self._value(item, (*at, str(number))))
            return items
        self.document.texts[at] = str(node.value)
        return self._scalar(node)

    def _key(self, node: Node) -> str:
        if not isinstance(node, ScalarNode) or node.tag != f"{_TAG}str":
            quotes = ": put it in quotes" if isinstance(node, ScalarNode) else ""
            raise _refused(node, f"key {str(node.value)[:40]!r} is not text{quotes}")
        return str(self._scalar(node))

    def _scalar(self, node: Node) -> Any:
        kind, text = str(node.tag).removeprefix(_TAG), str(node.value)[:40]
        if kind == "timestamp":
            raise _refused(node, f"{text} is a date: put it in quotes if it is text")
        if not isinstance(node, ScalarNode) or node.tag not in _PLAIN:
            raise _refused(node, f"could not determine a constructor for the tag {node.tag!r}")
        if not node.value.isprintable():
            raise _refused(node, f"{text!a} holds characters that cannot be printed")
        try:
            value = self.construct_non_recursive_object(node)
        except (ValueError, LookupError):
            raise _refused(node, f"{text!r} is no {kind}") from None
        if isinstance(value, int) and value.bit_length() > 63:
            raise _refused(node, f"{text} is too large a number")
        return value
