"""A .pth file is read as torch reads it, or refused; nothing in it ever runs."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path

import pytest
import torch
from torch import nn
from weights_attacks import CASES, GOOD, Runs, saved

from stroi.cache.errors import RefusedInput
from stroi.trainer.models.resnet import ResNet
from stroi.trainer.network_files.network_file import load_pretrained
from stroi.trainer.network_files.safetensors_io import read_tensors


def written(folder: Path, data: bytes) -> Path:
    (folder / "net.pth").write_bytes(data)
    return folder / "net.pth"


@pytest.mark.parametrize("form", ["zip", "before 1.6"])
def test_tensors_are_those_that_were_saved(tmp_path: Path, form: str) -> None:
    torch.manual_seed(0)
    state = ResNet(7).state_dict() | {"mask": torch.arange(5, dtype=torch.uint8)}
    data = saved(state, _use_new_zipfile_serialization=form == "zip")
    tensors, meta = read_tensors(written(tmp_path, data), state, pth=True)
    assert meta == {}
    assert list(tensors) == list(state)
    for name, value in state.items():
        assert torch.equal(tensors[name], value)
        assert tensors[name].dtype == value.dtype
        assert tensors[name].is_contiguous()


def test_parameters_and_empty_tensors_are_read(tmp_path: Path) -> None:
    state = {"w": nn.Parameter(torch.ones(2, 1, 3)), "none": torch.zeros(0, 4)}
    tensors, _ = read_tensors(written(tmp_path, saved(state)), pth=True)
    assert torch.equal(tensors["w"], state["w"])
    assert tensors["none"].shape == (0, 4)


def test_views_and_strides_are_read(tmp_path: Path) -> None:
    weight = torch.rand(4, 3, 5, 5).to(memory_format=torch.channels_last)
    state = {"w": weight, "part": torch.arange(9.0)[2:7], "same": weight[1:]}
    tensors, _ = read_tensors(written(tmp_path, saved(state)), pth=True)
    for name, value in state.items():
        assert torch.equal(tensors[name], value)
        assert tensors[name].is_contiguous()


def test_a_backbone_may_come_as_pth(tmp_path: Path) -> None:
    torch.manual_seed(1)
    published = ResNet(1000)
    state = published.state_dict()
    old = {name: value for name, value in state.items() if not name.endswith("_tracked")}
    path = written(tmp_path, saved(old))
    net = ResNet(4)
    head = net.fc.weight.clone()
    load_pretrained(net, path)
    assert torch.equal(net.fc.weight, head)
    assert torch.equal(net.layer4[1].conv2.weight, published.layer4[1].conv2.weight)


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("conv1.weight", torch.zeros(64, 3, 3, 3), r"PTH_SHAPE.*\(64, 3, 3, 3\), want \(64, 3, 7"),
        (
            "bn1.weight",
            torch.zeros(64, dtype=torch.int64),
            "PTH_TENSOR.*'bn1.weight' is torch.int64",
        ),
        ("extra", torch.zeros(1), "PTH_NAMES.*'extra' does not belong here"),
        ("bn1.running_var", torch.full((64,), torch.nan), "PTH_NONFINITE.*'bn1.running_var'"),
    ],
)
def test_another_network_is_refused(
    tmp_path: Path, name: str, value: torch.Tensor, problem: str
) -> None:
    path = written(tmp_path, saved(ResNet(4).state_dict() | {name: value}))
    with pytest.raises(RefusedInput, match=problem):
        load_pretrained(ResNet(4), path)


@pytest.mark.parametrize("case", CASES)
def test_attacks_and_damage_are_refused(tmp_path: Path, case: str) -> None:
    make, code, message = CASES[case]
    with pytest.raises(RefusedInput) as caught:
        read_tensors(written(tmp_path, make()), pth=True)
    assert caught.value.code == code
    assert message in caught.value.message + "; " + caught.value.remedy
    assert str(caught.value).isascii()
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("form", ["zip", "before 1.6"])
def test_code_is_not_run(tmp_path: Path, form: str) -> None:
    trace = tmp_path / "trace"
    data = saved(GOOD | {"x": Runs(trace)}, _use_new_zipfile_serialization=form == "zip")
    path = written(tmp_path, data)
    with pytest.raises(RefusedInput, match=r"PTH_UNPICKLE.*\(UnpicklingError\); do not load it"):
        read_tensors(path, pth=True)
    assert not trace.exists()
    torch.load(path, weights_only=False)
    assert trace.exists()


def test_an_archive_of_before_0_1_is_not_unpacked(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "net.pth", "w") as archive:
        archive.addfile(tarfile.TarInfo("../outside"))
    with pytest.raises(RefusedInput, match="ST_HEADER"):
        read_tensors(tmp_path / "net.pth", pth=True)


def test_every_truncation_is_refused(tmp_path: Path) -> None:
    data = saved(GOOD)
    for length in range(0, len(data), 7):
        with pytest.raises(RefusedInput):
            read_tensors(written(tmp_path, data[:length]), pth=True)


def test_no_flipped_bit_changes_a_tensor_in_silence(tmp_path: Path) -> None:
    data = saved(GOOD)
    path = written(tmp_path, data)
    good = read_tensors(path, pth=True)[0]
    silent = 0
    for at in range(len(data)):
        path.write_bytes(data[:at] + bytes([data[at] ^ (1 << at % 8)]) + data[at + 1 :])
        try:
            tensors, _ = read_tensors(path, pth=True)
        except RefusedInput:
            continue
        # Times, versions and paddings of the zip file mean nothing.
        silent += 1
        assert tensors.keys() == good.keys()
        assert all(torch.equal(tensors[name], value) for name, value in good.items())
    assert silent < len(data)


def test_pipes_and_folders_are_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.pth")
    for path in (tmp_path, tmp_path / "pipe.pth"):
        with pytest.raises(RefusedInput, match=r"PTH_READ.*not a regular file"):
            read_tensors(path, pth=True)
