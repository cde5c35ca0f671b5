"""Adapter ``smarthome-untrimmed``: Toyota Smarthome Untrimmed, cut by its annotation tables.

The tables ``Annotation/P02/P02T01C06.csv`` have the columns ``event,start_frame,end_frame`` and
lie apart from the videos ``Videos_mp4/P02T01C06.mp4``. Classes are those of the file
``pipline/data/Action_list`` of https://github.com/dairui01/Toyota_Smarthome, whose README takes
these tables for the reference; two of their events are merged into others, as the data set asks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from stroi.cache.errors import RefusedInput
from stroi.pipeline.datasets.listing import DatasetListing
from stroi.pipeline.datasets.segments import Row, add_once, cut, files_below
from stroi.pipeline.index.csv import iterate_csv
from stroi.pipeline.index.ledger import ClipOutcome
from stroi.pipeline.index.table import ClipEntry

CLASSES = frozenset(
    (
        *("Enter", "Walk", "Make_coffee", "Get_water", "Make_coffee.Pour_water", "Use_Drawer"),
        *("Make_coffee.Pour_grains", "Use_telephone", "Leave", "Put_something_on_table"),
        *("Take_something_off_table", "Pour.From_kettle", "Stir_coffee/tea", "Drink.From_cup"),
        *("Dump_in_trash", "Make_tea", "Make_tea.Boil_water", "Use_cupboard", "Insert_tea_bag"),
        *("Read", "Take_pills", "Use_fridge", "Clean_dishes"),
        *("Clean_dishes.Put_something_in_sink", "Eat_snack", "Sit_down", "Watch_TV"),
        *("Use_laptop", "Get_up", "Drink.From_bottle", "Pour.From_bottle", "Drink.From_glass"),
        *("Lay_down", "Drink.From_can", "Write", "Breakfast", "Breakfast.Spread_jam_or_butter"),
        *("Breakfast.Cut_bread", "Breakfast.Eat_at_table", "Breakfast.Take_ham"),
        *("Clean_dishes.Dry_up", "Wipe_table", "Cook", "Cook.Cut", "Cook.Use_stove"),
        *("Cook.Stir", "Cook.Use_oven", "Clean_dishes.Clean_with_water", "Use_tablet"),
        *("Use_glasses", "Pour.From_can"),
    )
)
"""The 51 classes."""

MERGED = {"Make_coffee.Get_water": "Get_water", "Make_tea.Insert_tea_bag": "Insert_tea_bag"}
"""Events of the tables that count as another."""

KNOWN_VIDEOS = 536

COLUMNS = ("event", "start_frame", "end_frame")

_VIDEO = re.compile(r"(?P<recording>(?P<person>P\d\d)T\d\d)(?P<camera>C\d\d)", re.ASCII)


@dataclass
class _Found:
    """Places by video, relative to the data set's root."""

    videos: dict[str, str] = field(default_factory=dict)
    tables: dict[str, str] = field(default_factory=dict)


def list_untrimmed(root: Path) -> DatasetListing:
    """Events of Toyota Smarthome Untrimmed, anywhere below `root`.

    A clip's subject is the person (``P02``), its camera ``C06`` and its group the recording
    (``P02T01``). It lasts from ``start_frame`` to the frame before ``end_frame``. Events of the
    data set may happen at the same time; each is a clip of its own.

    Returns:
        The clips. Left out are rows that cannot be right
        (`stroi.pipeline.datasets.segments.cut`), videos without a table (``LABELS_MISSING``),
        tables without a video (``VIDEO_MISSING``) and malformed tables (``SEGMENT_TABLE``).

    Raises:
        RefusedInput: ``DATASET_EMPTY``, ``ID_DUPLICATE``, ``LINKED_FOLDER``.
    """
    found = _find(root)
    clips: list[ClipEntry] = []
    left_out: list[ClipOutcome] = []
    for name in sorted(found.videos.keys() | found.tables.keys()):
        some, bad = _clips(root, found, name)
        clips += some
        left_out += bad
    if not clips:
        raise RefusedInput(
            "DATASET_EMPTY",
            f"{root} holds no event of Toyota Smarthome Untrimmed"
            f" ({len(left_out)} files and rows left out)",
            remedy="put Videos_mp4/P02T01C06.mp4, Annotation/P02/P02T01C06.csv and so on below it",
        )
    notes = tuple(_notes(clips, left_out))
    return DatasetListing(tuple(sorted(clips, key=lambda clip: clip.id)), tuple(left_out), notes)


def _find(root: Path) -> _Found:
    found = _Found()
    for place in files_below(root, _VIDEO):
        stem, _, suffix = place.rpartition("/")[2].rpartition(".")
        if _VIDEO.fullmatch(stem) and suffix in ("mp4", "csv"):
            add_once(found.videos if suffix == "mp4" else found.tables, stem, place, root)
    return found


def _clips(root: Path, found: _Found, name: str) -> tuple[list[ClipEntry], list[ClipOutcome]]:
    if name not in found.tables:
        return [], [ClipOutcome(name, "LABELS_MISSING", f"{name} has no annotation table")]
    if name not in found.videos:
        return [], [ClipOutcome(name, "VIDEO_MISSING", f"{name} has no video")]
    match = _VIDEO.fullmatch(name)
    assert match is not None
    video = ClipEntry(
        id=name,
        video=found.videos[name],
        label="",
        subject=match["person"],
        camera=match["camera"],
        group=match["recording"],
    )
    try:
        rows = list(_rows(root / found.tables[name]))
    except RefusedInput as refused:
        return [], [ClipOutcome(name, "SEGMENT_TABLE", f"{name}'s table: {refused.code}")]
    return cut(video, rows)


def _rows(path: Path) -> Iterator[Row]:
    for line, row in iterate_csv(path, required=COLUMNS):
        event, start, stop = (row[column].strip() for column in COLUMNS)
        label = MERGED.get(event, event)
        yield Row(line, label if label in CLASSES else "", start, stop, event)


def _notes(clips: list[ClipEntry], left_out: list[ClipOutcome]) -> Iterator[str]:
    videos = {clip.id.partition("_")[0] for clip in clips}
    yield (
        f"Toyota Smarthome Untrimmed: {len(clips)} events in {len(videos)} of {KNOWN_VIDEOS} videos"
    )
    if left_out:
        yield (
            f"Toyota Smarthome Untrimmed: {len(left_out)} rows or videos left out, first"
            f" {left_out[0].detail}"
        )
