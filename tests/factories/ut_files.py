"""A folder that looks like UT-Interaction: all names of its sets, and no video in them."""

from __future__ import annotations

from pathlib import Path

ACTIONS = 6
SEQUENCES = 10


def names_of(number: int) -> list[str]:
    """The 60 names of set 1 or 2; each set's files begin at index 0."""
    first = 1 + SEQUENCES * (number - 1)
    return [
        f"{index}_{first + index // ACTIONS}_{index % ACTIONS}.avi"
        for index in range(SEQUENCES * ACTIONS)
    ]


def write_set(folder: Path, number: int) -> Path:
    """The files of a set, each with bytes of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names_of(number):
        (folder / name).write_bytes(name.encode())
    return folder
