"""``stroi upgrade``: what another version of stroi changes in a project."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError

from stroi.cache.errors import ParamsError
from stroi.cache.files.atomic import write_atomic
from stroi.pipeline.params.yaml import edit_yaml
from stroi.pipeline.project.template import shipped, stroi_version
from stroi.pipeline.versions import (
    changed_versions,
    recorded_version,
    write_versions,
)

SAVED = "dvc.yaml.bak"
"""The file as it was before an upgrade that changed it."""


def changes(root: Path) -> list[str]:
    """What `upgrade` would change in a project, one line each; nothing if it is up to date.

    Raises:
        ParamsError: If a file of the project is not valid YAML.
    """
    lines = [f"versions.yaml: {line}" for line in changed_versions(root)]
    if (root / "dvc.yaml").exists():
        lines += [f"dvc.yaml: {line}" for line in _changed_stages(root)]
    if (root / "params.yaml").exists() and recorded_version(root) != stroi_version():
        lines.append(f"params.yaml: stroi: {recorded_version(root) or 'none'} -> {stroi_version()}")
    return lines


def upgrade(root: Path) -> list[str]:
    """Bring dvc.yaml, versions.yaml and the version in params.yaml up to date.

    Stages and plots of one's own stay in dvc.yaml; the file as it was is kept as `SAVED`.

    Returns:
        What was changed.

    Raises:
        ParamsError: If a file of the project is not valid YAML.
        StroiError: If a file cannot be written.
    """
    lines = changes(root)
    changed = {line.partition(":")[0] for line in lines}
    if "dvc.yaml" in changed:
        _write_stages(root)
    if "params.yaml" in changed:
        with edit_yaml(root / "params.yaml") as content:
            content["stroi"] = stroi_version()
    # Last, for stages refuse to run without it.
    if "versions.yaml" in changed:
        write_versions(root)
    return lines


def _changed_stages(root: Path) -> Iterator[str]:
    """Stages and plots of dvc.yaml that differ from the shipped ones."""
    ours, theirs = _read(shipped("dvc.yaml")), _read_project(root)
    there = theirs.get("stages") or {}
    for name, stage in ours["stages"].items():
        if name not in there:
            yield f"stage {name}: new"
        elif there[name] != stage:
            yield f"stage {name}: another"
    plots = _plots(theirs)
    for name, plot in _plots(ours).items():
        if plots.get(name) != plot:
            yield f"plot {name}: {'another' if name in plots else 'new'}"


def _write_stages(root: Path) -> None:
    path = root / "dvc.yaml"
    before = path.read_bytes()
    ours, theirs = _read(shipped("dvc.yaml")), _read_project(root)
    own_stages = {
        name: stage
        for name, stage in (theirs.get("stages") or {}).items()
        if name not in ours["stages"]
    }
    shipped_plots = _plots(ours)
    own_plots = [{name: plot} for name, plot in _plots(theirs).items() if name not in shipped_plots]
    rest = {key: value for key, value in theirs.items() if key not in ours}
    text = shipped("dvc.yaml")
    if own_stages or own_plots or rest:
        ours["stages"].update(own_stages)
        ours["plots"].extend(own_plots)
        ours.update(rest)
        out = io.BytesIO()
        _yaml().dump(ours, out)
        text = out.getvalue()
    write_atomic(root / SAVED, before)
    write_atomic(path, text)


def _plots(document: Mapping[str, Any]) -> dict[str, Any]:
    """The plots of a dvc.yaml by their names."""
    found: dict[str, Any] = {}
    for each in document.get("plots") or ():
        found |= each if isinstance(each, Mapping) else {str(each): None}
    return found


def _yaml() -> YAML:
    yaml = YAML()
    yaml.preserve_quotes, yaml.width = True, 4096
    yaml.indent(mapping=2, sequence=4, offset=2)
    return yaml


def _read(text: bytes) -> Any:
    return _yaml().load(text)


def _read_project(root: Path) -> Any:
    path = root / "dvc.yaml"
    try:
        content = _read(path.read_bytes())
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ParamsError(
            "PARAMS_YAML", f"{path}:{line}: {error.problem}", remedy="mend the YAML"
        ) from None
    if not isinstance(content, Mapping | None):
        raise ParamsError("PARAMS_YAML", f"{path}:1: it has no stages", remedy="mend the YAML")
    return content or {}
