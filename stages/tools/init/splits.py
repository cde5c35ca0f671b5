"""Which splits a new data set gets: by people if they are known, so that nobody is on two sides."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import cast, get_args

from stroi.cache.errors import ParamsError, RefusedInput, StroiError
from stroi.pipeline.index.splits import SplitIds, check_parts, divide
from stroi.pipeline.index.table import ClipEntry, Index, Sample
from stroi.pipeline.params.profile import Column, Split, Validation

COLUMNS: tuple[str, ...] = get_args(Column)
"""What a split may go by."""

FOLDS = 5
"""Folds, unless there are fewer values or the user names another number."""


@dataclass(frozen=True)
class Splits:
    """The splits of a new data set.

    Attributes:
        rules: By name, in the order of the profile.
        run: The one to begin with.
        told: What it does, with its counts, for the user.
    """

    rules: dict[str, Split]
    run: str
    told: str


def choose_splits(clips: Sequence[ClipEntry], by: str = "auto", folds: int | None = None) -> Splits:
    """Choose how `clips` are divided; nothing but their names and groups is looked at.

    ``auto`` takes the data set's own split if every clip is in ``train``, ``test`` or ``val``;
    else the subjects, else the groups, if they are known of every clip; else every clip counts by
    itself. Values are divided into folds, each of which is left out by one split.

    Args:
        clips: All clips, at least one.
        by: ``auto`` or one of `COLUMNS`.
        folds: Number of folds; None for as many as there are values, up to `FOLDS`.

    Raises:
        RefusedInput: ``INIT_CLASSES`` if there is one class only, ``INIT_CLASS`` if a class has
            clips of one value only: it cannot be trained and tested.
        ParamsError: ``INIT_SPLIT`` if `by` cannot be; or what the splits themselves say, if none
            of them can be used.
    """
    classes = sorted({clip.label for clip in clips})
    if len(classes) < 2:
        raise RefusedInput(
            "INIT_CLASSES",
            f"there is one class only, {classes[0]!a}: nothing to tell apart",
            remedy="put the videos of each class into a folder of their own, or list them with"
            " their labels in a table",
        )
    if by == "auto" and _has_own(clips):
        return _checked(clips, {"own": _own(clips)})
    column = _column(clips, by)
    _check_classes(clips, column)
    values = len({getattr(clip, column) for clip in clips})
    count = folds or min(FOLDS, values)
    fold_of = {
        f"fold{number}": Split(by=cast(Column, column), fold=(number, count))
        for number in range(1, count + 1)
    }
    return _checked(clips, fold_of)


def first_usable(clips: Sequence[ClipEntry], rules: Mapping[str, Split]) -> tuple[str, SplitIds]:
    """The first of `rules` that divides `clips`, with its parts.

    Raises:
        ParamsError: What the first rule says, if none of them can be used.
        RefusedInput: Likewise.
    """
    samples = [Sample(**asdict(clip)) for clip in clips]
    index = Index(tuple(samples), tuple(sorted({clip.label for clip in clips})))
    ids = [clip.id for clip in clips]
    problem: StroiError | None = None
    for name, rule in rules.items():
        try:
            parts = divide(samples, rule, usable=ids)
            check_parts(index, parts, rule)
        except StroiError as error:
            problem = problem or error
            continue
        return name, parts
    raise problem or ValueError("no rule")


def _has_own(clips: Iterable[ClipEntry]) -> bool:
    return {"train", "test"} <= {clip.split for clip in clips} <= {"train", "test", "val"}


def _own(clips: Iterable[ClipEntry]) -> Split:
    if all(clip.split != "val" for clip in clips):
        return Split(by="split", train=("train",), test=("test",))
    held = Validation(by="split", values=("val",))
    return Split(by="split", train=("train", "val"), test=("test",), validation=held)


def _column(clips: Sequence[ClipEntry], by: str) -> str:
    if by == "auto":
        known = [name for name in ("subject", "group") if _counts(clips, name) > 1]
        return known[0] if known else "id"
    if by not in COLUMNS:
        raise ParamsError(
            "INIT_SPLIT", f"no split by {by!a}", remedy=f"use auto, {', '.join(COLUMNS)}"
        )
    if _counts(clips, by) < 2:
        raise ParamsError(
            "INIT_SPLIT",
            f"a split by {by} needs the {by} of every clip, and two of them at least",
            remedy="name it by --pattern or in the table, or divide by id, clip by clip",
        )
    return by


def _counts(clips: Sequence[ClipEntry], column: str) -> int:
    """Number of values of a column; 0 if it is not known of every clip."""
    values = {getattr(clip, column) for clip in clips}
    return 0 if "" in values else len(values)


def _check_classes(clips: Iterable[ClipEntry], column: str) -> None:
    values = defaultdict(set)
    for clip in clips:
        values[clip.label].add(getattr(clip, column))
    for label, known in sorted(values.items()):
        if len(known) < 2:
            clip_by_clip = column == "id"
            fact = (
                "there is one clip" if clip_by_clip else f"there is one {column}, {min(known)!a},"
            )
            otherwise = "" if clip_by_clip else ", or divide by --split id, clip by clip"
            raise RefusedInput(
                "INIT_CLASS",
                f"{fact} in class {label!a}: it cannot be trained and tested",
                remedy=f"add clips to the class, or leave it out{otherwise}",
            )


def _checked(clips: Sequence[ClipEntry], rules: dict[str, Split]) -> Splits:
    """`rules`, the first that can be used to begin with."""
    name, parts = first_usable(clips, rules)
    told = _told(name, rules[name], parts.train, parts.validation, parts.test)
    return Splits(rules, name, told)


def _told(
    name: str, rule: Split, train: Sequence[str], held: Sequence[str], test: Sequence[str]
) -> str:
    which = f"fold {rule.fold[0]} of {rule.fold[1]} by {rule.by}" if rule.fold else "its own split"
    validation = f", {len(held)} validation" if held else ""
    told = f"{name}: {which}, {len(train)} training{validation} and {len(test)} test clips"
    if rule.by != "id":
        return told
    return f"{told}; nothing says who acts, so that the same people may be on both sides"
