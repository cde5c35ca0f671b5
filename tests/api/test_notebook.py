"""The notebooks of ``examples/`` run from top to bottom, and show what they say."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import pytest

NOTEBOOKS = sorted((Path(__file__).resolve().parents[2] / "examples").glob("*.ipynb"))


def execute(cell: dict[str, Any], names: dict[str, Any], where: str) -> object:
    """Run one code cell, as Jupyter does: what its last line is worth, if that is an expression."""
    code = "".join(cell["source"]).replace("data/demo", "data/d").replace("demo-xsub", "r")
    tree = ast.parse(code, where)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, where, "exec"), names)
    if not isinstance(last, ast.Expr):
        return None
    return eval(compile(ast.Expression(last.value), where, "eval"), names)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs_from_top_to_bottom(
    path: Path, project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    notebook = json.loads(path.read_text(encoding="utf-8"))
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    monkeypatch.chdir(project)
    names: dict[str, Any] = {}
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    shown = [execute(cell, names, f"{path.name}, cell {at}") for at, cell in enumerate(cells)]
    assert "8 mosaics of " in capsys.readouterr().out
    [page] = [value for value in shown if hasattr(value, "_repr_html_")]
    text = page._repr_html_()
    for name in ("kick", "wave", "head", "left foot"):
        assert f">{name}</t" in text
    mean = names["mean"]
    assert mean.shape == (2, 5)
    assert f"{mean[1, 4]:.2f}</td>" in text
    assert shown[-1]["mosaic"] == (4, *names["mosaics"].shape)


def test_there_is_a_notebook() -> None:
    assert NOTEBOOKS
