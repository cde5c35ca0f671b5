"""Caches of one data set whose people come from different pose sources."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stroi.cache.errors import RefusedInput
from stroi.cache.manifest import read_manifest
from stroi.cache.share.card import find_estimator

SHOWING = ("skeletons", "mosaics")
"""Folders of a data set that show people where a pose source saw them."""


def mixed_sources(out: Path, producer: Mapping[str, Any]) -> list[str]:
    """Warnings about caches next to `out` whose people come from another pose source.

    Scores of two sources mean different things and they miss different people: mosaics cut by one
    and skeletons by the other make a data set that cannot be reproduced.

    Args:
        out: Folder of a data set's skeletons or mosaics; it need not be there yet.
        producer: What makes, or made, what lies in it.

    Returns:
        A sentence for each such folder; none for what is missing, damaged or names no source.
    """
    ours = find_estimator(producer)
    notes = []
    for folder in (out.parent / name for name in SHOWING):
        if folder == out or ours is None:
            continue
        try:
            theirs = find_estimator(read_manifest(folder).producer)
        except RefusedInput:
            continue
        if theirs is not None and theirs != ours:
            notes.append(
                f"warning: {folder} comes from {_named(theirs)}, {out} from {_named(ours)}:"
                " the data set is mixed until the one is made again from the other"
            )
    return notes


def _named(estimator: Mapping[str, Any]) -> str:
    name, model = (ascii(estimator[key] or "")[1:-1] for key in ("estimator", "model"))
    return f"{name[:40]} {model[:12]}".strip()
