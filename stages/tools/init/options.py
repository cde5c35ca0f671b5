"""What the user of `stroi init` wants: by options, by answers, else by defaults."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import click

from stroi.cache.errors import ParamsError
from stroi.pipeline.datasets.registry import ADAPTERS
from stroi.pipeline.datasets.table import TABLE
from stroi.pipeline.params.name_pattern import compile_pattern
from stroi.stages.tools.init.splits import COLUMNS

WRITTEN = ("folders", "table", "smarthome-untrimmed")
"""Labels whose profile is always written; the others' are shipped."""

LABELS = (*WRITTEN, *sorted(set(ADAPTERS) - {"demo", *WRITTEN}))
SOURCES = ("movenet", "auto", "openpose", "openpose-json")
PEOPLE = ("auto", "1", "2")


@dataclass(frozen=True)
class Wanted:
    """What the user wants; every text has its default in it.

    Attributes:
        name: Of the data set.
        videos: Folder that it lies in.
        labels: Adapter.
        table: The CSV table, if it lies elsewhere than in `videos`.
        pattern: What names tell; empty for nothing.
        split: What a split goes by, ``auto``, or a split of a profile that is there.
        folds: Number of folds; None for the default.
        people: People kept per clip.
        source: Where skeletons come from.
    """

    name: str
    videos: Path
    labels: str = "folders"
    table: Path | None = None
    pattern: str = ""
    split: str = "auto"
    folds: int | None = None
    people: str = "auto"
    source: str = "movenet"


def default_labels(videos: Path, table: Path | None) -> str:
    """How a folder most likely tells the classes: by a table if there is one."""
    return "table" if table is not None or (videos / TABLE).exists() else "folders"


def check_wanted(wanted: Wanted) -> None:
    """Refuse options that contradict each other, before anything is looked at.

    Raises:
        ParamsError: ``INIT_OPTIONS``, or ``INIT_PATTERN`` if the pattern cannot be read.
    """
    for option, value, labels in (
        ("--table", wanted.table, "table"),
        ("--pattern", wanted.pattern, "folders"),
    ):
        if value and wanted.labels != labels:
            raise ParamsError(
                "INIT_OPTIONS",
                f"{option} goes with --labels {labels}, not with {wanted.labels}",
                remedy="leave one of them out",
            )
    try:
        check_pattern(wanted.pattern)
    except click.UsageError as error:
        raise ParamsError(
            "INIT_PATTERN",
            error.message,
            remedy="write it like {subject}_{camera}_{*} (docs/own-videos.md)",
        ) from None


def check_pattern(text: str) -> str:
    """`text`, if it is empty or a pattern.

    Raises:
        click.UsageError: If it is none, so that a prompt asks again.
    """
    try:
        if text:
            compile_pattern(text)
    except ValueError as error:
        raise click.UsageError(f"{text[:80]!a} is no pattern: {error}") from None
    return text


def ask(wanted: Wanted, given: set[str]) -> Wanted:
    """Ask on the terminal for what no option said.

    Args:
        wanted: What the options and their defaults say.
        given: Names of its fields that were said.
    """
    if "labels" not in given:
        labels = click.prompt("What tells the classes", wanted.labels, type=click.Choice(LABELS))
        wanted = replace(wanted, labels=labels)
    if "pattern" not in given and wanted.labels == "folders":
        text = "What the names tell, such as {subject}_{camera}_{*} (Enter: nothing)"
        told = click.prompt(text, "", show_default=False, value_proc=check_pattern)
        wanted = replace(wanted, pattern=told)
    if "split" not in given:
        text = f"What a split keeps on one side (auto, {', '.join(COLUMNS)})"
        wanted = replace(wanted, split=click.prompt(text, wanted.split))
    if "people" not in given:
        people = click.prompt("People per clip", "auto", type=click.Choice(PEOPLE))
        wanted = replace(wanted, people=people)
    if "source" not in given:
        kind = click.Choice(SOURCES)
        source = click.prompt("Where skeletons come from", wanted.source, type=kind)
        wanted = replace(wanted, source=source)
    return wanted
