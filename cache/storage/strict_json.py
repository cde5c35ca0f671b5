"""JSON as strict as a file from a stranger needs it."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from dataclasses import dataclass
from typing import Any, NoReturn

from stroi.cache.errors import RefusedInput, refuse

MAX_DEPTH = 64
MAX_DIGITS = 100

_QUOTED = 80


def parse_json(data: bytes | str, where: str) -> object:
    """Parse UTF-8 JSON; no double keys, no NaN or infinity, no deep nesting, no endless number.

    The caller limits the length of `data`.

    Args:
        data: The text.
        where: The file, for messages.

    Raises:
        RefusedInput: ``JSON``, ``JSON_DUPLICATE_KEY`` or ``JSON_DEPTH``.
    """

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        unique = dict(items)
        if len(unique) != len(items):
            [(double, _)] = Counter(key for key, _ in items).most_common(1)
            raise refuse("JSON_DUPLICATE_KEY", f"{where} has the key {double[:_QUOTED]!a} twice")
        return unique

    def constant(text: str) -> NoReturn:
        raise refuse("JSON", f"{where} holds {text[:_QUOTED]}, which is not JSON")

    def real(text: str) -> float:
        value = float(text)
        return value if math.isfinite(value) else constant(text)

    def integer(text: str) -> int:
        if len(text) > MAX_DIGITS:
            raise refuse("JSON", f"{where} holds a number of {len(text)} digits")
        return int(text)

    try:
        text = data if isinstance(data, str) else data.decode("utf-8")
        parsed: object = json.loads(
            text,
            object_pairs_hook=pairs,
            parse_constant=constant,
            parse_float=real,
            parse_int=integer,
        )
    except ValueError as error:
        raise refuse("JSON", f"{where} is not JSON: {error}") from error
    except RecursionError:
        raise refuse("JSON_DEPTH", f"{where} nests deeper than {MAX_DEPTH}") from None
    _check_depth(parsed, where)
    return parsed


@dataclass(frozen=True)
class JsonNode:
    """A JSON object and where it stands, so that a message can say which value is wrong.

    Every method but `wrong` raises RefusedInput, ``MANIFEST``, if the value has another form.

    Attributes:
        value: What the JSON text holds here.
        where: The file and the place in it.
    """

    value: object
    where: str

    def wrong(self, key: str, problem: str) -> RefusedInput:
        """The refusal of the value at `key`, for the caller to raise."""
        return refuse("MANIFEST", f"{self.where}: {key} {problem}")

    def get(self, key: str) -> object:
        """The value at `key`."""
        if not isinstance(self.value, dict):
            raise refuse("MANIFEST", f"{self.where} is not an object")
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


def _check_depth(value: object, where: str, depth: int = 0) -> None:
    if not isinstance(value, dict | list):
        return
    if depth == MAX_DEPTH:
        raise refuse("JSON_DEPTH", f"{where} nests deeper than {MAX_DEPTH}")
    for child in value.values() if isinstance(value, dict) else value:
        _check_depth(child, where, depth + 1)
