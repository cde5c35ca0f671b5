"""The splits of a new data set: by subject if it is known, so that no person is on two sides."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import cast, get_args

from stroi.cache.errors import ParamsError, RefusedInput, StroiError
from stroi.pipeline.index.cautions import UNKNOWN_PEOPLE, split_cautions
from stroi.pipeline.index.splits import SplitIds, check_parts, divide
from stroi.pipeline.index.table import ClipEntry, Index, Sample
from stroi.pipeline.params.profile import Column, Split, Validation

COLUMNS: tuple[str, ...] = get_args(Column)
"""Columns that a split may go by."""

FOLDS = 5
"""Default number of folds; fewer if the column has fewer values."""

_REFUSED = 3
"""Folds that cannot be used and are named."""


@dataclass(frozen=True)
class Splits:
    """The splits of a new data set.

    Attributes:
        rules: By name, in the order of the profile.
        run: Name of the one for the first run.
        summary: Its rule and its counts, in words.
        cautions: What makes its results uncertain, and which of the others cannot be used.
    """

    rules: dict[str, Split]
    run: str
    summary: str
    cautions: tuple[str, ...] = ()


def choose_splits(clips: Sequence[ClipEntry], by: str = "auto", folds: int | None = None) -> Splits:
    """Choose the splits of `clips` by the columns of the index; videos are not read.

    ``auto`` takes the data set's own split if every clip is in ``train``, ``test`` or ``val`` and
    no number of folds is given; where there is no ``test``, ``val`` is tested. Else it takes the
    subjects, else the groups, if they are known for every clip; else the ids. The values are
    divided into folds, and each split tests one fold. ``split`` takes the data set's own split, and
    folds of its values only if these are others.

    Args:
        clips: All clips, at least one.
        by: ``auto`` or one of `COLUMNS`.
        folds: Number of folds; None for as many as there are values, up to `FOLDS`.

    Raises:
        RefusedInput: ``INIT_CLASSES`` if there is only one class, ``INIT_CLASS`` if all clips of a
            class have one value: it cannot be trained and tested.
        ParamsError: ``INIT_SPLIT`` if there is no split by `by`; the error of the first split, if
            none can be used.
    """
    classes = sorted({clip.label for clip in clips})
    if len(classes) < 2:
        raise RefusedInput(
            "INIT_CLASSES",
            f"there is only one class, {classes[0]!a}",
            remedy="put the videos of each class into a folder of their own, or list them with"
            " their labels in a table",
        )
    if _has_own_split(clips) and (by == "split" or (by == "auto" and folds is None)):
        if folds is not None:
            raise ParamsError(
                "INIT_OPTIONS",
                "--folds divides, and the data set's own split already has its train and test part",
                remedy="leave --folds out, or take another column for --split",
            )
        return _splits(clips, {"own": _own_split(clips)})
    column = _column(clips, by)
    _check_classes(clips, column)
    values = len({getattr(clip, column) for clip in clips})
    count = folds or min(FOLDS, values)
    folds_by_name = {
        f"fold{number}": Split(by=cast(Column, column), fold=(number, count))
        for number in range(1, count + 1)
    }
    return _splits(clips, folds_by_name)


def usable(
    clips: Sequence[ClipEntry], rules: Mapping[str, Split]
) -> dict[str, SplitIds | StroiError]:
    """The ids on each side of every rule, or why it cannot split `clips`."""
    samples = [Sample(**asdict(clip)) for clip in clips]
    index = Index(tuple(samples), tuple(sorted({clip.label for clip in clips})))
    ids = [clip.id for clip in clips]
    found: dict[str, SplitIds | StroiError] = {}
    for name, rule in rules.items():
        try:
            split = divide(samples, rule, usable=ids)
            check_parts(index, split, rule)
            found[name] = split
        except StroiError as error:
            found[name] = error
    return found


def first_usable(clips: Sequence[ClipEntry], rules: Mapping[str, Split]) -> tuple[str, SplitIds]:
    """The first of `rules` that can split `clips`, and the ids on each side.

    Raises:
        ParamsError: The error of the first rule, if none can be used.
        RefusedInput: Likewise.
    """
    return _first(usable(clips, rules))


def _first(found: Mapping[str, SplitIds | StroiError]) -> tuple[str, SplitIds]:
    for name, split in found.items():
        if isinstance(split, SplitIds):
            return name, split
    raise next(error for error in found.values() if isinstance(error, StroiError))


def _has_own_split(clips: Iterable[ClipEntry]) -> bool:
    splits = {clip.split for clip in clips}
    return splits == {"train", "val"} or {"train", "test"} <= splits <= {"train", "test", "val"}


def _own_split(clips: Iterable[ClipEntry]) -> Split:
    if all(clip.split != "test" for clip in clips):
        return Split(by="split", train=("train",), test=("val",))
    if all(clip.split != "val" for clip in clips):
        return Split(by="split", train=("train",), test=("test",))
    validation = Validation(by="split", values=("val",))
    return Split(by="split", train=("train", "val"), test=("test",), validation=validation)


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
            f"a split by {by} needs the {by} of every clip, and at least two of them",
            remedy="give it by --pattern or in the table, or use --split id, clip by clip",
        )
    return by


def _counts(clips: Sequence[ClipEntry], column: str) -> int:
    """Number of values of a column; 0 if it is not known for every clip."""
    values = {getattr(clip, column) for clip in clips}
    return 0 if "" in values else len(values)


def _check_classes(clips: Iterable[ClipEntry], column: str) -> None:
    values = defaultdict(set)
    for clip in clips:
        values[clip.label].add(getattr(clip, column))
    for label, known in sorted(values.items()):
        if len(known) < 2:
            by_id = column == "id"
            problem = "there is one clip" if by_id else f"there is one {column}, {min(known)!a},"
            otherwise = "" if by_id else ", or use --split id, clip by clip"
            raise RefusedInput(
                "INIT_CLASS",
                f"{problem} in class {label!a}: it cannot be trained and tested",
                remedy=f"add clips to the class, or leave it out{otherwise}",
            )


def _splits(clips: Sequence[ClipEntry], rules: dict[str, Split]) -> Splits:
    found = usable(clips, rules)
    name, split = _first(found)
    unknown = rules[name].by == "id" and any(not clip.subject for clip in clips)
    summary = _summary(name, rules[name], split) + (f"; {UNKNOWN_PEOPLE}" if unknown else "")
    cautions = [one for one in split_cautions(clips, split, rules[name]) if one not in summary]
    if rules[name].test == ("val",):
        cautions.insert(0, "there is no test part: the clips of val are tested")
    errors = {other: one for other, one in found.items() if isinstance(one, StroiError)}
    refused = [f"{other} cannot be used: {error}" for other, error in errors.items()][:_REFUSED]
    return Splits(rules, name, summary, (*cautions, *refused))


def _summary(name: str, rule: Split, split: SplitIds) -> str:
    which = f"fold {rule.fold[0]} of {rule.fold[1]} by {rule.by}" if rule.fold else "its own split"
    validation = f", {len(split.validation)} validation" if split.validation else ""
    counts = f"{len(split.train)} training{validation} and {len(split.test)} test clips"
    return f"{name}: {which}, {counts}"
