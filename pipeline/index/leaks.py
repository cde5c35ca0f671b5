"""What must not be on two sides of a split: ids, groups, videos and skeletons."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from itertools import combinations
from math import inf

from stroi.cache.errors import ParamsError, RefusedInput
from stroi.pipeline.index.checks import OF_NOTHING
from stroi.pipeline.index.table import Index, Sample
from stroi.pipeline.params.profile import Split

SIDES = {"train": "training", "validation": "validation", "test": "test"}
"""The sides of a split by their keys, and what a message calls them."""

Sides = Mapping[str, Iterable[str]]
"""Sample ids of each of `SIDES`."""

_NAMED = 20
_REMEDY = "divide the clips by a column that keeps what belongs together on one side"


def check_sides(samples: Iterable[Sample], sides: Sides, split: Split) -> None:
    """Refuse sides that share an id, a value of the split's column, a video or a skeleton.

    A sample's picture and skeleton are on one side because an id is. Two clips that are parts of
    one file may be on two sides if they have no frame in common.

    Args:
        samples: All clips of the index.
        sides: Ids of each side.
        split: The rule that made them.

    Raises:
        RefusedInput: ``SPLIT_LEAK`` naming a clip of either side.
    """
    known = {sample.id: sample for sample in samples}
    of = {side: [known[name] for name in sorted(set(ids))] for side, ids in sides.items()}
    for one, two in combinations(of, 2):
        # Which column keeps them apart; a split by camera has the same subjects on both sides.
        inner = split.validation is not None and "test" not in (one, two)
        column = split.validation.by if inner and split.validation else split.by
        _check_values(of, one, two, "id")
        _check_values(of, one, two, column)
    for what, content in (("video", _video), ("skeleton", _skeleton)):
        _check_contents(of, what, content)


def check_classes(index: Index, sides: Sides) -> None:
    """Refuse to test a network on classes that it does not train on.

    Raises:
        ParamsError: ``SPLIT_CLASS`` naming the classes.
    """
    classes = {side: set(index.labels(ids).values()) for side, ids in sides.items()}
    for side in ("validation", "test"):
        unseen = sorted(classes[side] - classes["train"])
        if unseen:
            names = ", ".join(index.classes[label] for label in unseen[:_NAMED])
            more = f" and {len(unseen) - _NAMED} more" if unseen[_NAMED:] else ""
            raise ParamsError(
                "SPLIT_CLASS",
                f"{len(unseen)} classes have {SIDES[side]} clips and no training clip: "
                f"{names}{more}",
                remedy="divide the clips otherwise, or leave these classes out",
            )


def _check_values(of: Mapping[str, list[Sample]], one: str, two: str, column: str) -> None:
    first = {getattr(sample, column): sample.id for sample in reversed(of[one])}
    for sample in of[two]:
        value = getattr(sample, column)
        if value in first:
            raise RefusedInput(
                "SPLIT_LEAK",
                f"{column} {value!a} is on two sides: {first[value]} ({SIDES[one]}) and "
                f"{sample.id} ({SIDES[two]})",
                remedy=_REMEDY,
            )


def _video(sample: Sample) -> str:
    return _unless_empty(sample.sha256)


def _skeleton(sample: Sample) -> str:
    # A folder has a path and no digest.
    return _unless_empty(sample.skeleton_sha256 or sample.skeleton)


def _unless_empty(content: str) -> str:
    return "" if content == OF_NOTHING else content


def _check_contents(
    of: Mapping[str, list[Sample]], what: str, content: Callable[[Sample], str]
) -> None:
    """Refuse clips of different sides that have frames of one file in common."""
    by_file: dict[str, list[tuple[int, str, str, float]]] = defaultdict(list)
    for side, samples in of.items():
        for each in samples:
            if content(each):
                parts = by_file[content(each)]
                parts.append((each.start, side, each.id, each.stop or inf))
    for parts in by_file.values():
        if len(parts) > 1:
            _check_parts(what, sorted(parts))


def _check_parts(what: str, parts: list[tuple[int, str, str, float]]) -> None:
    """Parts of one file, (first frame, side, id, frame after the last), by first frame."""
    farthest: dict[str, tuple[float, int, str]] = {}
    for start, side, name, stop in parts:
        for other, (end, begin, twin) in farthest.items():
            if other != side and end > start:
                same = (begin, end) == (start, stop)
                pair = {other: twin, side: name}
                clips = " and ".join(f"{pair[at]} ({SIDES[at]})" for at in SIDES if at in pair)
                raise RefusedInput(
                    "SPLIT_LEAK",
                    f"{clips} " + (f"are the same {what}" if same else f"share frames of a {what}"),
                    remedy="remove one of them from the data set",
                )
        farthest[side] = max(farthest.get(side, (0.0, 0, "")), (stop, start, name))
