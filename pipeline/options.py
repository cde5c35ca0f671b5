"""Options that the stages share: where the project is, who does the work, where it is logged."""

from __future__ import annotations

import importlib
import os
import shlex
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import Any, Concatenate, ParamSpec

import click

from stroi.cache.errors import ParamsError
from stroi.pipeline.completion import complete_setting
from stroi.pipeline.parallel.executor import Workers
from stroi.pipeline.params.load import load_project, profile_path
from stroi.pipeline.params.profile import Profile
from stroi.pipeline.params.settings import Setting, parse_setting
from stroi.pipeline.params.yaml import read_yaml
from stroi.pipeline.versions import STAGES, check_versions
from stroi.pipeline.workspace import Workspace

Rest = ParamSpec("Rest")


def in_project(
    function: Callable[Concatenate[Workspace, Rest], None],
) -> Callable[..., None]:
    """Give a command ``--root`` and pass it on as a `Workspace`."""

    @_root
    @wraps(function)
    def wrapped(root: Path, *args: Any, **kwargs: Any) -> None:
        # Absolute, because workers of a cluster run in folders of their own.
        function(Workspace(root.resolve()), *args, **kwargs)

    return wrapped


def as_stage(
    function: Callable[Concatenate[Workspace, Rest], None],
) -> Callable[..., None]:
    """Give the command of a stage ``--root`` and ``--set``, passed on as a `Workspace`.

    A project whose versions.yaml differs from the code is refused.
    """

    @_root
    @click.option(
        "--set",
        "texts",
        metavar="KEY=VALUE",
        multiple=True,
        shell_complete=complete_setting,
        help="A param in place of the profile's, such as gcn.schedule.epochs=2; may be repeated. "
        "DVC does not know of it. `stroi params --names` lists the keys.",
    )
    @wraps(function)
    def wrapped(root: Path, texts: tuple[str, ...], *args: Any, **kwargs: Any) -> None:
        check_versions(root)
        settings = tuple(map(parse_setting, texts))
        context = click.get_current_context()
        check_settings(context.info_name or "", settings)
        workspace = Workspace(root.resolve(), settings)
        function(workspace, *args, **kwargs)
        if settings and (note := untracked_note(workspace, context)):
            click.echo(note)

    return wrapped


def check_settings(stage: str, settings: Sequence[Setting]) -> None:
    """Refuse settings that a stage does not read; keys that do not exist are left to the profile.

    Raises:
        ParamsError: ``SET_STAGE``.
    """
    if not settings:
        return
    read = importlib.import_module(STAGES[stage]).STAGE_PARAMS
    for setting in settings:
        if setting.key[0] in Profile.model_fields and setting.key[0] not in read:
            raise ParamsError(
                "SET_STAGE",
                f"--set {setting.name}: stage {stage} does not read {setting.key[0]}",
                remedy=f"it reads {', '.join(read)}",
            )


def untracked_note(workspace: Workspace, context: click.Context) -> str:
    """What DVC makes of an out with settings, and the way that it tracks; empty if it knows.

    A command that dvc.yaml has with ``--set`` is known to DVC. Of processes that train together the
    first one says it.
    """
    known = "DVC_STAGE" in os.environ or not (workspace.root / "dvc.yaml").exists()
    if known or os.environ.get("RANK", "0") != "0":
        return ""
    values = context.params
    name = values.get("dataset") or values.get("run") or values["pool"]
    mode = f"-{values['mode']}" if "mode" in values else ""
    stage = f"{context.info_name}{mode}@{name}"
    dataset = values.get("dataset") or _dataset(workspace, name)
    profile = profile_path(workspace.root, dataset)
    there = read_yaml(profile).lines
    changes = (
        f"-S {shlex.quote(f'profiles/{profile.name}:{plus}{one.name}={one.text}')}"
        for one in workspace.settings
        for plus in ("" if one.key in there else "+",)
    )
    return (
        f"note: DVC does not know of --set: do not `dvc commit` {stage}; the next `dvc repro` puts"
        f" the profile's result in its place. DVC tracks `dvc exp run {' '.join(changes)} {stage}`"
    )


def _dataset(workspace: Workspace, name: str) -> str:
    """The data set of a run or of a pool."""
    project = load_project(workspace.root)
    return (project.runs.get(name) or project.pools[name]).dataset


def _root(function: Callable[..., None]) -> Callable[..., None]:
    return click.option(
        "--root",
        type=click.Path(exists=True, file_okay=False, path_type=Path),
        default=".",
        show_default=True,
        help="Folder with params.yaml and profiles/.",
    )(function)


def with_workers(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command ``--jobs``, ``--backend`` and ``--scheduler``, passed on as `Workers`."""

    @click.option(
        "--jobs",
        "-j",
        type=click.IntRange(min=1),
        default=lambda: len(os.sched_getaffinity(0)),
        show_default="number of cores",
        envvar="STROI_JOBS",
        help="Processes at a time; the result is the same for any number.",
    )
    @click.option(
        "--backend",
        type=click.Choice(["loky", "dask"]),
        default="loky",
        show_default=True,
        help="Processes of this machine, or a dask cluster.",
    )
    @click.option("--scheduler", metavar="ADDRESS", help="Of the dask cluster: tcp://HOST:PORT.")
    @wraps(function)
    def wrapped(*args: Any, jobs: int, backend: str, scheduler: str | None, **kwargs: Any) -> None:
        function(*args, workers=Workers(jobs, backend, scheduler), **kwargs)

    return wrapped


def with_threads(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command ``--threads``, passed on as an int."""
    return click.option(
        "--threads",
        type=click.IntRange(min=1),
        default=lambda: len(os.sched_getaffinity(0)),
        show_default="number of cores",
        envvar="STROI_THREADS",
        help="CPU threads of the network; the same number gives the same bits.",
    )(function)


def with_tensorboard(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command ``--tensorboard``, passed on as a path or None."""
    return click.option(
        "--tensorboard",
        type=click.Path(file_okay=False, path_type=Path),
        envvar="STROI_TENSORBOARD",
        help="Folder for TensorBoard's logs; needs pip install 'stroi[log]'.",
    )(function)
