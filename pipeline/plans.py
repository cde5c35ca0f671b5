"""What every out was last built from: the roots by which `prune` tells used work from the rest."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from stroi.cache.digests import sha256_bytes
from stroi.cache.errors import RefusedInput
from stroi.cache.files import write_atomic

PLANS = "plans"
"""Folder of the store: per out a file that lists what its last run wanted."""


@dataclass(frozen=True)
class Plan:
    """What the last run for one out wanted of the store.

    Attributes:
        path: The plan's own file.
        out: The out, relative to the store, so that both can move together.
        files: Files of the store, relative to it.
    """

    path: Path
    out: str
    files: frozenset[str]

    def concerns(self, store: Path) -> bool:
        """Whether the out's data set is still there; DVC may have deleted the out itself."""
        return (store / self.out).parent.is_dir()


def write_plan(store: Path, out: Path, files: Iterable[str]) -> None:
    """Note what a run for `out` wants, before it begins; an earlier plan for `out` ends.

    Raises:
        StroiError: If the disk fails.
    """
    where = os.path.relpath(out.resolve(), store.resolve())
    name = f"{sha256_bytes(where.encode())[:32]}.json"
    document = {"out": where, "files": sorted(files)}
    write_atomic(store / PLANS / name, json.dumps(document, indent=0).encode())


def read_plans(store: Path) -> list[Plan]:
    """All plans of the store.

    Raises:
        RefusedInput: ``PLAN`` if one cannot be understood: then nobody knows what is used.
    """
    plans = []
    for path in sorted((store / PLANS).glob("*.json")):
        try:
            document = json.loads(path.read_bytes())
            files = frozenset(map(str, document["files"]))
            plans.append(Plan(path, str(document["out"]), files))
        except (OSError, ValueError, KeyError, TypeError):
            raise RefusedInput(
                "PLAN",
                f"{path} cannot be understood, so that nobody knows what is used",
                remedy="delete it and run the stages again",
            ) from None
    return plans
