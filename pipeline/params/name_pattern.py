"""Patterns that read fields from a video's file name: ``{subject}_{camera}_{*}``."""

from __future__ import annotations

import re

FIELDS = ("subject", "camera", "group")
"""Fields of a name; ``*`` stands for anything else."""

MAX_LENGTH = 200
"""Longest pattern in characters."""

_FIELD = re.compile(r"\{([^{}:]*)(?::([^{}]*))?\}")
_WIDTH = re.compile(r"[1-9][0-9]?")


def compile_pattern(text: str) -> re.Pattern[str]:
    """The regular expression of a pattern, with a named group for each field.

    Literal text stands for itself, ``{subject}``, ``{camera}`` and ``{group}`` for what a split
    may go by, ``{*}`` for anything; ``{subject:3}`` has exactly three characters. A field ends
    where the text behind it occurs for the first time, the last one at the name's end; none is
    empty. Use `re.Pattern.fullmatch`.

    Raises:
        ValueError: If it is too long, names a field that is not known or names one twice, has
            none at all, or two fields touch, so that the end of the first is undefined.
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
    expression = re.escape(literals[0])
    for number, (name, width, after) in enumerate(zip(names, widths, literals[1:], strict=True)):
        group = "?:" if name == "*" else f"?P<{name}>"
        content = _content(name, width, after, last=number == len(names) - 1)
        # Atomic: a field that has ended never grows, so no name keeps the matcher busy.
        expression += f"(?>({group}{content}){re.escape(after)})"
    return re.compile(expression, re.DOTALL)


def _content(name: str, width: str | None, after: str, *, last: bool) -> str:
    if width is not None:
        if _WIDTH.fullmatch(width) is None:
            raise ValueError(f"{width[:10]!a} is no width from 1 to 99")
        return f".{{{width}}}"
    if last:
        return ".+"
    if not after:
        raise ValueError(
            f"the end of {{{name}}} is undefined: put text behind it, "
            f"or its width, such as {{{name}:3}}"
        )
    return ".+?"
