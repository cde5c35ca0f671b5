"""The steps of `stroi init`: list the clips, choose a split, link the videos, write the profile."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click

from stroi.cache.errors import ParamsError, RefusedInput
from stroi.cache.files.atomic import write_atomic
from stroi.cache.rois import PAPER_PEOPLE
from stroi.pipeline.datasets.listing import DatasetListing
from stroi.pipeline.datasets.reading.files import twin_notes, with_digests
from stroi.pipeline.datasets.reading.places import PlaceFinder, check_places
from stroi.pipeline.datasets.registry import list_clips
from stroi.pipeline.datasets.skeleton_folders import OwnListing, list_own
from stroi.pipeline.datasets.table import TABLE, read_table
from stroi.pipeline.index.table import Sample
from stroi.pipeline.params.load import load_profile, load_project, require
from stroi.pipeline.params.profile import IndexParams, MosaicParams, Profile, Run
from stroi.pipeline.params.project import Input
from stroi.pipeline.params.project_edit import add_to_params
from stroi.pipeline.project.template import shipped_profile
from stroi.pipeline.workspace import Workspace
from stroi.stages.tools.init.crop_size import CropSize, Torsos, estimate_crop_size
from stroi.stages.tools.init.foreseen import foreseen, unreadable_notes, without_video
from stroi.stages.tools.init.json_folders import (
    check_json_folders,
    json_torsos,
    list_problems,
    with_json_folders,
)
from stroi.stages.tools.init.links import check_outside, link_folder, link_own, link_table
from stroi.stages.tools.init.options import WRITTEN, InitOptions, check_options, dropped_options
from stroi.stages.tools.init.own_skeletons import (
    check_skeletons,
    own_params,
    own_source,
    yaml_text,
)
from stroi.stages.tools.init.profile_template import Facts, profile_text
from stroi.stages.tools.init.runs import existing_splits, pool_of, run_every_fold
from stroi.stages.tools.init.splits import choose_splits


@dataclass(frozen=True)
class SetUp:
    """What was set up.

    Attributes:
        run: Name of the first run in params.yaml, new or existing.
        pool: Name of the pool of all folds; empty without one.
        rgb: Whether enough clips have a video for the RGB branch.
    """

    run: str
    pool: str
    rgb: bool


def set_up(
    workspace: Workspace,
    options: InitOptions,
    *,
    given: Collection[str] = (),
    force: bool = False,
) -> SetUp:
    """Add a data set to the project; an existing profile and run of it are kept.

    Everything is checked before anything is written, and params.yaml is written last: the project
    can run at any moment.

    Args:
        workspace: The project.
        options: The data set.
        given: Names of the options that the user gave.
        force: Write the profile anew, and replace a link to other videos.

    Raises:
        ParamsError: If the project's files or the options are wrong.
        RefusedInput: If the videos are no data set.
        StroiError: If a file cannot be written.
    """
    check_options(options)
    raw = workspace.raw(options.name)
    for folder in (options.videos, options.skeletons or options.videos):
        check_outside(raw, folder)
    own = _list_own(options) if options.skeletons else None
    if own:
        # The table that is written lists them, wherever they were listed before.
        options = replace(options, videos=own.root, labels="table", pattern="")
    profile = _profile(workspace, options, force)
    listing = own.listing if own else _list_clips(options, profile)
    listed = listing.clips
    for note in listing.notes:
        click.echo(note)
    click.echo(
        f"{options.videos}: {len(listed)} clips of {len({clip.label for clip in listed})} classes"
    )
    from_json = (profile.skeletons.source if profile else options.source) == "openpose-json"
    if from_json:
        listed = with_json_folders(listed)
    if options.table is None or own:
        places = {place for clip in listed for place in (clip.video, clip.skeleton)}
        check_places(options.videos, places - {""})
    if from_json:
        check_json_folders(options.videos, listed)
    clips = with_digests(options.videos, listed)
    _say([*twin_notes(clips), *foreseen(options, clips, profile)])
    if profile is None:
        text, splits, seen = _new_profile(options, clips)
    else:
        _say(dropped_options(options, given, profile))
        text, (splits, seen) = "", existing_splits(options, profile, clips)
    if own:
        link_own(raw, own.root, clips)
    elif options.table is None:
        link_folder(raw, options.videos, force=force)
    else:
        link_table(raw, options.videos, options.table, clips)
    _write_profile(workspace, options, text)
    limit = (profile or Profile()).skeletons.max_quarantined
    rgb = without_video(clips) / len(clips) <= limit
    runs = {
        f"{options.name}-{split}": Run(dataset=options.name, split=split, input=seen)
        for split in splits
    }
    pools = pool_of(options.name, runs) if options.all_folds and rgb else {}
    add_to_params(workspace.root, options.name, runs, pools, sensor=seen == "skeletons3d")
    first, *others = runs
    what = f"runs {first} to {others[-1]}" if others else f"run {first}"
    click.echo(
        f"params.yaml: data set {options.name}, {what}{''.join(map(', pool {}'.format, pools))}"
    )
    return SetUp(first, "".join(pools), rgb)


def _say(notes: Iterable[str]) -> None:
    for note in notes:
        click.echo(f"note: {note}")


def check_project(workspace: Workspace) -> None:
    """Refuse a folder without a pipeline.

    Raises:
        ParamsError: ``INIT_PROJECT``, or as `load_project`.
    """
    lacking = [it for it in ("dvc.yaml", "params.yaml") if not (workspace.root / it).is_file()]
    if lacking:
        raise ParamsError(
            "INIT_PROJECT",
            f"{workspace.root} has no {' and no '.join(lacking)}: it is no stroi project",
            remedy="make one by `stroi new DIR`, or name one by --root",
        )
    load_project(workspace.root)


def _profile_path(workspace: Workspace, name: str) -> Path:
    return workspace.root / "profiles" / f"{name}.yaml"


def _profile(workspace: Workspace, options: InitOptions, force: bool) -> Profile | None:
    """The existing profile of this name, or the shipped one of the labels; None for a new one.

    The project's own copy of a shipped profile comes first: it may have been edited.
    """
    own = () if force else (options.name,)
    shipped = () if options.labels in WRITTEN else (options.labels,)
    for name in dict.fromkeys((*own, *shipped)):
        if _profile_path(workspace, name).exists():
            profile = load_profile(workspace.root, name)
            _check_kind(options, name, profile.index)
            return profile
    if not shipped:
        return None
    if not shipped_profile(options.labels).exists():
        raise ParamsError(
            "INIT_PROFILE",
            f"{_profile_path(workspace, options.labels)} does not exist, and stroi ships none",
            remedy="write it first; `stroi params` prints every key",
        )
    profile = require(Profile, shipped_profile(options.labels))
    _check_kind(options, options.labels, profile.index)
    return profile


def _check_kind(options: InitOptions, name: str, index: IndexParams) -> None:
    pattern = options.pattern or index.pattern
    if (index.adapter, index.pattern) != (options.labels, pattern):
        old, new = _kind(index.adapter, index.pattern), _kind(options.labels, options.pattern)
        raise ParamsError(
            "INIT_PROFILE",
            f"profiles/{name}.yaml exists for {old}, not for {new}",
            remedy="take another name, or overwrite it by --force",
        )


def _kind(labels: str, pattern: str) -> str:
    return f"{labels} with the pattern {pattern!a}" if pattern else labels


def _list_clips(options: InitOptions, profile: Profile | None) -> DatasetListing:
    if options.table is None:
        new: dict[str, Any] = {"adapter": options.labels, "pattern": options.pattern}
        listing = list_clips(options.videos, profile.index if profile else IndexParams(**new))
    else:
        listing = read_table(options.table, options.videos)
    if options.labels == "table" and not any(
        (options.videos / clip.video).exists() for clip in listing.clips
    ):
        first = listing.clips[0].video
        meant = PlaceFinder(options.videos).suggest(first)
        raise RefusedInput(
            "INIT_TABLE",
            f"no video of {options.table or options.videos / TABLE} exists, first {first!a}",
            remedy=f"write {meant!a}, and the others likewise"
            if meant
            else f"write the paths relative to {options.videos}, or give another --videos",
        )
    return listing


def _list_own(options: InitOptions) -> OwnListing:
    skeletons = options.skeletons or options.videos
    videos = None if options.videos == skeletons else options.videos
    return list_own(skeletons, videos, options.table, options.pattern)


def _new_profile(
    options: InitOptions, clips: Sequence[Sample]
) -> tuple[str, tuple[str, ...], Input]:
    """A profile for a new data set, the splits of its runs, and what the graph network sees."""
    splits = choose_splits(clips, options.split, options.folds)
    click.echo(f"split {splits.summary}")
    _say(splits.cautions)
    own, source, torsos = "", options.source, None
    most = max(PAPER_PEOPLE, int(options.people) if options.people.isdecimal() else 0)
    if options.skeletons:
        params = own_params(options)
        checked = check_skeletons(options.videos, clips, params)
        list_problems(checked.problems)
        most = max(most, checked.people)
        own, source = yaml_text(params, "    "), own_source(options, checked)
        torsos = checked.torsos if source == "own" else None
    elif source == "openpose-json":
        torsos = json_torsos(options.videos, clips)
    crop = _crop_size(options, clips, torsos)
    facts = Facts(
        name=options.name,
        adapter=options.labels,
        pattern=options.pattern,
        clips=len(clips),
        classes=len({clip.label for clip in clips}),
        source=source,
        own=own,
        people=options.people,
        most=most,
        cell=crop.cell,
        cell_reason=crop.reason,
        splits=splits.rules,
    )
    names = run_every_fold(clips, splits.rules) if options.all_folds else (splits.run,)
    return profile_text(facts), names, "skeletons3d" if own else "skeletons"


def _crop_size(options: InitOptions, clips: Sequence[Sample], torsos: Torsos | None) -> CropSize:
    there = [clip for clip in clips if clip.video and (options.videos / clip.video).exists()]
    if not there and options.skeletons:
        return CropSize(MosaicParams().cell, "the paper's on NTU RGB+D: there are no videos")
    crop = estimate_crop_size(options.videos, there, torsos)
    for problem in crop.unreadable:
        click.echo(f"will be quarantined: {problem}")
    _say(unreadable_notes(options, crop, len(clips)))
    click.echo(f"crops of {crop.cell} px: {crop.reason}")
    return crop


def _write_profile(workspace: Workspace, options: InitOptions, text: str) -> None:
    path = _profile_path(workspace, options.name)
    if text:
        write_atomic(path, text.encode())
        click.echo(f"profiles/{path.name}: written")
    elif path.exists():
        click.echo(f"profiles/{path.name}: exists, kept")
    else:
        source = _profile_path(workspace, options.labels)
        source = source if source.exists() else shipped_profile(options.labels)
        write_atomic(path, source.read_bytes())
        whose = "" if source.is_relative_to(workspace.root) else ", as stroi ships it"
        click.echo(f"profiles/{path.name}: a copy of profiles/{source.name}{whose}")
