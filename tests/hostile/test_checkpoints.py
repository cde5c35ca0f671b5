"""Weights files of a stranger run no code, write nothing, and are refused in one plain line.

The readers' own tests have every defect; here a command meets some of them as a user would.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from measured import Measured, most_seconds, run_measured
from received import assert_refused, stroi
from refusals import tree
from weights_attacks import CASES, GOOD, Runs, saved

from stroi.trainer.config import GcnConfig
from stroi.trainer.models.graph_net import GraphNet
from stroi.trainer.models.resnet import ResNet
from stroi.trainer.network_files.network_file import save_gcn
from stroi.trainer.network_files.safetensors_io import write_tensors

MB = 1_000_000
Header = dict[str, dict[str, object]]


def safetensors(change: Callable[[Header], object] = lambda header: None) -> bytes:
    """Two tensors of 8 and 4 bytes behind a header that was changed."""
    header: Header = {
        "a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]},
        "b": {"dtype": "F32", "shape": [1], "data_offsets": [8, 12]},
    }
    change(header)
    return with_header(json.dumps(header).encode())


def with_header(text: bytes) -> bytes:
    return len(text).to_bytes(8, "little") + text + bytes(12)


def not_finite() -> bytes:
    return safetensors()[:-4] + b"\0\0\xc0\x7f"


REFUSED: dict[str, tuple[Callable[[], bytes], str, str]] = {
    "overlap": (
        lambda: safetensors(lambda header: header["b"].update(data_offsets=[4, 8])),
        "ST_HEADER", "no whole safetensors file",
    ),
    "1 TiB": (
        lambda: safetensors(
            lambda header: header["b"].update(shape=[2**38], data_offsets=[8, 8 + 2**40])
        ),
        "ST_HEADER", "no whole safetensors file",
    ),
    "escape sequence": (
        lambda: with_header(b'{"\\u001b[31m": 1}'), "ST_HEADER", "no whole safetensors file",
    ),
    "NaN": (not_finite, "PTH_NONFINITE", "'b' holds NaN or infinity"),
    "nothing": (lambda: b"", "ST_HEADER", "no whole safetensors file"),
    **{name: CASES[name] for name in ("sparse", "compressed", "2 GiB inflating", "whole module")},
}  # fmt: skip


def assert_refused_soon(path: Path, code: str, says: str) -> None:
    assert_refused(["inspect", path], path.parent, code, says, names=str(path), peak=600 * MB)


@pytest.mark.parametrize("case", REFUSED)
def test_weights_of_a_stranger(tmp_path: Path, case: str) -> None:
    make, code, says = REFUSED[case]
    (tmp_path / "net.pth").write_bytes(make())
    assert_refused_soon(tmp_path / "net.pth", code, says)


@pytest.mark.parametrize("form", ["zip", "before 1.6"])
def test_code_in_a_pickle_is_not_run(tmp_path: Path, form: str) -> None:
    data = saved(
        GOOD | {"x": Runs(tmp_path / "trace")}, _use_new_zipfile_serialization=form == "zip"
    )
    (tmp_path / "net.pth").write_bytes(data)
    assert_refused_soon(tmp_path / "net.pth", "PTH_UNPICKLE", "do not load it")
    assert not (tmp_path / "trace").exists()


def sparse_giant(path: Path) -> None:
    with path.open("wb") as file:
        file.write(safetensors())
        file.truncate(2**40)


SPECIAL: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "fifo": (os.mkfifo, "PTH_READ", "not a regular file"),
    "link to a device": (
        lambda path: path.symlink_to("/dev/zero"), "PTH_READ", "not a regular file",
    ),
    "link to itself": (lambda path: path.symlink_to(path), "PTH_READ", "symbolic links"),
    "1 TiB": (sparse_giant, "ST_HEADER", "no whole safetensors file"),
}  # fmt: skip


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
@pytest.mark.parametrize("case", SPECIAL)
def test_what_is_no_plain_file_neither_hangs_nor_grows(
    tmp_path: Path, case: str, suffix: str
) -> None:
    make, code, says = SPECIAL[case]
    make(tmp_path / f"net{suffix}")
    assert_refused_soon(tmp_path / f"net{suffix}", code, says)


def test_good_files_are_described(tmp_path: Path) -> None:
    (tmp_path / "net.pth").write_bytes(saved(GOOD))
    (tmp_path / "net.safetensors").write_bytes(safetensors())
    done = stroi(["inspect", "net.pth", "net.safetensors"], tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("weights: 2 tensors") == 2


LOAD = """
import sys, torch
from pathlib import Path
from stroi.cache.errors import StroiError
from stroi.trainer.network_files.network_file import load_gcn
from stroi.trainer.models.resnet import ResNet
from stroi.trainer.network_files.network_file import load_pretrained
net, kind, path = ResNet(4), sys.argv[1], Path(sys.argv[2])
try:
    if kind == "start":
        load_pretrained(net, path)
    elif kind == "gcn":
        load_gcn(path)
