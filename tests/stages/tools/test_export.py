"""Command export, as a user runs it: files, what they say, refusals, scores of a trained run."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from small_inputs import CLASSES, clips
from trained_project import RUN, project, train_gcn, train_resnet

from stroi.cache.files.digests import sha256_file
from stroi.cache.mosaics import MosaicCache
from stroi.cache.scores import read_scores
from stroi.cache.weights import read_weights
from stroi.pipeline.cli import run as stroi
from stroi.stages.training.outputs import TEST, checkpoint, scores_folder, seed_folder
from stroi.trainer.data.side_inputs import row_weights_of
from stroi.trainer.data.skeleton_input import prepare_all

DOCUMENT = (Path(__file__).parents[3] / "docs" / "export.md").read_text(encoding="utf-8")


def _example(name: str) -> str:
    """The Python example of that name."""
    [found] = re.findall(rf'```python\n("""{name}: .*?)```', DOCUMENT, re.DOTALL)
    return str(found)


def _python(script: Path, *arguments: object) -> str:
    done = subprocess.run(
        [sys.executable, script, *map(str, arguments)], capture_output=True, text=True, timeout=300
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with all networks trained."""
    root = tmp_path_factory.mktemp("trained")
    workspace, run = project(root)
    train_gcn(workspace, run)
    for mode in ("plain", "fixed", "end-to-end"):
        train_resnet(workspace, run, mode)
    return root


@pytest.fixture(scope="module")
def out(trained: Path) -> Path:
    """Where the tests that only read them share their files; an export takes a while."""
    return trained / "out"


def _exported(root: Path, out: Path, name: str, *arguments: str) -> Path:
    """The file of that name, exported if it is not there yet."""
    if not (out / name).exists():
        assert stroi(["export", RUN, *arguments, "--root", str(root), "--out", str(out)]) == 0
    return out / name


def _inputs(root: Path, ids: tuple[str, ...], names: list[str]) -> dict[str, np.ndarray]:
    from stroi.pipeline.workspace import Workspace

    workspace = Workspace(root)
    cache = MosaicCache(workspace.mosaics("d"))
    persons = cache.person_count(ids)
    rows = read_weights(seed_folder(workspace.run(RUN, "weights"), 0))
    data = prepare_all(clips(), ids, frames=12)
    found: dict[str, Any] = {
        "mosaics": cache.batch(ids),
        "weights": row_weights_of(rows, ids),
        "skeletons": data.x,
        "present": data.present,
        "persons": persons.astype(np.int64),
    }
    return {name: found[name] for name in names}


@pytest.mark.parametrize(
    ("arguments", "name", "inputs"),
    [
        pytest.param(["plain"], "r-plain-seed-0", ["mosaics"], marks=pytest.mark.nightly),
        pytest.param(
            [], "r-fixed-seed-0", ["mosaics", "persons", "weights"], marks=pytest.mark.nightly
        ),
        pytest.param(
            ["--with-gcn"], "r-fixed-gcn-seed-0", ["mosaics", "persons", "skeletons", "present"],
            marks=pytest.mark.nightly,
        ),
        (["end-to-end"], "r-end-to-end-seed-0", ["mosaics", "persons", "skeletons", "present"]),
    ],
)  # fmt: skip
def test_the_file_gives_the_scores_of_the_run(
    trained: Path, out: Path, arguments: list[str], name: str, inputs: list[str]
) -> None:
    path = _exported(trained, out, f"{name}.onnx", *arguments)
    about = json.loads(path.with_suffix(".onnx.json").read_bytes())
    assert about["sha256"] == sha256_file(path)
    assert about["classes"] == sorted(CLASSES)
    session = onnxruntime.InferenceSession(path)
    declared = {port["name"]: (port["dtype"], port["shape"]) for port in about["inputs"]}
    kinds = {"uint8": "tensor(uint8)", "float32": "tensor(float)", "bool": "tensor(bool)"}
    assert [each.name for each in session.get_inputs()] == list(declared) == inputs
    for each in session.get_inputs():
        dtype, shape = declared[each.name]
        assert each.type == kinds.get(dtype, f"tensor({dtype})")
        assert each.shape[1:] == shape
        assert isinstance(each.shape[0], str)
    assert [each.name for each in session.get_outputs()] == [
        each["name"] for each in about["outputs"]
    ]
    mode = "fixed" if about["mode"] == "fixed" else arguments[0]
    folder = trained / "runs" / RUN / f"resnet-{mode}"
    scores = read_scores(scores_folder(folder, 0), TEST)
    assert about["checkpoints"]["resnet"] == sha256_file(checkpoint(folder, 0))
    found = session.run(None, _inputs(trained, scores.ids, inputs))
    np.testing.assert_allclose(found[0], scores.logits, rtol=0, atol=1e-4)
    if "--with-gcn" in arguments:
        gcn = trained / "runs" / RUN / "gcn"
        own = read_scores(scores_folder(gcn, 0), TEST)
        np.testing.assert_allclose(found[2], own.logits, rtol=0, atol=1e-4)
        assert about["checkpoints"]["gcn"] == sha256_file(checkpoint(gcn, 0))
        expected = _inputs(trained, scores.ids, ["weights"])["weights"]
        np.testing.assert_allclose(found[1], expected, rtol=0, atol=1e-5)


def test_an_onnx_file_says_what_it_is_and_nothing_of_this_machine(
    trained: Path, out: Path, tmp_path: Path
) -> None:
    data = _exported(trained, tmp_path, "r-plain-seed-0.onnx", "plain").read_bytes()
    assert len(list(tmp_path.iterdir())) == 2
    model = onnx.load_from_string(data)
    onnx.checker.check_model(model)
    [entry] = model.metadata_props
    about = json.loads((tmp_path / "r-plain-seed-0.onnx.json").read_bytes())
    within = json.loads(entry.value)
    assert {name: about[name] for name in within} == within
    assert sorted(about.keys() - within.keys()) == ["bytes", "file", "sha256"]
    for text in (str(Path(__file__).parents[3]), str(trained), "site-packages", "stack_trace"):
        assert text.encode() not in data
    other = _exported(trained, out, "r-plain-seed-0.onnx", "plain")
    assert sha256_file(other) == about["sha256"], "other bytes each time"


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["plain", "--with-gcn"], 2, "EXPORT_MODE: --with-gcn belongs to fixed mode, this is plai"),
        (["--seed", "7"], 2, "EXPORT_SEED: run r has no seed 7; its seeds are: 0"),
    ],
)
def test_wrong_usage(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str],
    status: int, says: str,
) -> None:  # fmt: skip
    line = ["export", RUN, *arguments, "--root", str(trained), "--out", str(tmp_path / "out")]
    assert stroi(line) == status
    assert says in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_what_is_not_trained_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    project(tmp_path / "p")
    line = [
        "export",
        RUN,
        "end-to-end",
        "--root",
        str(tmp_path / "p"),
        "--out",
        str(tmp_path / "out"),
    ]
    assert stroi(line) == 3
    error = capsys.readouterr().err
    assert "NETWORK_MISSING" in error
    assert "run stage resnet-end-to-end first, or `dvc repro`" in error


@pytest.mark.parametrize("what", ["network", "weights", "manifest"])
def test_parts_that_were_not_made_from_each_other_are_refused(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], what: str
) -> None:
    root = tmp_path / "p"
    shutil.copytree(trained, root)
    runs = root / "runs" / RUN
    if what == "network":
        path = checkpoint(runs / "gcn", 0)
        path.write_bytes(path.read_bytes().replace(b'kind\\": ', b'kind\\" :'))
        assert sha256_file(path) != sha256_file(checkpoint(trained / "runs" / RUN / "gcn", 0))
    elif what == "weights":
        (seed_folder(runs / "weights", 0) / "weights.h5").write_bytes(b"other")
    else:
        _told_nothing(seed_folder(runs / "weights", 0))
    assert stroi(["export", RUN, "--with-gcn", "--root", str(root), "--out", str(tmp_path)]) == 3
    assert "NETWORK_STALE" in capsys.readouterr().err


def _told_nothing(folder: Path) -> None:
    from dataclasses import replace

    from stroi.cache.manifest import read_manifest, write_manifest

    write_manifest(folder, replace(read_manifest(folder), params={"joints": "most"}))


def test_what_is_not_installed_is_named(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert stroi(["export", RUN, "--root", str(trained), "--out", str(tmp_path / "out")]) == 1
    error = capsys.readouterr().err
    assert "EXPORT_PACKAGES: onnx and onnxscript: not installed" in error
    assert "pip install 'stroi[export]'" in error
    assert not (tmp_path / "out").exists()


def test_running_it_takes_15_lines_numpy_and_onnxruntime() -> None:
    text = _example("run_exported.py")
    assert len([line for line in text.splitlines() if line and not line.startswith('"""')]) <= 15
    imported = {
        str(each.name) for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Import)
        for each in node.names
    }  # fmt: skip
    assert imported - sys.stdlib_module_names == {"numpy", "onnxruntime"}


def test_the_examples_print_the_scores_of_the_run(trained: Path, out: Path, tmp_path: Path) -> None:
    runs, arrays = trained / "runs" / RUN, tmp_path / "clips.npz"
    for name in ("save_inputs.py", "run_exported.py"):
        (tmp_path / name).write_text(_example(name))
    mosaics = trained / "data" / "d" / "mosaics"
    _python(tmp_path / "save_inputs.py", mosaics, runs / "weights" / "seed-0", arrays)
    path = _exported(trained, out, "r-fixed-seed-0.onnx")
    lines = _python(tmp_path / "run_exported.py", path, arrays).splitlines()
    printed = {
        name: line.split() for name, line in zip(MosaicCache(mosaics).ids, lines, strict=True)
    }
    scores = read_scores(scores_folder(runs / "resnet-fixed", 0), TEST)
    for name, logits in zip(scores.ids, scores.logits, strict=True):
        assert printed[name][0] == scores.classes[logits.argmax()]
        np.testing.assert_allclose([float(each) for each in printed[name][1:]], logits, atol=2e-4)


def test_the_page_names_every_input_and_output() -> None:
    text = (Path(__file__).parents[3] / "trainer" / "network_files" / "export_module.py").read_text(
        encoding="utf-8"
    )
    for name in re.findall(r'TensorSpec\("(\w+)"', text):
        assert f"| `{name}` |" in DOCUMENT, name
