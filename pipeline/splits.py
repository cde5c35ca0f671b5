"""Which clips train and which test: a rule over one column of the index, checked for leaks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from stroi.cache.errors import ParamsError, RefusedInput
from stroi.pipeline.index import Sample
from stroi.pipeline.profile import Split


@dataclass(frozen=True)
class Parts:
    """Sample ids of the two parts, each sorted."""

    train: tuple[str, ...]
    test: tuple[str, ...]


def divide(samples: Iterable[Sample], split: Split, *, usable: Iterable[str]) -> Parts:
    """Divide the usable clips by `split`.

    Args:
        samples: All clips of the index.
        split: The rule. Values it names on neither side belong to the side it leaves out.
        usable: Ids that survived preprocessing.

    Raises:
        ParamsError: If a part is empty or the rule names a value that no clip has.
        RefusedInput: If the same video stands on both sides under two ids.
    """
    kept = set(usable)
    everyone = sorted(samples)
    values = {sample.id: str(getattr(sample, split.by)) for sample in everyone}
    unknown = sorted({*(split.train or ()), *(split.test or ())} - set(values.values()))
    if unknown:
        raise ParamsError(
            "SPLIT_VALUE",
            f"no clip has {split.by} {unknown[0]!a}",
            remedy=f"the index has: {', '.join(sorted(set(values.values())))}",
        )
    train = {name for name, value in values.items() if _belongs(value, split.train, split.test)}
    test = {name for name, value in values.items() if _belongs(value, split.test, split.train)}
    _check_contents(everyone, train, test)
    parts = Parts(tuple(sorted(train & kept)), tuple(sorted(test & kept)))
    if not (parts.train and parts.test):
        raise ParamsError(
            "SPLIT_EMPTY",
            f"the split by {split.by} leaves {len(parts.train)} training and {len(parts.test)} "
            "test clips",
            remedy="name other values in splits of the profile",
        )
    return parts


def _belongs(value: str, named: tuple[str, ...] | None, other: tuple[str, ...] | None) -> bool:
    return value in named if named is not None else value not in (other or ())


def _check_contents(samples: list[Sample], train: set[str], test: set[str]) -> None:
    for what, content in (("video", _video), ("skeleton", _skeleton)):
        first = {content(sample): sample.id for sample in samples if sample.id in train}
        for sample in samples:
            twin = first.get(content(sample))
            if content(sample) and sample.id in test and twin is not None:
                raise RefusedInput(
                    "SPLIT_LEAK",
                    f"{twin} (training) and {sample.id} (test) are the same {what}",
                    remedy="remove one of them from the table",
                )


def _video(sample: Sample) -> tuple[str, int, int] | None:
    return (sample.sha256, sample.start, sample.stop) if sample.sha256 else None


def _skeleton(sample: Sample) -> tuple[str, int, int] | None:
    return (sample.skeleton_sha256, sample.start, sample.stop) if sample.skeleton_sha256 else None
