"""JSON as strict as a file from a stranger needs it."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from typing import Any, NoReturn

from stroi.cache.errors import RefusedInput

MAX_DEPTH = 64
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{}]')


def parse_json(data: bytes, where: str) -> object:
    """Parse UTF-8 JSON; no double keys, no NaN or infinity, no deep nesting.

    Args:
        data: The text.
        where: The file, for messages.

    Raises:
        RefusedInput: ``JSON``, ``JSON_DUPLICATE_KEY`` or ``JSON_DEPTH``.
    """
    _check_depth(data, where)

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(items)
        if len(found) != len(items):
            [(double, _)] = Counter(key for key, _ in items).most_common(1)
            raise RefusedInput("JSON_DUPLICATE_KEY", f"{where} has the key {double!a} twice")
        return found

    def constant(text: str) -> NoReturn:
        raise RefusedInput("JSON", f"{where} holds {text}, which is not JSON")

    def number(text: str) -> float:
        value = float(text)
        return value if math.isfinite(value) else constant(text)

    try:
        parsed: object = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=pairs,
            parse_constant=constant,
            parse_float=number,
        )
    except ValueError as error:
        raise RefusedInput("JSON", f"{where} is not JSON: {error}") from error
    return parsed


def _check_depth(data: bytes, where: str) -> None:
    depth = 0
    for match in _TOKEN.finditer(data):
        depth += {b"[": 1, b"{": 1, b"]": -1, b"}": -1}.get(match[0], 0)
        if depth > MAX_DEPTH:
            raise RefusedInput("JSON_DEPTH", f"{where} nests deeper than {MAX_DEPTH}")
