"""dvc.yaml against the code: every import is a dep, every params group is declared, no shell."""

from __future__ import annotations

import ast
import importlib
import re
from pathlib import Path
from typing import Any

import pytest
from dvc.utils.serialize import loads_yaml

from stroi.pipeline.cli import COMMANDS
from stroi.pipeline.params.profile import Profile

ROOT = Path(__file__).resolve().parents[2]
STAGES: dict[str, Any] = {
    name: stage["do"]
    for name, stage in loads_yaml((ROOT / "dvc.yaml").read_text())["stages"].items()
}


def _module(name: str) -> str:
    """Module of a DVC stage: what its command runs."""
    return COMMANDS[STAGES[name]["cmd"].split()[1]][0].split(":")[0]


def _file(module: str) -> Path | None:
    parts = module.split(".")[1:]
    for path in (ROOT.joinpath(*parts, "__init__.py"), ROOT.joinpath(*parts).with_suffix(".py")):
        if path.exists():
            return path
    return None


def _imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("stroi."):
            names.add(node.module or "")
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def _closure(module: str) -> set[str]:
    """Files of the project that importing `module` runs, relative to the root."""
    found: set[Path] = set()
    waiting = [module]
    while waiting:
        path = _file(waiting.pop())
        if path is None or path in found:
            continue
        found.add(path)
        waiting += _imported(path)
    return {str(path.relative_to(ROOT)) for path in found}


@pytest.mark.parametrize("name", STAGES)
def test_every_import_is_a_dep(name: str) -> None:
    deps = [dep for dep in STAGES[name]["deps"] if not dep.startswith(("data/", "runs/"))]
    files = _closure(_module(name))
    outside = sorted(
        file
        for file in files
        if not any(file == dep or file.startswith(f"{dep}/") for dep in deps)
        and file != "stages/__init__.py"
    )
    assert outside == []
    idle = [dep for dep in deps if not any(f == dep or f.startswith(f"{dep}/") for f in files)]
    assert idle == []


@pytest.mark.parametrize("name", STAGES)
def test_params_are_the_groups_that_the_stage_declares(name: str) -> None:
    (entry,) = STAGES[name].get("params", [{"": []}])
    (keys,) = entry.values()
    groups = {key.split(".")[0] for key in keys}
    assert groups <= set(Profile.model_fields)
    declared = set(importlib.import_module(_module(name)).STAGE_PARAMS)
    joint_only = {"weights"} if name in ("resnet-plain", "resnet-fixed") else set()
    assert groups == declared - joint_only


@pytest.mark.parametrize("name", STAGES)
def test_commands_take_only_checked_names_from_params(name: str) -> None:
    assert set(re.findall(r"\$\{(.+?)\}", STAGES[name]["cmd"])) <= {"item", "key"}


@pytest.mark.parametrize("name", STAGES)
def test_outs_are_cached_and_not_persistent(name: str) -> None:
    assert all(isinstance(out, str) for out in STAGES[name]["outs"])
