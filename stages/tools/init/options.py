"""The options of `stroi init`: given on the command line, typed at a prompt, or defaults."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import click

from stroi.cache.errors import ParamsError
from stroi.pipeline.datasets.table import TABLE
from stroi.pipeline.params.name_pattern import compile_pattern
from stroi.pipeline.params.profile import Profile
from stroi.stages.tools.init.splits import COLUMNS
from stroi.trainer.plugins import is_built_in, names

WRITTEN = (
    "folders",
    "table",
    "smarthome-untrimmed",
    *(name for name in names("datasets") if not is_built_in("datasets", name)),
)
"""Adapters whose profile is written; the others have a shipped one."""

LABELS = (*WRITTEN, *sorted(set(names("datasets")) - {"demo", *WRITTEN}))
SOURCES = ("movenet", "auto", "openpose", "openpose-json")
PEOPLE = ("auto", "1", "2")


@dataclass(frozen=True)
class InitOptions:
    """The options.

    Attributes:
        name: Name of the data set.
        videos: Folder of the videos.
        labels: Adapter that reads the class labels.
        table: The CSV table, if it is not in `videos`.
        pattern: Pattern of the videos' names; empty for none.
        split: Column to split by, ``auto``, or a split of an existing profile.
        folds: Number of folds; None for the default.
        people: People kept per clip.
        source: Source of skeletons.
        skeletons: Folder of 3D skeletons of one's own.
        layout: Their joints: the name of a layout or a file; empty for the one in their folder.
        camera: A file of cameras.
        unit: Unit of their coordinates.
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
    skeletons: Path | None = None
    layout: str = ""
    camera: Path | None = None
    unit: Literal["m", "cm", "mm"] = "m"


def default_labels(folders: Sequence[Path], table: Path | None) -> str:
    """The adapter of folders: ``table`` if there is one, else ``folders``."""
    there = table is not None or any((folder / TABLE).exists() for folder in folders)
    return "table" if there else "folders"


def check_options(options: InitOptions) -> None:
    """Refuse options that contradict each other.

    Raises:
        ParamsError: ``INIT_OPTIONS``, or ``INIT_PATTERN`` if the pattern is malformed.
    """
    for option, value, labels in (
        ("--table", options.table, "table"),
        ("--pattern", options.pattern, "folders"),
    ):
        if value and options.labels != labels:
            raise ParamsError(
                "INIT_OPTIONS",
                f"{option} goes with --labels {labels}, not with {options.labels}",
                remedy="leave one of them out",
            )
    for option, named in (
        ("--layout", bool(options.layout)),
        ("--camera", options.camera is not None),
        ("--unit", options.unit != "m"),
    ):
        if named and options.skeletons is None:
            raise ParamsError(
                "INIT_OPTIONS",
                f"{option} goes with --skeletons",
                remedy="name the folder of the skeletons, or leave it out",
            )
    if options.skeletons is not None and options.labels not in ("folders", "table"):
        raise ParamsError(
            "INIT_OPTIONS",
            f"--skeletons goes with --labels folders or table, not with {options.labels}",
            remedy="leave one of them out: a known data set has its own skeletons",
        )
    try:
        check_pattern(options.pattern)
    except click.UsageError as error:
        raise ParamsError(
            "INIT_PATTERN",
            error.message,
            remedy="write it like {subject}_{camera}_{*} (docs/own-videos.md)",
        ) from None


def dropped_options(
    options: InitOptions, given: Collection[str], profile: Profile
) -> Iterator[str]:
    """Sentences about given options that an existing profile contradicts: the profile stays."""
    skeletons = profile.skeletons
    folds = sorted({rule.fold[1] for rule in profile.splits.values() if rule.fold})
    for name, value, there, key in (
        ("people", options.people, str(skeletons.subjects), "skeletons.subjects"),
        ("source", options.source, skeletons.source, "skeletons.source"),
        ("unit", options.unit, skeletons.own.unit, "skeletons.own"),
        ("layout", options.layout, "", "skeletons.own"),
        ("camera", options.camera, "", "skeletons.own"),
        ("folds", options.folds, options.folds if options.folds in folds else folds, "splits"),
    ):
        if name in given and value != there:
            anew = ", or write it anew by --force" if options.labels in WRITTEN else ""
            yield (
                f"--{name} {value} has no effect, because profiles/{options.name}.yaml is taken as"
                f" it is: change {key} there{anew}"
            )


def check_pattern(text: str) -> str:
    """Return `text` if it is empty or a pattern.

    Raises:
        click.UsageError: If it is malformed; a prompt then asks again.
    """
    try:
        if text:
            compile_pattern(text)
    except ValueError as error:
        raise click.UsageError(f"{text[:80]!a} is no pattern: {error}") from None
    return text


def prompt_missing(options: InitOptions, given: set[str]) -> InitOptions:
    """Ask on the terminal for the options that were not given.

    Args:
        options: The options, with defaults.
        given: Names of the fields that were given.
    """
    if "labels" not in given and not options.skeletons:
        labels = click.prompt(
            "Source of the class labels", options.labels, type=click.Choice(LABELS)
        )
        options = replace(options, labels=labels)
    if "pattern" not in given and options.labels == "folders":
        text = "Pattern of the names, such as {subject}_{camera}_{*} (Enter: none)"
        pattern = click.prompt(text, "", show_default=False, value_proc=check_pattern)
        options = replace(options, pattern=pattern)
    if "split" not in given:
        text = f"What a split keeps on one side (auto, {', '.join(COLUMNS)})"
        options = replace(options, split=click.prompt(text, options.split))
    if "people" not in given:
        people = click.prompt("People per clip", "auto", type=click.Choice(PEOPLE))
        options = replace(options, people=people)
    if "source" not in given and not options.skeletons:
        kind = click.Choice(SOURCES)
        source = click.prompt("Source of skeletons", options.source, type=kind)
        options = replace(options, source=source)
    return options
