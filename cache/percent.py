"""Percentages as text: 100 means all, and 0 means none."""

from __future__ import annotations

_MOST_DECIMALS = 6
"""With so many one clip of a hundred million still shows; what is less is floating point's."""


def percent(value: float, decimals: int = 1) -> str:
    """`value`, in percent or in points, with `decimals` decimals: ``91.5``.

    More decimals where fewer would round to 0 or 100 what is neither: 2,499 of 2,500 clips are
    ``99.96``, not ``100.0``.
    """
    for count in range(decimals, _MOST_DECIMALS + 1):
        text = f"{value:.{count}f}"
        if abs(float(text)) not in (0.0, 100.0):
            return text
    return f"{round(value):.{decimals}f}"


def signed(value: float | None) -> str:
    """`value` with its sign, ``+2.5`` or ``0.0``, rounded by `percent`; a dash for None."""
    if value is None:
        return "\u2013"
    text = percent(value)
    return f"+{text}" if float(text) > 0 else text
