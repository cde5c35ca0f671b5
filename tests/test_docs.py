"""What README and docs name is there: files of the repository, modules and their names."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import stroi
from stroi.trainer.plugins import GROUPS

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
FILE = re.compile(
    r"(?<![\w/.-])(?:api|benchmarks|cache|docs|examples|pipeline|stages|tests|trainer)/[\w/-]+\.\w+"
)
NAME = re.compile(r"\bstroi((?:\.[a-z]\w*)+)(?:\.([A-Z]\w*))?")
WRITTEN_BY_THE_READER = {"benchmarks/results/RUN.md"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_that_a_page_names_are_there(page: Path) -> None:
    named = set(FILE.findall(page.read_text(encoding="utf-8"))) - WRITTEN_BY_THE_READER
    assert sorted(name for name in named if not (ROOT / name).exists()) == []


def _names(module: Path) -> set[str]:
    tree = ast.parse(module.read_text(encoding="utf-8"))
    found = {getattr(node, "name", "") for node in tree.body}
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else ()
        found |= {target.id for target in targets if isinstance(target, ast.Name)}
    return found


def _is_there(parts: tuple[str, ...]) -> bool:
    """Whether a dotted name below ``stroi`` is a package, a module, or a name in one."""
    if parts[0] in stroi.__all__:
        return True
    path = ROOT.joinpath(*parts)
    if path.is_dir() or path.with_suffix(".py").exists():
        return True
    module = path.parent.with_suffix(".py")
    return module.exists() and parts[-1] in _names(module)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_modules_that_a_page_names_are_there(page: Path) -> None:
    """Modules, names in them, and entry-point groups, which look like modules."""
    missing = []
    for match in NAME.finditer(page.read_text(encoding="utf-8")):
        parts = (*match[1].strip(".").split("."), *([match[2]] if match[2] else []))
        is_group = parts[0] in GROUPS and len(parts) == 1
        if not is_group and not _is_there(tuple(parts)):
            missing.append(match[0])
    assert missing == []
