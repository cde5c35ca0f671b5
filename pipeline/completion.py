"""What a shell completes: data sets and runs of the project, and keys of ``--set``."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import click

from stroi.cache.errors import StroiError
from stroi.pipeline.params.load import load_project
from stroi.pipeline.params.profile import Profile, ProjectParams
from stroi.pipeline.params.settings import param_names


def complete_dataset(
    context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[str]:
    """Data sets of the project that begin so."""
    project = _project(context)
    names = (*project.datasets, *project.rendered, *project.sensors) if project else ()
    return _beginning(dict.fromkeys(names), incomplete)


def complete_run(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """Runs of the project that begin so."""
    project = _project(context)
    return _beginning(project.runs if project else (), incomplete)


def complete_pool(
    context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[str]:
    """Pools of the project that begin so."""
    project = _project(context)
    return _beginning(project.pools if project else (), incomplete)


def complete_setting(
    _context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[str]:
    """Keys of ``--set`` that begin so, with their ``=``."""
    return _beginning((f"{name}=" for name, _ in param_names(Profile)), incomplete)


def _project(context: click.Context) -> ProjectParams | None:
    """The project of the command; None if its params.yaml cannot be read."""
    try:
        return load_project(Path(context.params.get("root") or "."))
    except StroiError:
        return None


def _beginning(names: Iterable[str], incomplete: str) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]
