"""versions.yaml: the version of every stage's computation, which DVC tracks instead of the code.

DVC would run every stage again for a changed help text if the code were a dependency. A stage's
``VERSION`` is raised by hand when the same inputs give another result. The plug-ins that a
project's profiles choose stand beside the versions of their stages.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from stroi.cache.errors import ParamsError
from stroi.cache.files.atomic import write_atomic
from stroi.pipeline.params.load import NAME
from stroi.pipeline.params.yaml import read_yaml
from stroi.trainer.plugins import GROUPS, is_built_in, names, versioned

STAGES = {
    "sample": "stroi.stages.sample",
    "index": "stroi.stages.index",
    "skeletons": "stroi.stages.skeletons",
    "skeletons3d": "stroi.stages.skeletons3d",
    "mosaics": "stroi.stages.mosaics",
    "gcn": "stroi.stages.gcn",
    "weights": "stroi.stages.weights",
    "gcn-report": "stroi.stages.gcn_report",
    "resnet": "stroi.stages.resnet",
    "ensemble": "stroi.stages.ensemble",
    "report": "stroi.stages.report",
}
"""The commands that dvc.yaml runs, and their modules."""

TRAINER = "stroi.trainer.run.run_key"
"""Its ``VERSION`` is that of all training; the file lists it as ``trainer``."""

_HEADER = "# Written by `stroi upgrade`. DVC runs a stage again when its version here changes.\n"


def code_versions(root: Path | None = None) -> dict[str, int | str]:
    """``VERSION`` of every stage and of the trainer, in this installation of stroi.

    Args:
        root: A project: a stage that uses plug-ins has their versions too, ``2, lab-net 1``.

    Raises:
        ParamsError: If a file of the project cannot be read, or a plug-in cannot be loaded.
    """
    versions: dict[str, int | str] = {
        name: _version(module) for name, module in {**STAGES, "trainer": TRAINER}.items()
    }
    for stage, plugins in (_plugins(root) if root else {}).items():
        versions[stage] = ", ".join([str(versions[stage]), *sorted(plugins)])
    return versions


def _plugins(root: Path) -> dict[str, set[str]]:
    """Plug-ins that the profiles of the project's data sets choose, by stage."""
    found: dict[str, set[str]] = {}
    for profile in _profiles(root):
        for name, group in GROUPS.items():
            section = profile.get(group.section)
            value = section.get(group.key) if isinstance(section, dict) else None
            for plugin in value if isinstance(value, list) else [value]:
                # What is not installed is a mistake in the profile, and reported as one.
                if plugin in names(name) and not is_built_in(name, plugin):
                    for stage in group.stages:
                        found.setdefault(stage, set()).update(versioned(name, plugin).values())
    return found


def _profiles(root: Path) -> Iterator[dict[str, object]]:
    if not (root / "params.yaml").exists():
        return
    project = read_yaml(root / "params.yaml").value
    datasets = project.get("datasets") if isinstance(project, dict) else None
    for dataset in datasets if isinstance(datasets, list) else ():
        path = root / "profiles" / f"{dataset}.yaml"
        if NAME.fullmatch(str(dataset)) and path.exists():
            profile = read_yaml(path).value
            if isinstance(profile, dict):
                yield profile


def _version(module: str) -> int:
    # Read from the source, for an import would load torch or OpenCV.
    spec = find_spec(module)
    assert spec is not None
    source = Path(spec.origin or "").read_text("utf-8")
    values = [
        node.value
        for node in ast.parse(source).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "VERSION"
    ]
    return int(ast.literal_eval(values[0]))


def versions_path(root: Path) -> Path:
    """The file of the project at `root`."""
    return root / "versions.yaml"


def changed_versions(root: Path) -> list[str]:
    """What differs between a project's file and the code, one line each; all if there is no file.

    Raises:
        ParamsError: If the file is not valid YAML.
    """
    path, code = versions_path(root), code_versions(root)
    project = read_yaml(path).value if path.exists() else {}
    if not isinstance(project, dict):
        project = {}
    return [
        f"{name}: {project.get(name, 'none')} -> {code.get(name, 'none')}"
        for name in dict.fromkeys((*code, *project))
        if project.get(name) != code.get(name)
    ]


def write_versions(root: Path) -> None:
    """Write the code's versions into a project."""
    lines = "".join(f"{name}: {version}\n" for name, version in code_versions(root).items())
    write_atomic(versions_path(root), f"{_HEADER}{lines}".encode())


def check_versions(root: Path) -> None:
    """Refuse a project whose file differs from the code: DVC would take old results for new ones.

    A project without the file is one that DVC does not run.

    Raises:
        ParamsError: ``VERSIONS``.
    """
    if versions_path(root).exists() and (changed := changed_versions(root)):
        raise ParamsError(
            "VERSIONS",
            f"{versions_path(root)} is of another stroi ({', '.join(changed)})",
            remedy="run `stroi upgrade`, then `dvc repro`",
        )
