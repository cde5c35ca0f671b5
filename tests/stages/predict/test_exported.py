"""An exported network and a new video, in a process that cannot import torch."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from answering_run import CLASSES, RUN, TEST, video

from stroi.cache.errors import RefusedInput
from stroi.pipeline.cli import run as stroi
from stroi.stages.predict.exported import open_exported
from stroi.stages.predict.run import open_run, predict_video
from stroi.trainer.config import Mode

WITHOUT_TORCH = """
import sys
class Barred:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "torch":
            raise ImportError("torch is barred")
sys.meta_path.insert(0, Barred())
from stroi.pipeline.cli import run
status = run(sys.argv[1:])
assert "torch" not in sys.modules
sys.exit(status)
"""


def _exported(project: Path, *arguments: str) -> Path:
    out = project / "exported"
    mode = arguments[0]
    path = out / f"{RUN}-{mode}{'-gcn' * ('--with-gcn' in arguments)}-seed-0.onnx"
    if not path.exists():
        assert stroi(["export", RUN, *arguments, "--root", str(project), "--out", str(out)]) == 0
    return path


@pytest.fixture(scope="session")
def fixed(project: Path) -> Path:
    """Row 4 with its graph network, as one file."""
    return _exported(project, "fixed", "--with-gcn")


def test_a_process_without_torch_gives_the_run_s_answer(
    project: Path, fixed: Path, tmp_path: Path
) -> None:
    found = tmp_path / "found.json"
    arguments = ["predict", "--model", fixed, video(project, TEST[1]), "--jobs", 1, "--json", found]
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, *map(str, arguments)],
        cwd=tmp_path, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    [result] = json.loads(found.read_bytes())["videos"]
    [part] = result["parts"]
    inside = predict_video(open_run(RUN, root=project), video(project, TEST[1]))
    for branch in ("skeleton", "rgb", "ensemble"):
        np.testing.assert_allclose(
            part["branches"][branch]["scores"], inside.answer.scores[branch], rtol=0, atol=1e-4
        )
    assert inside.answer.row_weights is not None
    np.testing.assert_allclose(part["row_weights"], inside.answer.row_weights, rtol=0, atol=1e-4)
    assert part["branches"]["ensemble"]["top"][0]["label"] == inside.label
    assert inside.label in done.stdout


def test_the_file_says_how_to_cut_and_names_no_place(project: Path, fixed: Path) -> None:
    about = json.loads(fixed.with_suffix(".onnx.json").read_bytes())
    model = open_exported(fixed)
    assert about["schema"] == "2.0"
    assert about["ensemble"] is True
    assert about["recipe"] == open_run(RUN, root=project).recipe.to_json()
    assert model.recipe.classes == CLASSES
    assert model.recipe.mosaics.cell == 48
    assert str(project).encode() not in fixed.read_bytes()


@pytest.mark.nightly
@pytest.mark.parametrize(
    ("arguments", "branches", "note"),
    [
        (["plain"], ["rgb"], None),
        (["end-to-end"], ["skeleton", "rgb"], "no ensemble: the skeleton branch inside was train"),
    ],
)
def test_other_modes(
    project: Path, arguments: list[str], branches: list[str], note: str | None
) -> None:
    model = open_exported(_exported(project, *arguments))
    assert [text for text in model.notes if note and text.startswith(note)] == list(
        filter(lambda text: text.startswith(note or "-"), model.notes)
    )
    mode: Mode = "plain" if arguments == ["plain"] else "end-to-end"
    got = predict_video(model, video(project, TEST[0]))
    inside = predict_video(open_run(RUN, root=project, mode=mode), video(project, TEST[0]))
    assert list(got.answer.scores) == branches
    np.testing.assert_allclose(
        got.answer.scores["rgb"], inside.answer.scores["rgb"], rtol=0, atol=1e-4
    )
    assert bool(model.notes) == (note is not None)


def _changed(fixed: Path, out: Path, **changes: object) -> Path:
    """The file with another description."""
    model = onnx.load(fixed)
    [entry] = model.metadata_props
    entry.value = json.dumps(json.loads(entry.value) | changes)
    onnx.save(model, out)
    return out


def test_what_is_no_such_file_is_refused(fixed: Path, tmp_path: Path) -> None:
    (tmp_path / "a.onnx").write_bytes(b"no network")
    with pytest.raises(RefusedInput, match=r"EXPORT_FILE: .*a.onnx': no ONNX file that can be run"):
        open_exported(tmp_path / "a.onnx")
    old = _changed(fixed, tmp_path / "old.onnx", schema="1.0")
    with pytest.raises(RefusedInput, match=r"not of the schema 2.0, which says how to cut a video"):
        open_exported(old)
    odd = _changed(fixed, tmp_path / "odd.onnx", recipe={"run": "x"})
    with pytest.raises(RefusedInput, match=r"RECIPE: .* its recipe: input: Field required"):
        open_exported(odd)
    damaged = _changed(fixed, tmp_path / "damaged.onnx", mode="whole")
    with pytest.raises(RefusedInput, match=r"EXPORT_FILE: .* its description is damaged"):
        open_exported(damaged)


@pytest.mark.nightly
def test_a_file_without_a_graph_network_asks_for_one(project: Path) -> None:
    path = _exported(project, "fixed")
    with pytest.raises(RefusedInput, match=r"EXPORT_INPUT: .*; export it again with --with-gcn"):
        open_exported(path)
