"""docs/api.md: it shows every public name, and its examples run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from public_names import PUBLIC, RUN

PYTHON = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def page(root: Path) -> str:
    return (root / "docs" / "api.md").read_text(encoding="utf-8")


def test_it_shows_every_public_name(page: str) -> None:
    assert [name for name in sorted(PUBLIC) if f"stroi.{name}" not in page] == []
    assert [name for name in sorted(RUN) if f"run.{name}" not in page] == []


def test_its_examples_run(
    page: str, project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One after the other, as a reader types them, in a project with other names."""
    monkeypatch.chdir(project)
    names: dict[str, object] = {}
    examples = PYTHON.findall(page)
    assert len(examples) == 5
    for example in examples:
        code = example.replace("data/demo", "data/d").replace("demo-xsub", "r")
        exec(compile(code, "docs/api.md", "exec"), names)
    printed = capsys.readouterr().out.strip()
    assert printed
    assert f"prints `{printed}`" in page
