"""A checkpoint that is not exactly right is refused, by name."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import safetensors.torch
import torch

from stroi.cache.errors import RefusedInput, StroiError
from stroi.trainer.network_files.safetensors_io import read_meta, read_tensors, write_tensors

LIKE = {"a": torch.arange(6.0).view(2, 3), "n": torch.tensor(7), "b": torch.zeros(0)}
META = {"classes": ["wave", "tür"], "epoch": 3}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "net.safetensors"
    write_tensors(path, LIKE, META)
    return path


def _with_header(path: Path, change: Callable[[str], str]) -> None:
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = change(data[8 : 8 + length].decode()).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header + data[8 + length :])


def test_there_and_back(path: Path) -> None:
    tensors, meta = read_tensors(path, LIKE)
    assert meta == META == read_meta(path)
    assert tensors.keys() == LIKE.keys()
    assert all(torch.equal(tensors[name], LIKE[name]) for name in LIKE)


def test_bytes_do_not_depend_on_order_or_strides(path: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.safetensors"
    turned = LIKE["a"].t().contiguous().t()
    write_tensors(
        other, {"n": LIKE["n"], "b": LIKE["b"], "a": turned}, dict(reversed(META.items()))
    )
    assert other.read_bytes() == path.read_bytes()


def test_the_library_reads_it_too(path: Path) -> None:
    assert torch.equal(safetensors.torch.load_file(path)["a"], LIKE["a"])


def test_a_foreign_file_has_no_meta(tmp_path: Path) -> None:
    path = tmp_path / "foreign.safetensors"
    safetensors.torch.save_file({"a": LIKE["a"]}, path, metadata={"format": "pt"})
    assert read_tensors(path, {"a": LIKE["a"]})[1] == {}


@pytest.mark.parametrize(
    ("like", "problem"),
    [
        ({"a": LIKE["a"], "n": LIKE["n"]}, r"PTH_NAMES.*1 names differ; 'b' does not belong here"),
        (LIKE | {"c": torch.zeros(1)}, r"PTH_NAMES.*1 names differ; 'c' is missing"),
        (LIKE | {"a": torch.zeros(3, 2)}, r"PTH_SHAPE.*'a' is \(2, 3\), want \(3, 2\)"),
        (LIKE | {"n": torch.tensor(7.0)}, r"PTH_TENSOR.*'n' is torch.int64, want torch.float32"),
    ],
)
def test_another_network_is_refused(
    path: Path, like: dict[str, torch.Tensor], problem: str
) -> None:
    with pytest.raises(RefusedInput, match=problem):
        read_tensors(path, like)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_values_that_are_not_finite_are_refused(tmp_path: Path, value: float) -> None:
    path, tensors = tmp_path / "net.safetensors", {"w": torch.tensor([1.0, value])}
    safetensors.torch.save_file(tensors, path)
    with pytest.raises(RefusedInput, match=r"PTH_NONFINITE.*'w' holds NaN.*; fetch.*diverged"):
        read_tensors(path)
    path.unlink()
    with pytest.raises(StroiError, match=r"WEIGHTS_NOT_FINITE: .*diverged, w holds NaN.*; lower"):
        write_tensors(path, tensors, {})
    assert list(tmp_path.iterdir()) == []


def _entries(change: Callable[[dict[str, dict[str, object]]], None]) -> Callable[[str], str]:
    def edit(text: str) -> str:
        header = json.loads(text)
        change(header)
        return json.dumps(header)

    return edit


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda text: text[:-3], "ST_HEADER"),
        (lambda text: "[]", "ST_HEADER"),
        (_entries(lambda h: h["a"].update(data_offsets=[12, 36])), "ST_HEADER"),
        (_entries(lambda h: h["a"].update(data_offsets=[0, 24])), "ST_HEADER"),
        (_entries(lambda h: h["a"].update(shape=[2, 4])), "ST_HEADER"),
        (_entries(lambda h: h["a"].update(shape=[-2, -3])), "ST_HEADER"),
        (_entries(lambda h: h["a"].update(dtype="F64", shape=[3])), "PTH_TENSOR.*'a' is no plain"),
        (_entries(lambda h: h["a"].update(dtype="X9")), "ST_HEADER"),
        (_entries(lambda h: h["a"].pop("shape")), "ST_HEADER"),
        (_entries(lambda h: h.pop("n")), "ST_HEADER"),
        (_entries(lambda h: h.update({"__metadata__": 3})), "ST_HEADER"),
        (_entries(lambda h: h.update({"__metadata__": {"stroi": "[1]"}})), "ST_HEADER.*metadata"),
        (_entries(lambda h: h.update({"__metadata__": {"stroi": "{"}})), "JSON"),
    ],
)
def test_damaged_headers_are_refused(
    path: Path, change: Callable[[str], str], problem: str
) -> None:
    _with_header(path, change)
    with pytest.raises(RefusedInput, match=problem):
        read_tensors(path)


def test_every_truncation_is_refused(path: Path) -> None:
    data = path.read_bytes()
    for length in range(len(data)):
        path.write_bytes(data[:length])
        with pytest.raises(RefusedInput):
            read_tensors(path)


def test_trailing_bytes_are_refused(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\0")
    for read in (read_tensors, read_meta):
        with pytest.raises(RefusedInput, match=r"ST_HEADER.*no whole safetensors file"):
            read(path)


def test_what_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    torch.save({"a": LIKE["a"]}, tmp_path / "net.pth")
    os.mkfifo(tmp_path / "pipe")
    for name, problem in (
        ("net.pth", "ST_HEADER"),
        ("pipe", "PTH_READ.*not a regular file"),
        ("", "PTH_READ.*not a regular file"),
        ("absent", "PTH_READ.*No such file"),
    ):
        with pytest.raises(RefusedInput, match=problem):
            read_tensors(tmp_path / name)


def test_counters_may_be_missing_where_the_caller_says_so(path: Path) -> None:
    like = LIKE | {"bn.num_batches_tracked": torch.tensor(0)}
    assert read_tensors(path, like, optional=".num_batches_tracked")[0].keys() == LIKE.keys()
    with pytest.raises(RefusedInput, match=r"'bn.num_batches_tracked' is missing"):
        read_tensors(path, like)


def test_a_file_may_be_replaced_while_its_tensors_are_in_use(path: Path) -> None:
    tensors, _ = read_tensors(path)
    write_tensors(path, {name: value + 1 for name, value in LIKE.items()}, META)
    assert all(torch.equal(tensors[name], LIKE[name]) for name in LIKE)
    tensors["a"].zero_()
    assert torch.equal(read_tensors(path)[0]["a"], LIKE["a"] + 1)
