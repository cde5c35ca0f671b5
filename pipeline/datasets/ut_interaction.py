"""Adapter ``ut-interaction``: UT-Interaction, segmented, as it is shipped: set 1, set 2 or both."""

from __future__ import annotations

import re
from pathlib import Path

from stroi.cache.errors import RefusedInput
from stroi.pipeline.datasets.listing import DatasetListing
from stroi.pipeline.datasets.segments import add_once, files_below
from stroi.pipeline.index.table import ClipEntry

_NAME = re.compile(r"(?P<index>[0-9]{1,3})_(?P<sequence>[0-9]{1,2})_(?P<action>[0-5])", re.ASCII)
_ACTIONS = ("handshake", "hug", "kick", "point", "punch", "push")
_FIRST_SET = 10
"""Sequences of set 1. Those of set 2 are numbered on, but its files begin at index 0 again."""


def list_ut_interaction(root: Path) -> DatasetListing:
    """Clips ``<index>_<sequence>_<action>.avi`` anywhere below `root`; others are ignored.

    The subject is the sequence, the unit that the data set's protocol leaves out; the camera is
    the set's, 1 or 2.

    Raises:
        RefusedInput: ``DATASET_EMPTY`` if no file is so named, ``ID_DUPLICATE``,
            ``LINKED_FOLDER``.
    """
    places: dict[str, str] = {}
    for place in files_below(root, _NAME):
        stem, _, suffix = place.rpartition("/")[2].rpartition(".")
        if suffix == "avi" and _NAME.fullmatch(stem):
            add_once(places, stem, place, root)
    if not places:
        raise RefusedInput(
            "DATASET_EMPTY",
            f"{root} has no file that is named as UT-Interaction names its clips",
            remedy="give the folder that holds 0_1_4.avi or 0_11_4.avi and the others, or that of"
            " both sets",
        )
    return DatasetListing.of(_listed(stem, place) for stem, place in places.items())


def _listed(stem: str, place: str) -> ClipEntry:
    index, sequence, action = (int(part) for part in stem.split("_"))
    label = _ACTIONS[action]
    camera = "1" if sequence <= _FIRST_SET else "2"
    return ClipEntry(f"ut_{index:03d}_{sequence:02d}_{label}", place, label, str(sequence), camera)
