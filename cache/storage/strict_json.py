"""JSON as strict as a file from a stranger needs it."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from dataclasses import dataclass
from typing import Any, NoReturn

from stroi.cache.errors import RefusedInput

MAX_DEPTH = 64
MAX_DIGITS = 100
MAX_MEMORY = 170_000_000
"""Largest size in bytes that a parsed text may have by default, estimated from above."""

_REMEDY = "fetch the file again or rebuild the folder"
_TOKEN = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[\[\]{}]', re.DOTALL)
_SHOWN = 80


def parse_json(data: bytes | str, where: str, *, memory: int = MAX_MEMORY) -> object:
    """Parse UTF-8 JSON; no double keys, no NaN or infinity, no deep nesting, no memory bomb.

    Args:
        data: The text.
        where: The file, for messages.
        memory: Largest size in bytes that it may have when parsed.

    Raises:
        RefusedInput: ``JSON``, ``JSON_DUPLICATE_KEY``, ``JSON_DEPTH`` or ``JSON_SIZE``.
    """

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(items)
        if len(found) != len(items):
            [(double, _)] = Counter(key for key, _ in items).most_common(1)
            raise _refused("JSON_DUPLICATE_KEY", f"{where} has the key {double[:_SHOWN]!a} twice")
        return found

    def constant(text: str) -> NoReturn:
        raise _refused("JSON", f"{where} holds {text[:_SHOWN]}, which is not JSON")

    def real(text: str) -> float:
        value = float(text)
        return value if math.isfinite(value) else constant(text)

    def whole(text: str) -> int:
        if len(text) > MAX_DIGITS:
            raise _refused("JSON", f"{where} holds a number of {len(text)} digits")
        return int(text)

    try:
        text = data if isinstance(data, str) else data.decode("utf-8")
        _check_size(text, where, memory)
        parsed: object = json.loads(
            text,
            object_pairs_hook=pairs,
            parse_constant=constant,
            parse_float=real,
            parse_int=whole,
        )
    except ValueError as error:
        raise _refused("JSON", f"{where} is not JSON: {error}") from error
    return parsed


@dataclass(frozen=True)
class JsonNode:
    """A JSON object and where it stands, so that a message can say which value is wrong.

    Every method but `wrong` raises RefusedInput, ``MANIFEST``, if the value is not as asked.

    Attributes:
        value: What the JSON text holds here.
        where: The file and the place in it.
    """

    value: object
    where: str

    def wrong(self, key: str, problem: str) -> RefusedInput:
        """The refusal of the value at `key`, for the caller to raise."""
        return RefusedInput("MANIFEST", f"{self.where}: {key} {problem}", remedy=_REMEDY)

    def get(self, key: str) -> object:
        """The value at `key`."""
        if not isinstance(self.value, dict):
            raise RefusedInput("MANIFEST", f"{self.where} is not an object", remedy=_REMEDY)
        if key not in self.value:
            raise self.wrong(key, "is missing")
        return self.value[key]

    def text(self, key: str, pattern: re.Pattern[str] | None = None) -> str:
        """The text at `key`, which must match `pattern`."""
        return self._text(key, self.get(key), pattern)

    def texts(self, key: str, pattern: re.Pattern[str] | None = None) -> tuple[str, ...]:
        """The texts in the list at `key`, each of which must match `pattern`."""
        return tuple(
            self._text(f"{key}[{i}]", item, pattern) for i, item in enumerate(self._list(key))
        )

    def nodes(self, key: str) -> list[JsonNode]:
        """The objects in the list at `key`."""
        return [
            JsonNode(item, f"{self.where}: {key}[{i}]") for i, item in enumerate(self._list(key))
        ]

    def mapping(self, key: str) -> dict[str, Any]:
        """The object at `key`, as it is."""
        value = self.get(key)
        if not isinstance(value, dict):
            raise self.wrong(key, "is not an object")
        return value

    def count(self, key: str) -> int:
        """The whole number from 0 at `key`."""
        value = self.get(key)
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise self.wrong(key, "is not a whole number from 0")
        return value

    def _list(self, key: str) -> list[object]:
        value = self.get(key)
        if not isinstance(value, list):
            raise self.wrong(key, "is not a list")
        return value

    def _text(self, key: str, value: object, pattern: re.Pattern[str] | None) -> str:
        if not isinstance(value, str):
            raise self.wrong(key, "is not text")
        if pattern is not None and pattern.fullmatch(value) is None:
            raise self.wrong(key, f"is malformed: {value[:80]!a}")
        return value


def _check_size(text: str, where: str, limit: int) -> None:
    """Refuse a text that nests deeply, or becomes much larger than it is by being parsed."""
    # What a number in a list and an entry of an object cost at most; 60 and 250 likewise.
    depth, memory = 0, 32 * text.count(",") + 200 * text.count(":")
    for match in _TOKEN.finditer(text):
        token = match[0]
        if token[0] == '"':
            # One escape can make a text of four bytes a character.
            memory += 60 + len(token) * (4 if "\\" in token else 1)
        elif token in "[{":
            depth, memory = depth + 1, memory + 250
        else:
            depth -= 1
        if depth > MAX_DEPTH:
            raise _refused("JSON_DEPTH", f"{where} nests deeper than {MAX_DEPTH}")
        if memory > limit:
            raise _refused("JSON_SIZE", f"{where} needs more than {limit} bytes of memory")


def _refused(code: str, message: str) -> RefusedInput:
    return RefusedInput(code, message, remedy=_REMEDY)
