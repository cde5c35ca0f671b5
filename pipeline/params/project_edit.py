"""Adding a data set with its runs and pools to the params.yaml of a project."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from stroi.pipeline.params.load import load_project
from stroi.pipeline.params.project import Pool, ProjectParams, Run
from stroi.pipeline.params.yaml import append, edit_yaml


def add_to_params(
    root: Path,
    dataset: str,
    runs: Mapping[str, Run],
    pools: Mapping[str, Pool] = MappingProxyType({}),
    *,
    sensor: bool,
) -> ProjectParams:
    """Add a data set and its runs to the params.yaml of a project; what is there already stays.

    The first run of a project is the one that plots show.

    Args:
        root: The project.
        dataset: Name of the data set.
        runs: Runs to add by name. A run that is there is left as it is.
        pools: Pools of them by name; one that is there is replaced.
        sensor: Whether the data set has 3D skeletons of a sensor.

    Returns:
        The project with them.

    Raises:
        ParamsError: As `load_project`.
    """
    project = load_project(root)
    lists = {"datasets": project.datasets} | ({"sensors": project.sensors} if sensor else {})
    keys = [key for key, there in lists.items() if dataset not in there]
    new = {name: run for name, run in runs.items() if name not in project.runs}
    pooled = {name: pool for name, pool in pools.items() if project.pools.get(name) != pool}
    if keys or new or pooled:
        with edit_yaml(root / "params.yaml") as content:
            for key in keys:
                append(content, key, dataset)
            for name, run in new.items():
                append(content, "runs", run.model_dump(), name)
            for name, pool in pooled.items():
                append(content, "pools", pool.model_dump(mode="json"), name)
            if new and not project.show:
                content["show"] = next(iter(new))
    return load_project(root)