except StroiError as error:
    print(error)
    sys.exit(error.exit_status)
"""


def load(kind: str, path: Path) -> Measured:
    return run_measured(
        [sys.executable, "-c", LOAD, kind, str(path)], env={**os.environ, "OMP_NUM_THREADS": "1"}
    )


@pytest.fixture(scope="module")
def torch_alone() -> Measured:
    """What torch and an untrained network take."""
    return load("nothing", Path())


def start(**changes: torch.Tensor) -> Callable[[Path], object]:
    """A backbone file in which tensors were changed."""
    names = {name.replace("__", "."): value for name, value in changes.items()}
    return lambda path: path.write_bytes(saved(ResNet(4).state_dict() | names))


def backbone(path: Path) -> None:
    write_tensors(path, ResNet(4).state_dict() | {"conv1.weight": torch.zeros(64, 1, 7, 7)}, {})


def gcn(**meta: object) -> Callable[[Path], object]:
    """A graph network whose description was changed."""

    def make(path: Path) -> None:
        from stroi.trainer.network_files.safetensors_io import read_tensors

        config = GcnConfig(frames=8, channels=(8, 8), strides=(1, 1))
        save_gcn(path, GraphNet(("wave", "drink"), config))
        tensors, old = read_tensors(path)
        changed = {"config": old["config"] | {k: v for k, v in meta.items() if k in old["config"]}}
        write_tensors(path, tensors, old | changed | {k: v for k, v in meta.items() if k in old})

    return make


LOADED: dict[str, tuple[str, Callable[[Path], object], str, str]] = {
    "code": (
        "start", lambda path: path.write_bytes(saved({"x": Runs(path.with_name("trace"))})),
        "PTH_UNPICKLE", "do not load it",
    ),
    "16 TiB": (
        "start", start(conv1__weight=torch.zeros(1).expand(2**42)),
        "PTH_TENSOR", "'conv1.weight' is no plain tensor",
    ),
    "NaN": (
        "start", start(bn1__weight=torch.full((64,), torch.nan)), "PTH_NONFINITE", "'bn1.weight'",
    ),
    "other shape in .pth": (
        "start", start(bn1__weight=torch.zeros(32)), "PTH_SHAPE", "is (32,), want (64,)",
    ),
    "other shape": ("start", backbone, "PTH_SHAPE", "is (64, 1, 7, 7), want (64, 3, 7, 7)"),
    "other classes": (
        "gcn", gcn(classes=["a", "b", "c"]), "PTH_SHAPE", "'fc.bias' is (2,), want (3,)",
    ),
    "network of 90 GB": ("gcn", gcn(channels=[50_000, 50_000]), "PTH_SHAPE", "want (50000"),
    "million layers": (
        "gcn", gcn(channels=[8] * 10**6, strides=[1] * 10**6), "PTH_META", "its config.channels",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", LOADED)
def test_networks_are_not_built_for_a_stranger(
    tmp_path: Path, torch_alone: Measured, case: str
) -> None:
    kind, make, code, says = LOADED[case]
    path = tmp_path / "net"
    make(path)
    before = tree(tmp_path)
    done = load(kind, path)
    assert done.returncode == 3, done.stderr
    assert done.stdout.startswith(f"{code}: {str(path)!r}")
    assert says in done.stdout
    assert done.stdout.count("\n") == 1
    assert done.seconds < torch_alone.seconds + most_seconds()
    assert done.peak_bytes < torch_alone.peak_bytes + 200 * MB
    assert tree(tmp_path) == before
