"""Made-up texts in the layout of NTU RGB+D's skeleton files; none is of the data set."""

from __future__ import annotations

import numpy as np

BODY_A = 72057594037944738
BODY_B = 72057594037944739
"""They differ by one, which a float64 cannot tell."""


def ntu_body(name: int, seed: int) -> list[str]:
    """Lines of one body: its info, the joint count and 25 joints."""
    rng = np.random.default_rng(seed)
    lines = [f"{name} 0 1 1 1 1 0 {rng.normal():.7g} {rng.normal():.7g} 2", "25"]
    for _ in range(25):
        space, depth = rng.normal(scale=2, size=3), rng.uniform(0, 400, 2)
        pixels, turn = rng.uniform(0, 1900, 2), rng.normal(size=4)
        numbers = " ".join(f"{value:.7g}" for value in (*space, *depth, *pixels, *turn))
        lines.append(f"{numbers} {rng.integers(3)}")
    return lines


def ntu_lines(*frames: tuple[int, ...]) -> list[str]:
    """Lines of a file whose frames show the bodies of these ids, in this order."""
    lines = [str(len(frames))]
    for number, names in enumerate(frames):
        lines.append(str(len(names)))
        for place, name in enumerate(names):
            lines += ntu_body(name, 10 * number + place)
    return lines


def ntu_text(*frames: tuple[int, ...], end: str = "\r\n") -> bytes:
    """A whole file as the sensor's tool wrote it."""
    return "".join(line + end for line in ntu_lines(*frames)).encode()
