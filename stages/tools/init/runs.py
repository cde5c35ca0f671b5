"""The runs that `stroi init` adds: of the first split that fits the clips, or of every fold."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import click

from stroi.cache.errors import ParamsError, RefusedInput
from stroi.pipeline.index.cautions import split_cautions
from stroi.pipeline.index.splits import SplitIds
from stroi.pipeline.index.table import Sample
from stroi.pipeline.params.profile import Profile, Split
from stroi.pipeline.params.project import Input, Pool
from stroi.stages.tools.init.foreseen import without_video
from stroi.stages.tools.init.options import InitOptions
from stroi.stages.tools.init.splits import first_usable, usable


def existing_splits(
    options: InitOptions, profile: Profile, clips: Sequence[Sample]
) -> tuple[tuple[str, ...], Input]:
    """Splits of an existing profile, selected by name or column, and what the graph network sees.

    The first split that fits the clips is taken, or all folds: a profile may list splits for a
    larger data set.
    """
    by = options.split
    fits = {name: rule for name, rule in profile.splits.items() if by in ("auto", name, rule.by)}
    if not fits:
        raise ParamsError(
            "INIT_SPLIT",
            f"the existing profile has no split {by!a}",
            remedy=f"its splits are: {', '.join(profile.splits) or 'none'}",
        )
    name, split = first_usable(clips, fits)
    click.echo(f"split {name}: {len(split.train)} training and {len(split.test)} test clips")
    for caution in split_cautions(clips, split, profile.splits[name]):
        click.echo(f"note: {caution}")
    sensor = "skeletons3d" in profile.model_fields_set
    if not sensor and without_video(clips) == len(clips):
        raise RefusedInput(
            "INIT_VIDEOS",
            "no clip has a video, and the profile has no skeletons3d for the graph network",
            remedy="add the videos, or the group skeletons3d to the profile",
        )
    splits = run_every_fold(clips, fits) if options.all_folds else (name,)
    return splits, "skeletons3d" if sensor else "skeletons"


def run_every_fold(clips: Sequence[Sample], rules: Mapping[str, Split]) -> tuple[str, ...]:
    """Names of all folds, after printing how much they test.

    Raises:
        ParamsError: As `every_fold`.
    """
    folds = every_fold(clips, rules)
    tested = sum(len(split.test) for split in folds.values())
    click.echo(f"all folds: {len(folds)} runs, which test {tested} of {len(clips)} clips")
    return tuple(folds)


def every_fold(clips: Sequence[Sample], rules: Mapping[str, Split]) -> dict[str, SplitIds]:
    """The ids on each side of those of `rules` that can split `clips`, each clip tested once.

    Rules of an existing profile may be for clips that are not there; a fold must not be missing.

    Raises:
        ParamsError: ``INIT_FOLDS`` if a fold cannot be used, two splits test the same clip, or
            there are no two of them.
    """
    folds, tested = dict[str, SplitIds](), dict[str, str]()
    for name, split in usable(clips, rules).items():
        if isinstance(split, SplitIds):
            folds[name] = split
            for clip in split.test:
                if tested.setdefault(clip, name) != name:
                    raise _no_folds(f"{tested[clip]} and {name} both test {clip!a}")
        elif rules[name].fold:
            raise _no_folds(f"{name} cannot be used: {split}")
    if len(folds) < 2:
        raise _no_folds(f"the clips have {len(folds)} split{'s' * (not folds)}, no folds")
    return folds


def pool_of(dataset: str, runs: Iterable[str]) -> dict[str, Pool]:
    """The pool of all folds of a data set, by its name."""
    return {f"{dataset}-folds": Pool(dataset=dataset, runs=tuple(runs))}


def _no_folds(problem: str) -> ParamsError:
    return ParamsError(
        "INIT_FOLDS",
        f"--all: {problem}",
        remedy="give another number of --folds, name the column by --split, or leave --all out",
    )
