"""Patterns that say what a video's file name tells: ``{subject}_{camera}_{*}``.

They are no regular expressions: matching takes time linear in the name, whatever the pattern.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

FIELDS = ("subject", "camera", "group")
"""What a name may tell; ``*`` stands for anything else."""

MAX_LENGTH = 200
"""Longest pattern in characters."""

_FIELD = re.compile(r"\{([^{}:]*)(?::([^{}]*))?\}")
_WIDTH = re.compile(r"[1-9][0-9]?")


@dataclass(frozen=True)
class Piece:
    """A field and the text that stands behind it.

    Attributes:
        field: One of `FIELDS`, or ``*``.
        width: Characters that it has; 0 for as many as there are up to `after`.
        after: Text that follows it literally; "" at the pattern's end, or if `width` says enough.
    """

    field: str
    width: int
    after: str


@dataclass(frozen=True)
class NamePattern:
    """A parsed pattern: literal text, then pieces."""

    before: str
    pieces: tuple[Piece, ...]

    def match(self, name: str) -> dict[str, str] | None:
        """What `name` tells, by field; None if it does not fit.

        A field ends where the text behind it occurs for the first time, the last one at the
        name's end; none is empty.
        """
        if not name.startswith(self.before):
            return None
        rest = name[len(self.before) :]
        found: dict[str, str] = {}
        for piece in self.pieces:
            end = self._end(piece, rest)
            if end < 1 or not rest[end:].startswith(piece.after):
                return None
            if piece.field != "*":
                found[piece.field] = rest[:end]
            rest = rest[end + len(piece.after) :]
        return None if rest else found

    def _end(self, piece: Piece, rest: str) -> int:
        """How much of `rest` is the field's; below 1 if it has no place."""
        if piece.width:
            return piece.width if len(rest) >= piece.width else 0
        if piece is self.pieces[-1]:
            return len(rest) - len(piece.after)
        return rest.find(piece.after, 1)


def parse_pattern(text: str) -> NamePattern:
    """Parse a pattern.

    Literal text stands for itself, ``{subject}``, ``{camera}`` and ``{group}`` for what a split
    may go by, ``{*}`` for anything; ``{subject:3}`` has exactly three characters.

    Raises:
        ValueError: If it is too long, names a field that is not known or names one twice, has
            none at all, or two fields touch so that nothing tells where the first one ends.
    """
    if len(text) > MAX_LENGTH or not text.isprintable():
        raise ValueError(f"a pattern has at most {MAX_LENGTH} printable characters")
    parts = _FIELD.split(text)
    literals, names, widths = parts[::3], parts[1::3], parts[2::3]
    if any("{" in literal or "}" in literal for literal in literals):
        raise ValueError("a brace without its other half")
    for name in names:
        if name not in (*FIELDS, "*"):
            raise ValueError(
                f"no field {{{name}}}: there are {{subject}}, {{camera}}, {{group}}, {{*}}"
            )
        if name != "*" and names.count(name) > 1:
            raise ValueError(f"{{{name}}} stands twice")
    if set(names) <= {"*"}:
        raise ValueError("it names none of {subject}, {camera}, {group}")
    pieces = tuple(
        Piece(name, _width(width), after)
        for name, width, after in zip(names, widths, literals[1:], strict=True)
    )
    for piece in pieces[:-1]:
        if not (piece.after or piece.width):
            raise ValueError(
                f"nothing tells where {{{piece.field}}} ends: put text behind it, "
                f"or its width, such as {{{piece.field}:3}}"
            )
    return NamePattern(literals[0], pieces)


def _width(text: str | None) -> int:
    if text is None:
        return 0
    if _WIDTH.fullmatch(text) is None:
        raise ValueError(f"{text[:10]!a} is no width from 1 to 99")
    return int(text)
