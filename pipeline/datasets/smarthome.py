"""Adapters ``toyota-smarthome`` and ``toyota-smarthome-cv``: the trimmed clips of Toyota Smarthome.

Names, classes and protocols are those of the lists and programs that the data set's page
(https://project.inria.fr/toyotasmarthome/) links to: the folder ``splits`` of
https://github.com/srijandas07/i3d_smarthome and ``data_gen/smarthome_gendata.py`` of
https://github.com/YangDi666/2s-AGCN-For-Daily-Living.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from stroi.cache.errors import RefusedInput
from stroi.pipeline.datasets.listing import DatasetListing
from stroi.pipeline.datasets.segments import add_once, files_below
from stroi.pipeline.index.ledger import ClipOutcome
from stroi.pipeline.index.table import ClipEntry

VIEW_CLASSES = (
    *("Cutbread", "Drink.Frombottle", "Drink.Fromcan", "Drink.Fromcup", "Drink.Fromglass"),
    *("Eat.Attable", "Eat.Snack", "Enter", "Getup", "Leave", "Pour.Frombottle", "Pour.Fromcan"),
    *("Readbook", "Sitdown", "Takepills", "Uselaptop", "Usetablet", "Usetelephone", "Walk"),
)
"""The 19 classes of the cross-view protocols: the others are not seen by all cameras."""

CLASSES = (
    *VIEW_CLASSES,
    *("Cook.Cleandishes", "Cook.Cleanup", "Cook.Cut", "Cook.Stir", "Cook.Usestove", "Laydown"),
    *("Makecoffee.Pourgrains", "Makecoffee.Pourwater", "Maketea.Boilwater"),
    *("Maketea.Insertteabag", "Pour.Fromkettle", "WatchTV"),
)
"""The 31 classes of the cross-subject protocol."""

UNUSED = ("Pour.Fromcup",)
"""Shipped, 14 clips, and in no protocol."""

KNOWN_CLIPS = 16_115
"""Clips of the 31 classes."""

TRAIN_PERSONS = (*("p03", "p04", "p06", "p07", "p09", "p12", "p13", "p15", "p17", "p19", "p25"),)
"""Of the cross-subject protocol."""

KNOWN_PARTS = {"train": 10_682, "test": 5_433}
"""Sizes of its parts."""

_NAME = re.compile(
    r"(?P<activity>[A-Za-z]+(?:\.[A-Za-z]+)?)_(?P<person>p\d\d)_r\d\d_v\d\d_(?P<camera>c\d\d)",
    re.ASCII,
)


def list_smarthome(root: Path) -> DatasetListing:
    """Clips of the 31 classes, see `_list`."""
    return _list(root, CLASSES)


def list_smarthome_views(root: Path) -> DatasetListing:
    """Clips of the 19 classes of the cross-view protocols, see `_list`."""
    return _list(root, VIEW_CLASSES)


def _list(root: Path, classes: tuple[str, ...]) -> DatasetListing:
    """Clips ``Cook.Cleandishes_p02_r00_v02_c03.mp4`` anywhere below `root`.

    Their subject is the person (``p02``), their camera ``c03``.

    Returns:
        The clips. Left out are other classes (``CLASS_LEFT_OUT`` if the data set has them,
        ``CLASS_UNKNOWN``) and videos of other names (``NAME_BAD``).

    Raises:
        RefusedInput: ``DATASET_EMPTY``, ``ID_DUPLICATE``, ``LINKED_FOLDER``.
    """
    places: dict[str, str] = {}
    left_out: list[ClipOutcome] = []
    for place in files_below(root, _NAME):
        stem, _, suffix = place.rpartition("/")[2].rpartition(".")
        if suffix != "mp4":
            continue
        problem = _problem(stem, classes)
        if problem is None:
            add_once(places, stem, place, root)
        else:
            left_out.append(ClipOutcome(re.sub(r"[^A-Za-z0-9_.-]", "_", stem)[:64], *problem))
    clips = [_listed(stem, places[stem]) for stem in sorted(places)]
    if not clips:
        raise RefusedInput(
            "DATASET_EMPTY",
            f"{root} holds no clip of Toyota Smarthome ({len(left_out)} videos left out)",
            remedy="put mp4/Cook.Cleandishes_p02_r00_v02_c03.mp4 and the others below it",
        )
    notes = tuple(_notes(clips, left_out, classes))
    return DatasetListing(tuple(clips), tuple(sorted(left_out)), notes)


def _problem(stem: str, classes: tuple[str, ...]) -> tuple[str, str] | None:
    """Why a video of this name is no clip of these classes: code and sentence."""
    match = _NAME.fullmatch(stem)
    if match is None:
        return "NAME_BAD", f"{stem[:70]!a} is not named like Cook.Cleandishes_p02_r00_v02_c03"
    activity = match["activity"]
    if activity in classes:
        return None
    if activity in CLASSES or activity in UNUSED:
        return "CLASS_LEFT_OUT", f"{activity} is not among the {len(classes)} classes"
    return "CLASS_UNKNOWN", f"{activity[:40]} is no class of Toyota Smarthome"


def _listed(stem: str, place: str) -> ClipEntry:
    match = _NAME.fullmatch(stem)
    assert match is not None
    return ClipEntry(
        id=stem,
        video=place,
        label=match["activity"],
        subject=match["person"],
        camera=match["camera"],
    )


def _notes(
    clips: list[ClipEntry], left_out: list[ClipOutcome], classes: tuple[str, ...]
) -> Iterator[str]:
    whole = classes is CLASSES
    of = f" of {KNOWN_CLIPS}" if whole else ""
    yield f"Toyota Smarthome: {len(clips)}{of} clips of {len(classes)} classes"
    absent = sorted(set(classes) - {clip.label for clip in clips})
    if absent:
        yield f"Toyota Smarthome: no clip of {len(absent)} classes, first {absent[0]}"
    if left_out:
        codes = Counter(one.code for one in left_out)
        counts = ", ".join(f"{count} {code}" for code, count in sorted(codes.items()))
        yield f"Toyota Smarthome: left out {counts}"
    if whole and len(clips) == KNOWN_CLIPS:
        train = sum(clip.subject in TRAIN_PERSONS for clip in clips)
        parts = {"train": train, "test": len(clips) - train}
        if parts != KNOWN_PARTS:
            yield f"Toyota Smarthome: the protocol has parts {parts}, {KNOWN_PARTS} were published"
