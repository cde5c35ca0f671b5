"""The layers of the code: what may import what, imports inside functions included."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

LAYERS: dict[str, tuple[tuple[str, ...], ...]] = {
    "cache": (
        ("errors", "percent"),
        ("files", "ids", "layouts"),
        ("own_layouts", "rois"),
        ("storage",),
        ("pictures",),
        ("ledger", "manifest"),
        ("checking",),
        ("verify",),
        ("shards",),
        ("mosaic_columns",),
        ("mosaics", "skeletons", "skeletons3d", "weights", "scores"),
        ("share",),
    ),
    "trainer": (
        ("plugins",),
        ("config",),
        ("runtime",),
        ("metrics", "models"),
        ("networks", "network_files", "data"),
        ("run",),
        ("loop", "score_gcn", "score_resnet"),
        ("train_gcn", "train_resnet"),
    ),
    "pipeline": (
        ("lazy",),
        ("params",),
        ("workspace",),
        ("index", "parallel", "versions"),
        ("completion", "project"),
        ("options",),
        ("datasets",),
        ("shards",),
        ("cache_commands", "project_commands"),
        ("cli",),
    ),
    "stages": (
        ("video", "demo"),
        ("sensors",),
        ("pose",),
        ("mosaic",),
        ("training",),
        ("evaluation",),
        ("report_page",),
        (
            "sample", "index", "skeletons", "skeletons3d", "mosaics", "gcn", "weights", "resnet",
            "ensemble", "report", "gcn_report",
        ),
        ("pool",),
        ("predict",),
        ("shelf", "tools"),
        ("commands",),
    ),
    "api": (("opening",), ("trained_run",), ("__main__",)),
}  # fmt: skip
"""Rooms and modules of each package; what stands earlier may not import what stands later, nor its
neighbours on the same line."""
PACKAGES = {
    "cache": {"cache"},
    "trainer": {"cache", "trainer"},
    "pipeline": {"cache", "pipeline"},
    "stages": {"cache", "trainer", "pipeline", "stages"},
    "api": {"cache", "trainer", "pipeline", "stages", "api"},
}
EXCEPTIONS = {
    ("pipeline.params", "trainer.config"),
    ("pipeline.params", "trainer.plugins"),
    ("pipeline.versions", "trainer.plugins"),
    ("pipeline.datasets", "trainer.plugins"),
    ("pipeline.cli", "stages"),
}
"""Settings are declared once, in the trainer, and plug-ins are found there; the command line names
the stages, lazily."""


def _imports(path: Path) -> Iterator[str]:
    """Modules below ``stroi`` that a file imports, without that prefix."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names = [node.module or ""]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        yield from map(_in_repository, (name for name in names if name.startswith("stroi.")))


def _in_repository(name: str) -> str:
    """A module of ``stroi`` by its place in the repository: the root's own are in ``api``."""
    name = name.removeprefix("stroi.")
    return name if name.split(".")[0] in LAYERS else f"api.{name}"


def _room(parts: tuple[str, ...]) -> str:
    return parts[1] if len(parts) > 1 else ""


def _rank(package: str, room: str) -> int:
    ranks = [number for number, layer in enumerate(LAYERS[package]) if room in layer]
    assert ranks, f"{package}/{room} has no place among the layers"
    return ranks[0]


def _wrong(root: Path, path: Path) -> Iterator[str]:
    own = path.relative_to(root).with_suffix("").parts
    package, room = own[0], _room(own)
    if room == "__init__":
        return
    for name in _imports(path):
        other = tuple(name.split("."))
        pair = (f"{package}.{room}", ".".join(other[:2]))
        if pair in EXCEPTIONS or (pair[0], other[0]) in EXCEPTIONS:
            continue
        if other[0] not in PACKAGES[package]:
            yield f"{path.relative_to(root)} imports {name}: another package"
        elif other[0] != package or _room(other) in ("", room):
            continue
        elif _rank(package, _room(other)) >= _rank(package, room):
            yield f"{path.relative_to(root)} imports {name}: not an earlier layer"


@pytest.mark.parametrize("package", LAYERS)
def test_layers_import_one_way(root: Path, package: str) -> None:
    files = sorted((root / package).rglob("*.py"))
    assert files
    assert [wrong for path in files for wrong in _wrong(root, path)] == []


def test_no_import_circle(root: Path) -> None:
    """Modules can be put in an order in which each imports earlier ones alone."""
    waiting: dict[str, set[str]] = {}
    for package in LAYERS:
        for path in (root / package).rglob("*.py"):
            parts = path.relative_to(root).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            waiting[name] = set(_imports(path)) - {name}
    known = set(waiting)
    for name in waiting:
        waiting[name] &= known
    while ready := {name for name, others in waiting.items() if not others}:
        for name in ready:
            del waiting[name]
        for others in waiting.values():
            others -= ready
    assert sorted(waiting) == []


def test_the_demo_renders_without_the_rest(root: Path) -> None:
    """It imports the cache and, to say who is known to be where, nothing else."""
    found = {
        name.split(".")[0]
        for path in (root / "stages" / "demo").rglob("*.py")
        for name in _imports(path)
        if not name.startswith("stages.demo")
    }
    assert found <= {"cache"}
