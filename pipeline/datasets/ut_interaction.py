"""Adapter ``ut-interaction``: one set of UT-Interaction, segmented, as it is shipped."""

from __future__ import annotations

import re
from pathlib import Path

from stroi.cache.errors import RefusedInput
from stroi.pipeline.datasets.listing import Listed, Listing

_NAME = re.compile(r"(?P<index>[0-9]{1,3})_(?P<sequence>[0-9]{1,2})_(?P<action>[0-5])\.avi")
_ACTIONS = ("handshake", "hug", "kick", "point", "punch", "push")


def list_ut_interaction(root: Path) -> Listing:
    """Clips of files ``<index>_<sequence>_<action>.avi``; others are not looked at.

    The subject is the sequence, the unit that the data set's protocol leaves out; a set has one
    camera.

    Raises:
        RefusedInput: ``DATASET_EMPTY`` if no file is so named.
    """
    clips = []
    for path in sorted(root.iterdir()):
        match = _NAME.fullmatch(path.name)
        if match is not None:
            label = _ACTIONS[int(match["action"])]
            name = f"ut_{int(match['index']):03d}_{label}"
            clips.append(Listed(name, path.name, label, match["sequence"], "1"))
    if not clips:
        raise RefusedInput(
            "DATASET_EMPTY",
            f"{root} has no file that is named as UT-Interaction names its clips",
            remedy="give the folder of one set that holds 0_1_4.avi and the others",
        )
    return Listing.of(clips)
