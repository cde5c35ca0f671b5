"""Setting up a data set: listed, looked at, divided, linked, and written into the project."""

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
from stroi.stages.tools.init.links import check_outside, place_folder, place_table
from stroi.stages.tools.init.options import WRITTEN, Wanted, check_wanted
from stroi.stages.tools.init.profile_template import Facts, profile_text
from stroi.stages.tools.init.splits import choose_splits, first_usable


def set_up(workspace: Workspace, wanted: Wanted, *, force: bool = False) -> str:
    """Make `wanted` a data set of the project; what is there of it already is kept.

    Everything is checked before anything is written, and params.yaml is written last: a project is
    never left in a state that does not run.

    Args:
        workspace: The project.
        wanted: What to set up.
        force: Write the profile anew, and replace a link to other videos.

    Returns:
        Name of the run that was added to params.yaml, or was there.

    Raises:
        ParamsError: If the project's files or the options cannot be right.
        RefusedInput: If the videos cannot be a data set.
        StroiError: If nothing can be written.
    """
    check_wanted(wanted)
    raw = workspace.raw(wanted.name)
    check_outside(raw, wanted.videos)
    profile = _profile(workspace, wanted, force)
    listing = _listed(wanted, profile)
    for note in listing.notes:
        click.echo(note)
    clips = listing.clips
    click.echo(
        f"{wanted.videos}: {len(clips)} clips of {len({clip.label for clip in clips})} classes"
    )
    text, run = _new(wanted, clips) if profile is None else ("", _run_of(wanted, profile, clips))
    if wanted.table is None:
        place_folder(raw, wanted.videos, force=force)
    else:
        place_table(raw, wanted.videos, wanted.table, clips)
    _write_profile(workspace, wanted, text)
    name = f"{wanted.name}-{run.split}"
    add_to_params(workspace.root, wanted.name, {name: run}, sensor=run.input == "skeletons3d")
    click.echo(f"params.yaml: data set {wanted.name}, run {name}")
    return name


def check_project(workspace: Workspace) -> None:
    """Refuse to set up anything where no pipeline is.

    Raises:
        ParamsError: ``INIT_PROJECT``, or as `load_project`.
    """
    lacking = [it for it in ("dvc.yaml", "params.yaml") if not (workspace.root / it).is_file()]
    if lacking:
        raise ParamsError(
            "INIT_PROJECT",
            f"{workspace.root} has no {' and no '.join(lacking)}: it is no project of stroi",
            remedy="run this in a clone of stroi's repository, or name one by --root",
        )
    load_project(workspace.root)


def _path(workspace: Workspace, name: str) -> Path:
    return workspace.root / "profiles" / f"{name}.yaml"


def _profile(workspace: Workspace, wanted: Wanted, force: bool) -> Profile | None:
    """The profile that is there, of this name or of the labels'; None if one is to be written."""
    own = () if force else (wanted.name,)
    shipped = () if wanted.labels in WRITTEN else (wanted.labels,)
    for name in dict.fromkeys((*own, *shipped)):
        if _path(workspace, name).exists():
            profile = load_profile(workspace.root, name)
            _check_kind(wanted, name, profile.index)
            return profile
    if shipped:
        raise ParamsError(
            "INIT_PROFILE",
            f"{_path(workspace, wanted.labels)} is not there",
            remedy="take it from stroi's repository",
        )
    return None


def _check_kind(wanted: Wanted, name: str, index: IndexParams) -> None:
    pattern = wanted.pattern or index.pattern
    if (index.adapter, index.pattern) != (wanted.labels, pattern):
        there, new = _kind(index.adapter, index.pattern), _kind(wanted.labels, wanted.pattern)
        raise ParamsError(
            "INIT_PROFILE",
            f"profiles/{name}.yaml is there, for {there}, not for {new}",
            remedy="take another name, or write it anew by --force",
        )


def _kind(labels: str, pattern: str) -> str:
    return f"{labels} with the pattern {pattern!a}" if pattern else labels


def _listed(wanted: Wanted, profile: Profile | None) -> DatasetListing:
    if wanted.table is None:
        told: dict[str, Any] = {"adapter": wanted.labels, "pattern": wanted.pattern}
        return list_clips(wanted.videos, profile.index if profile else IndexParams(**told))
    listing = read_table(wanted.table)
    if not any((wanted.videos / clip.video).exists() for clip in listing.clips):
        raise RefusedInput(
            "INIT_TABLE",
            f"not one video of {wanted.table} is there, first {listing.clips[0].video!a}",
            remedy=f"write the paths relative to {wanted.videos}, or give another --videos",
        )
    return listing


def _run_of(wanted: Wanted, profile: Profile, clips: Sequence[ClipEntry]) -> Run:
    """A run of a profile that is there, by the name of a split or by what one goes by.

    Of several the first that divides the clips: the profile may know more than is there.
    """
    by = wanted.split
    fits = {name: rule for name, rule in profile.splits.items() if by in ("auto", name, rule.by)}
    if not fits:
        raise ParamsError(
            "INIT_SPLIT",
            f"the profile that is there has no split {by!a}",
            remedy=f"its splits are: {', '.join(profile.splits) or 'none'}",
        )
    split, parts = first_usable(clips, fits)
    click.echo(f"split {split}: {len(parts.train)} training and {len(parts.test)} test clips")
    sensor = "skeletons3d" in profile.model_fields_set
    return Run(dataset=wanted.name, split=split, input="skeletons3d" if sensor else "skeletons")


def _new(wanted: Wanted, clips: Sequence[ClipEntry]) -> tuple[str, Run]:
    """A profile for a new data set, and its run."""
    # Loads the decoder and the pose estimator: only here.
    from stroi.stages.tools.init.crop_size import look_at

    splits = choose_splits(clips, wanted.split, wanted.folds)
    click.echo(f"split {splits.told}")
    if wanted.source == "openpose-json" and not all(clip.skeleton for clip in clips):
        raise ParamsError(
            "INIT_SOURCE",
            "OpenPose's JSON is named by the column skeleton of a table, for every clip",
            remedy="give such a table, or take another source",
        )
    look = look_at(wanted.videos, clips)
    for problem in look.unreadable:
        click.echo(f"will be quarantined: {problem}")
    click.echo(f"crops of {look.cell} px: {look.told}")
    facts = Facts(
        name=wanted.name,
        adapter=wanted.labels,
        pattern=wanted.pattern,
        clips=len(clips),
        classes=len({clip.label for clip in clips}),
        source=wanted.source,
        people=wanted.people,
        cell=look.cell,
        cell_from=look.told,
        splits=splits.rules,
    )
    return profile_text(facts), Run(dataset=wanted.name, split=splits.run, input="skeletons")


def _write_profile(workspace: Workspace, wanted: Wanted, text: str) -> None:
    path = _path(workspace, wanted.name)
    if text:
        write_atomic(path, text.encode())
        click.echo(f"profiles/{path.name}: written")
    elif path.exists():
        click.echo(f"profiles/{path.name}: there already, kept")
    else:
        write_atomic(path, _path(workspace, wanted.labels).read_bytes())
        click.echo(f"profiles/{path.name}: a copy of profiles/{wanted.labels}.yaml")
