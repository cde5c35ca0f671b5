"""docs/export.md is enough to run an exported file: its own examples do."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from stroi.cache.mosaics import MosaicCache
from stroi.cache.scores import read_scores
from stroi.pipeline.cli import run as stroi
from stroi.stages.training import TEST, scores_folder

sys.path.insert(0, str(Path(__file__).parent))
from trained_project import RUN, project, train_gcn, train_resnet

DOCUMENT = (Path(__file__).parents[2] / "docs" / "export.md").read_text(encoding="utf-8")


def example(name: str) -> str:
    """The Python example of that name."""
    [found] = re.findall(rf'```python\n("""{name}: .*?)```', DOCUMENT, re.DOTALL)
    return str(found)


def run(script: Path, *arguments: object) -> str:
    done = subprocess.run(
        [sys.executable, script, *map(str, arguments)], capture_output=True, text=True, timeout=300
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_running_it_takes_15_lines_numpy_and_onnxruntime() -> None:
    text = example("run_exported.py")
    assert len([line for line in text.splitlines() if line and not line.startswith('"""')]) <= 15
    imported = {
        str(each.name) for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Import)
        for each in node.names
    }  # fmt: skip
    assert imported - sys.stdlib_module_names == {"numpy", "onnxruntime"}


def test_the_examples_print_the_scores_of_the_run(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    workspace, params = project(tmp_path / "p")
    train_gcn(workspace, params)
    train_resnet(workspace, params, "fixed")
    out = tmp_path / "out"
    assert stroi(["export", RUN, "--root", str(workspace.root), "--out", str(out)]) == 0
    said = capfd.readouterr()
    assert said.out.splitlines()[-1].startswith(f"export r: {out}/r-fixed-seed-0.onnx, ")
    assert "warn" not in said.err.lower()
    for name in ("save_inputs.py", "run_exported.py"):
        (tmp_path / name).write_text(example(name))
    weights = workspace.run(RUN, "weights") / "seed-0"
    arrays = tmp_path / "clips.npz"
    run(tmp_path / "save_inputs.py", workspace.mosaics("d"), weights, arrays)
    lines = run(tmp_path / "run_exported.py", out / "r-fixed-seed-0.onnx", arrays).splitlines()
    ids = MosaicCache(workspace.mosaics("d")).ids
    printed = {name: line.split() for name, line in zip(ids, lines, strict=True)}
    scores = read_scores(scores_folder(workspace.run(RUN, "resnet-fixed"), 0), TEST)
    for name, logits in zip(scores.ids, scores.logits, strict=True):
        assert printed[name][0] == scores.classes[logits.argmax()]
        np.testing.assert_allclose([float(each) for each in printed[name][1:]], logits, atol=2e-4)


def test_the_page_names_every_input_and_output() -> None:
    text = (Path(__file__).parents[2] / "trainer" / "exported.py").read_text(encoding="utf-8")
    for name in re.findall(r'Port\("(\w+)"', text):
        assert f"| `{name}` |" in DOCUMENT, name
