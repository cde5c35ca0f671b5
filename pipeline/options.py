"""Options that the stages share: where the project is, who does the work, where it is logged."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, Concatenate, ParamSpec

import click

from stroi.pipeline.parallel.executor import Workers
from stroi.pipeline.versions import STAGES, check_versions
from stroi.pipeline.workspace import Workspace

Rest = ParamSpec("Rest")


def in_project(
    function: Callable[Concatenate[Workspace, Rest], None],
) -> Callable[..., None]:
    """Give a command ``--root`` and pass it on as a `Workspace`.

    A stage refuses a project whose versions.yaml differs from the code.
    """

    @click.option(
        "--root",
        type=click.Path(exists=True, file_okay=False, path_type=Path),
        default=".",
        show_default=True,
        help="Folder with params.yaml and profiles/.",
    )
    @wraps(function)
    def wrapped(root: Path, *args: Any, **kwargs: Any) -> None:
        if click.get_current_context().info_name in STAGES:
            check_versions(root)
        # Absolute, because workers of a cluster run in folders of their own.
        function(Workspace(root.resolve()), *args, **kwargs)

    return wrapped


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
