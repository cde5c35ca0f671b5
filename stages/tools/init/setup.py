"""The steps of `stroi init`: list the clips, choose a split, link the videos, write the profile."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from stroi.cache.errors import ParamsError, RefusedInput
from stroi.cache.files.atomic import write_atomic
from stroi.pipeline.datasets.listing import DatasetListing
from stroi.pipeline.datasets.registry import list_clips
from stroi.pipeline.datasets.table import read_table
from stroi.pipeline.index.table import ClipEntry
from stroi.pipeline.params.load import add_to_params, load_profile, load_project
from stroi.pipeline.params.profile import IndexParams, Profile, Run
from stroi.pipeline.workspace import Workspace
from stroi.stages.tools.init.json_folders import with_json_folders
from stroi.stages.tools.init.links import check_outside, link_folder, link_table
from stroi.stages.tools.init.options import WRITTEN, InitOptions, check_options
from stroi.stages.tools.init.profile_template import Facts, profile_text
from stroi.stages.tools.init.splits import choose_splits, first_usable


def set_up(workspace: Workspace, options: InitOptions, *, force: bool = False) -> str:
    """Add a data set to the project; an existing profile and run of it are kept.

    Everything is checked before anything is written, and params.yaml is written last: the project
    can run at any moment.

    Args:
        workspace: The project.
        options: The data set.
        force: Write the profile anew, and replace a link to other videos.

    Returns:
        Name of the run in params.yaml, new or existing.

    Raises:
        ParamsError: If the project's files or the options are wrong.
        RefusedInput: If the videos are no data set.
        StroiError: If a file cannot be written.
    """
    check_options(options)
    raw = workspace.raw(options.name)
    check_outside(raw, options.videos)
    profile = _profile(workspace, options, force)
    listing = _list_clips(options, profile)
    for note in listing.notes:
        click.echo(note)
    clips = listing.clips
    click.echo(
        f"{options.videos}: {len(clips)} clips of {len({clip.label for clip in clips})} classes"
    )
    if (profile.skeletons.source if profile else options.source) == "openpose-json":
        clips = with_json_folders(options.videos, clips, linked=options.table is None)
    if profile is None:
        text, run = _new_profile(options, clips)
    else:
        text, run = "", _existing_run(options, profile, clips)
    if options.table is None:
        link_folder(raw, options.videos, force=force)
    else:
        link_table(raw, options.videos, options.table, clips)
    _write_profile(workspace, options, text)
    name = f"{options.name}-{run.split}"
    add_to_params(workspace.root, options.name, {name: run}, sensor=run.input == "skeletons3d")
    click.echo(f"params.yaml: data set {options.name}, run {name}")
    return name


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
            remedy="run this in a clone of stroi's repository, or name one by --root",
        )
    load_project(workspace.root)


def _profile_path(workspace: Workspace, name: str) -> Path:
    return workspace.root / "profiles" / f"{name}.yaml"


def _profile(workspace: Workspace, options: InitOptions, force: bool) -> Profile | None:
    """The existing profile of this name, or the shipped one of the labels; None for a new one."""
    own = () if force else (options.name,)
    shipped = () if options.labels in WRITTEN else (options.labels,)
    for name in dict.fromkeys((*own, *shipped)):
        if _profile_path(workspace, name).exists():
            profile = load_profile(workspace.root, name)
            _check_kind(options, name, profile.index)
            return profile
    if shipped:
        raise ParamsError(
            "INIT_PROFILE",
            f"{_profile_path(workspace, options.labels)} does not exist",
            remedy="copy it from stroi's repository",
        )
    return None


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
        return list_clips(options.videos, profile.index if profile else IndexParams(**new))
    listing = read_table(options.table)
    if not any((options.videos / clip.video).exists() for clip in listing.clips):
        raise RefusedInput(
            "INIT_TABLE",
            f"no video of {options.table} exists, first {listing.clips[0].video!a}",
            remedy=f"write the paths relative to {options.videos}, or give another --videos",
        )
    return listing


def _existing_run(options: InitOptions, profile: Profile, clips: Sequence[ClipEntry]) -> Run:
    """A run with a split of an existing profile, selected by its name or by its column.

    The first split that fits the clips is taken: a profile may list splits for a larger data set.
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
    sensor = "skeletons3d" in profile.model_fields_set
    return Run(dataset=options.name, split=name, input="skeletons3d" if sensor else "skeletons")


def _new_profile(options: InitOptions, clips: Sequence[ClipEntry]) -> tuple[str, Run]:
    """A profile for a new data set, and its run."""
    # Imports the video decoder and the pose estimator, which the other paths do not need.
    from stroi.stages.tools.init.crop_size import estimate_crop_size

    splits = choose_splits(clips, options.split, options.folds)
    click.echo(f"split {splits.summary}")
    crop = estimate_crop_size(options.videos, clips)
    for problem in crop.unreadable:
        click.echo(f"will be quarantined: {problem}")
    click.echo(f"crops of {crop.cell} px: {crop.reason}")
    facts = Facts(
        name=options.name,
        adapter=options.labels,
        pattern=options.pattern,
        clips=len(clips),
        classes=len({clip.label for clip in clips}),
        source=options.source,
        people=options.people,
        cell=crop.cell,
        cell_reason=crop.reason,
        splits=splits.rules,
    )
    return profile_text(facts), Run(dataset=options.name, split=splits.run, input="skeletons")


def _write_profile(workspace: Workspace, options: InitOptions, text: str) -> None:
    path = _profile_path(workspace, options.name)
    if text:
        write_atomic(path, text.encode())
        click.echo(f"profiles/{path.name}: written")
    elif path.exists():
        click.echo(f"profiles/{path.name}: exists, kept")
    else:
        write_atomic(path, _profile_path(workspace, options.labels).read_bytes())
        click.echo(f"profiles/{path.name}: a copy of profiles/{options.labels}.yaml")
