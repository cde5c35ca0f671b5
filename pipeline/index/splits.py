"""Which clips train, which validate and which test: rules over columns of the index.

No rule depends on a label, a picture or a skeleton, nor on which clips survived preprocessing: a
clip is on the same side for every branch.
"""

from __future__ import annotations

import hashlib
import heapq
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from stroi.cache.errors import ParamsError
from stroi.pipeline.index.leaks import SIDES, check_classes, check_sides
from stroi.pipeline.index.table import Index, Sample
from stroi.pipeline.params.profile import Fold, Split, Validation

_DIGITS = re.compile(r"([0-9]+)")


@dataclass(frozen=True)
class SplitIds:
    """Sample ids of each side of a split, sorted.

    Attributes:
        train: Clips to train with.
        test: Clips to measure with, and for nothing else.
        validation: Clips to validate on; () if the split names none.
        digest: Of the side of every clip of the index, usable or not.
        unusable: The test and validation clips that are not usable.
    """

    train: tuple[str, ...]
    test: tuple[str, ...]
    validation: tuple[str, ...] = ()
    digest: str = ""
    unusable: tuple[str, ...] = ()


def divide(samples: Iterable[Sample], split: Split, *, usable: Iterable[str]) -> SplitIds:
    """Divide the usable clips by `split`.

    Args:
        samples: All clips of the index.
        split: The rule. Values it names on neither side belong to the side it leaves out.
        usable: Ids that survived preprocessing.

    Raises:
        ParamsError: ``SPLIT_VALUE`` if the rule names a value that no clip has, ``SPLIT_UNKNOWN``
            if a clip's value is not known, ``SPLIT_FOLD`` if there are more folds than values,
            ``SPLIT_LEAVE_OUT`` if it leaves out what is no training clip, ``SPLIT_EMPTY`` if a
            part is empty.
        RefusedInput: ``SPLIT_LEAK`` if a video or a skeleton is on two sides under two ids.
    """
    everyone = sorted(samples, key=lambda sample: sample.id)
    sides = _sides(everyone, split)
    check_sides(everyone, sides, split)
    kept = set(usable)
    members = {side: tuple(sorted(ids & kept)) for side, ids in sides.items()}
    unusable = tuple(sorted((sides["test"] | sides["validation"]) - kept))
    parts = SplitIds(
        members["train"], members["test"], members["validation"], _digest(sides), unusable
    )
    required = ("train", "test") if split.validation is None else tuple(SIDES)
    if not all(members[side] for side in required):
        counts = ", ".join(f"{len(members[side])} {SIDES[side]}" for side in required)
        raise ParamsError(
            "SPLIT_EMPTY",
            f"the split by {split.by} leaves {' and '.join(counts.rsplit(', ', 1))} clips",
            remedy="name other values in splits of the profile",
        )
    return parts


def check_parts(index: Index, parts: SplitIds, split: Split) -> None:
    """Checks of the parts before every training.

    Raises:
        RefusedInput: ``SPLIT_LEAK`` if an id, a value of the split's column, a video or a
            skeleton is on two sides; ``ID_UNKNOWN`` if a clip is not in the index.
        ParamsError: ``SPLIT_CLASS`` if a class is tested and never trained.
    """
    sides = {side: getattr(parts, side) for side in SIDES}
    check_classes(index, sides)
    check_sides(index.samples, sides, split)


def _sides(samples: list[Sample], split: Split) -> dict[str, set[str]]:
    """Ids of each side, usable or not."""
    if split.fold is not None:
        test = _in_fold(samples, split.by, split.fold)
        train = {sample.id for sample in samples} - test
    else:
        train, test = _named(samples, split)
    validation = set[str]()
    if split.validation is not None:
        own = [sample for sample in samples if sample.id in train]
        validation = _validation_ids(own, split.validation)
    sides = {"train": train - validation, "validation": validation, "test": test}
    _check_left_out(split.leave_out, sides)
    sides["train"] -= set(split.leave_out)
    return sides


def _check_left_out(ids: Iterable[str], sides: Mapping[str, set[str]]) -> None:
    """Test and validation clips may not be picked by hand."""
    for name in sorted(set(ids) - sides["train"]):
        side = next((SIDES[side] for side, members in sides.items() if name in members), None)
        raise ParamsError(
            "SPLIT_LEAVE_OUT",
            f"{name!a} cannot be left out: it is "
            + (f"a {side} clip" if side else "on no side of the split"),
            remedy="name training clips alone in leave_out",
        )


