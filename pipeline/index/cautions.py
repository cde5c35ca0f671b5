"""What makes the numbers of a split uncertain, or ends a later stage: said before it starts."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator

from stroi.pipeline.index.ledger import smallest_limit
from stroi.pipeline.index.splits import SplitIds
from stroi.pipeline.index.table import ClipEntry
from stroi.pipeline.params.profile import Split

FEW_TEST = 20
"""With fewer test clips one of them changes the accuracy by more than 5 points."""

FEW_TRAINING = 5
"""With fewer training clips a class can hardly be learned."""

UNKNOWN_PEOPLE = "the performers are not known, so the same people may be on both sides"
_NAMED = 5


def split_cautions(clips: Iterable[ClipEntry], parts: SplitIds, rule: Split) -> Iterator[str]:
    """Sentences about a split that can be used, and whose results say little.

    Args:
        clips: All clips.
        parts: The ids on each side.
        rule: The rule that made them.
    """
    known = {clip.id: clip for clip in clips}
    train, test = ([known[name] for name in side] for side in (parts.train, parts.test))
    if len(test) < FEW_TEST:
        points = 100 / len(test)
        yield f"only {len(test)} test clips: one clip changes the accuracy by {points:.1f} points"
    classes = {clip.label for clip in known.values()}
    by_case: dict[str, list[str]] = defaultdict(list)
    for name in sorted(classes):
        by_case[name.casefold()].append(name)
    for names in by_case.values():
        if len(names) > 1:
            yield f"{' and '.join(map(ascii, names))} are two classes: they differ in case alone"
    counts = Counter(clip.label for clip in train)
    few = [name for name in sorted(classes) if counts[name] < FEW_TRAINING]
    if few:
        yield f"{_list(few)} with fewer than {FEW_TRAINING} training clips"
    untested = sorted(classes - {clip.label for clip in test})
    if untested:
        yield f"{_list(untested)} without a test clip"
    if rule.by == "subject":
        return
    people = {clip.subject for clip in train} & {clip.subject for clip in test} - {""}
    if people:
        count = len({clip.subject for clip in known.values()})
        yield (
            f"{len(people)} of {count} subjects are on both sides, such as {min(people)!a}: the"
            f" split is by {rule.by}, and does not test on new people"
        )
    elif any(not clip.subject for clip in known.values()):
        yield UNKNOWN_PEOPLE


def share_caution(
    lost: int, clips: int, limit: float, *, stage: str, dataset: str, mend: str
) -> str:
    """What to do if so many bad clips will end a stage; empty if they will not.

    Args:
        lost: Clips that will be quarantined.
        clips: All clips of the data set.
        limit: The stage's ``max_quarantined``.
        stage: Its name.
        dataset: Name of the data set.
        mend: How such clips are mended, as an imperative.
    """
    if lost / clips <= limit:
        return ""
    allow = smallest_limit(lost, clips)
    return (
        f"{lost} of {clips} clips ({100 * lost / clips:.0f} %) will be quarantined, and stage"
        f" {stage} stops at more than {100 * limit:g} %: {mend}, or set {stage}.max_quarantined to"
        f" {allow:g} in profiles/{dataset}.yaml"
    )


def _list(names: list[str]) -> str:
    noun = "class" if len(names) == 1 else "classes"
    more = f" and {len(names) - _NAMED} more" if names[_NAMED:] else ""
    return f"{len(names)} {noun} ({', '.join(map(ascii, names[:_NAMED]))}{more})"
