"""Weights files of a stranger run no code, take no memory, and say what is wrong with them.

Judging needs no torch, so these refusals come before it is imported. Where a network is loaded,
importing torch alone takes nearly 300 MB and a second or two; there the cost counts from that on.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from stroi.trainer.checkpoint import write_tensors
from stroi.trainer.config import GcnConfig
from stroi.trainer.models_io import save_gcn
from stroi.trainer.resnet import ResNet
from stroi.trainer.stgcn import StGcn

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "trainer"))
from measured import Measured, most_seconds, run_measured
from received import assert_inspect_refuses, stroi
from refusals import tree
from weights_attacks import CASES, GOOD, Runs, saved

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


def with_header(text: bytes, length: int | None = None) -> bytes:
    return (len(text) if length is None else length).to_bytes(8, "little") + text + bytes(12)


def entry(name: str, **values: object) -> Callable[[Header], object]:
    return lambda header: header[name].update(values)


def doubled() -> bytes:
    text = json.dumps(json.loads(safetensors()[8:-12])).encode()
    return with_header(text.replace(b'"b"', b'"a"'))


def not_finite() -> bytes:
    return safetensors()[:-4] + b"\0\0\xc0\x7f"


SAFETENSORS: dict[str, tuple[Callable[[], bytes], str, str]] = {
    "key twice": (doubled, "JSON_DUPLICATE_KEY", "the key 'a' twice"),
    "hole": (
        lambda: safetensors(entry("b", data_offsets=[12, 16])) + bytes(4),
        "ST_OFFSETS", "hole or overlap at byte",
    ),
    "overlap": (
        lambda: safetensors(entry("b", data_offsets=[4, 8])), "ST_OFFSETS", "hole or overlap",
    ),
    "beyond the end": (
        lambda: safetensors(entry("b", shape=[9], data_offsets=[8, 44])),
        "ST_OFFSETS", "tensors end at byte",
    ),
    "behind the tensors": (lambda: safetensors() + b"x", "ST_OFFSETS", "tensors end at byte"),
    "1 TiB": (
        lambda: safetensors(entry("b", shape=[2**38], data_offsets=[8, 8 + 2**40])),
        "PTH_TENSOR", "'b' has the bad shape (274877906944)",
    ),
    "shape and place differ": (
        lambda: safetensors(entry("b", shape=[3])), "ST_OFFSETS", "'b' does not fill its place",
    ),
    "negative place": (
        lambda: safetensors(entry("b", data_offsets=[-4, 0])), "ST_OFFSETS", "no good offsets",
    ),
    "100,000 axes": (
        lambda: safetensors(entry("b", shape=[2**31] * 100_000)), "PTH_TENSOR", "bad shape",
    ),
    "doubles": (lambda: safetensors(entry("b", dtype="F64")), "PTH_TENSOR", "has type 'F64'"),
    "NaN": (not_finite, "PTH_NONFINITE", "'b' holds NaN or infinity"),
    "cut short": (lambda: safetensors()[:-4], "ST_OFFSETS", "tensors end at byte"),
    "header of 100 MB": (
        lambda: with_header(b"{}", 100_000_000), "ST_HEADER", "a header of 100000000 bytes",
    ),
    "header of 2^63": (lambda: with_header(b"{}", 2**63), "ST_HEADER", "a header of 92233720368"),
    "8 MB of objects": (
        lambda: with_header(b'{"a":[' + b"{}," * 2_700_000 + b"{}]}"), "JSON_SIZE", "of memory",
    ),
    "8 MB of numbers": (
        lambda: with_header(b'{"a":[' + b"1," * 4_000_000 + b"1]}"), "ST_HEADER", "'a' is no tens",
    ),
    "8 MB of brackets": (lambda: with_header(b"[" * 8_000_000), "JSON_DEPTH", "nests deeper"),
    "not UTF-8": (lambda: with_header(b'{"\xff": 1}'), "JSON", "is not JSON"),
    "escape sequence": (
        lambda: with_header(b'{"\\u001b[31m": 1}'), "ST_HEADER", r"'\x1b[31m' is no tensor entry",
    ),
    "metadata nested": (
        lambda: with_header(json.dumps({"__metadata__": {"stroi": "[" * 99_999}}).encode()),
        "JSON_DEPTH", "nests deeper",
    ),
    "nothing": (lambda: b"", "ST_HEADER", "in a file of 0"),
}  # fmt: skip


@pytest.mark.parametrize("case", SAFETENSORS)
def test_safetensors_of_a_stranger(tmp_path: Path, case: str) -> None:
    make, code, says = SAFETENSORS[case]
    (tmp_path / "net.safetensors").write_bytes(make())
    assert_inspect_refuses(tmp_path / "net.safetensors", code, says)


@pytest.mark.parametrize("case", CASES)
def test_pth_of_a_stranger(tmp_path: Path, case: str) -> None:
    make, code, says = CASES[case]
    (tmp_path / "net.pth").write_bytes(make())
    assert_inspect_refuses(tmp_path / "net.pth", code, says)


def test_code_in_a_pickle_is_not_run(tmp_path: Path) -> None:
    (tmp_path / "net.pth").write_bytes(saved(GOOD | {"x": Runs(tmp_path / "trace")}))
    assert_inspect_refuses(tmp_path / "net.pth", "PTH_UNPICKLE", "do not load it")
    assert not (tmp_path / "trace").exists()


def sparse_giant(path: Path) -> None:
    with path.open("wb") as file:
        file.write(safetensors())
        file.truncate(2**32)


SPECIAL: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "fifo": (os.mkfifo, "PTH_READ", "not a regular file"),
    "folder": (Path.mkdir, "PTH_READ", "not a regular file"),
    "link to a device": (
        lambda path: path.symlink_to("/dev/zero"), "PTH_READ", "not a regular file",
    ),
    "link to itself": (lambda path: path.symlink_to(path), "PTH_READ", "symbolic links"),
    "absent": (lambda path: None, "PTH_READ", "No such file"),
    "4 GiB": (sparse_giant, "ST_OFFSETS", "tensors end at byte"),
    "1 TiB": (
        lambda path: (sparse_giant(path), os.truncate(path, 2**40)), "PTH_SIZE", "at most 42949672",
    ),
}  # fmt: skip


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
@pytest.mark.parametrize("case", SPECIAL)
def test_what_is_no_plain_file_neither_hangs_nor_grows(
    tmp_path: Path, case: str, suffix: str
) -> None:
    make, code, says = SPECIAL[case]
    make(tmp_path / f"net{suffix}")
    assert_inspect_refuses(tmp_path / f"net{suffix}", code, says)


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
from stroi.trainer.models_io import load_gcn
from stroi.trainer.resnet import ResNet, load_backbone
net, kind, path = ResNet(4), sys.argv[1], Path(sys.argv[2])
try:
    if kind == "start":
        load_backbone(net, path)
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
        from stroi.trainer.checkpoint import read_tensors

        config = GcnConfig(frames=8, channels=(8, 8), strides=(1, 1))
        save_gcn(path, StGcn(("wave", "drink"), config))
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
        "start", start(conv1__weight=torch.zeros(1).expand(2**42)), "PTH_TENSOR", "bad shape",
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
        "gcn", gcn(channels=[8] * 10**6, strides=[1] * 10**6), "PTH_META", "1000000 blocks",
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
    assert done.peak_bytes < torch_alone.peak_bytes + 100 * MB
    assert tree(tmp_path) == before