def _named(samples: list[Sample], split: Split) -> tuple[set[str], set[str]]:
    """Training and test ids of a rule that names values."""
    values = _values(samples, split.by)
    _check_named((*(split.train or ()), *(split.test or ())), values, split.by, "clip", "index")
    if split.train is None or split.test is None:
        _check_known(values, split.by, allowed=(*(split.train or ()), *(split.test or ())))
    train = {name for name, value in values.items() if _belongs(value, split.train, split.test)}
    test = {name for name, value in values.items() if _belongs(value, split.test, split.train)}
    return train, test


def _belongs(value: str, named: tuple[str, ...] | None, other: tuple[str, ...] | None) -> bool:
    return value in named if named is not None else value not in (other or ())


def _validation_ids(samples: list[Sample], rule: Validation) -> set[str]:
    """Ids that validate, of training clips."""
    if rule.fold is not None:
        return _in_fold(samples, rule.by, rule.fold)
    values, named = _values(samples, rule.by), rule.values or ()
    _check_named(named, values, rule.by, "training clip", "training side")
    _check_known(values, rule.by, allowed=named)
    return {name for name, value in values.items() if value in named}


def _in_fold(samples: list[Sample], by: str, fold: Fold) -> set[str]:
    """Ids of one fold of `samples`."""
    values = _values(samples, by)
    _check_known(values, by)
    sizes = Counter(values.values())
    number, count = fold
    if count > len(sizes):
        raise ParamsError(
            "SPLIT_FOLD",
            f"{count} folds by {by}, but only {len(sizes)} values to divide",
            remedy=f"make it {len(sizes)} folds or fewer",
        )
    folds = folds_of(sizes, count, shuffled=by == "id")
    return {name for name, value in values.items() if folds[value] == number}


def _values(samples: list[Sample], by: str) -> dict[str, str]:
    return {sample.id: str(getattr(sample, by)) for sample in samples}


def _check_named(
    named: Iterable[str], values: Mapping[str, str], by: str, of_what: str, where: str
) -> None:
    unknown = sorted(set(named) - set(values.values()))
    if unknown:
        known = sorted(set(values.values()))
        names = ", ".join(known[:20]) + (f" and {len(known) - 20} more" if known[20:] else "")
        raise ParamsError(
            "SPLIT_VALUE",
            f"no {of_what} has {by} {unknown[0]!a}",
            remedy=f"the {where} has: {names}",
        )


def _check_known(values: Mapping[str, str], by: str, *, allowed: Iterable[str] = ()) -> None:
    """Refuse a clip of unknown value: its side would be a guess."""
    odd = [name for name, value in values.items() if not value and "" not in allowed]
    if odd:
        raise ParamsError(
            "SPLIT_UNKNOWN",
            f"the {by} of {len(odd)} clips is not known, first {odd[0]}",
            remedy=f"fill in the table's {by} column, or divide by another one",
        )


def _digest(sides: Mapping[str, set[str]]) -> str:
    lines = sorted(f"{name}\0{side}\n" for side, ids in sides.items() for name in ids)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def folds_of(sizes: Mapping[str, int], count: int, *, shuffled: bool = False) -> dict[str, int]:
    """Which fold each value is in.

    The values are taken by their number of clips, largest first, and each goes to the fold that
    has the fewest clips so far, then the fewest values, then the lowest number (the longest
    processing time rule: no fold has more than 4/3 of what the best division needs). Values of
    one size are taken in their order; at last the folds are numbered by their first value in
    that order. With as many folds as values, fold i is the i-th value.

    Args:
        sizes: Clips of each value; in any order.
        count: Number of folds, at most as many as values.
        shuffled: Take the order of the values' SHA-256 instead of the natural one, in which
            ``s2`` stands before ``s10``: sample ids are often numbered class by class.

    Returns:
        Fold of each value, from 1.
    """
    order = sorted(sizes, key=_value_digest if shuffled else _natural)
    lightest = [(0, 0, fold) for fold in range(count)]
    chosen: dict[str, int] = {}
    for value in sorted(order, key=lambda value: -sizes[value]):
        clips, values, fold = heapq.heappop(lightest)
        chosen[value] = fold
        heapq.heappush(lightest, (clips + sizes[value], values + 1, fold))
    number: dict[int, int] = {}
    return {value: number.setdefault(chosen[value], len(number) + 1) for value in order}


def _natural(value: str) -> tuple[tuple[object, ...], str]:
    """Numbers inside the text compare as numbers, equal ones by the text."""
    parts = _DIGITS.split(value)
    texts, numbers = parts[::2], [digits.lstrip("0") for digits in parts[1::2]]
    keys = [(text, len(digits), digits) for text, digits in zip(texts, numbers, strict=False)]
    return (*keys, (texts[-1], 0, "")), value


def _value_digest(value: str) -> bytes:
    return hashlib.sha256(value.encode()).digest()
