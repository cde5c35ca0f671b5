"""What is asked of torch.cuda, by a stand-in for it: no test here has run on a GPU."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import nn

from stroi.cache.errors import ParamsError
from stroi.trainer.config import BatchNorm
from stroi.trainer.run.distributed import World
from stroi.trainer.run.progress import GpuUtilisation
from stroi.trainer.runtime import deterministic, pick_device

CUDA = torch.device("cuda", 1)


@pytest.fixture
def current(monkeypatch: pytest.MonkeyPatch) -> list[torch.device]:
    """A machine of four GPUs; the ones that were made current, in order."""
    made: list[torch.device] = []
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    monkeypatch.setattr(torch.cuda, "set_device", made.append)
    return made


@pytest.mark.parametrize("name", ["cuda", "auto"])
def test_every_process_makes_its_own_gpu_the_current_one(
    current: list[torch.device], name: str
) -> None:
    assert World(5, 8, local_rank=3).device(name) == "cuda:3"
    assert current == [torch.device("cuda:3")]


def test_a_gpu_that_is_named_becomes_the_current_one(current: list[torch.device]) -> None:
    pick_device("cuda:2")
    assert current == [torch.device("cuda:2")]


def test_no_gpu_is_touched_for_a_training_on_the_processor(current: list[torch.device]) -> None:
    assert World(5, 8, local_rank=3).device("cpu") == "cpu"
    pick_device("cpu")
    pick_device("cuda")
    assert current == []


def test_more_processes_than_gpus_are_refused(current: list[torch.device]) -> None:
    with pytest.raises(ParamsError, match="DEVICE: there is no device 'cuda:4'"):
        World(4, 5, local_rank=4).device("cuda")
    assert current == []


@pytest.mark.parametrize(
    "error",
    [
        ModuleNotFoundError("nvidia-ml-py does not seem to be installed"),
        RuntimeError("cuda driver can't be loaded"),
        type("NVMLError_NoPermission", (Exception,), {})("Insufficient Permissions"),
    ],
)
def test_a_driver_that_does_not_report_ends_no_training(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    asked: list[torch.device] = []

    def refused(device: torch.device) -> int:
        asked.append(device)
        raise error

    monkeypatch.setattr(torch.cuda, "utilization", refused)
    gpu = GpuUtilisation(CUDA)
    gpu.sample()
    gpu.sample()
    assert gpu.pop_mean() is None
    assert asked == [CUDA]


def test_utilisation_is_the_mean_of_the_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    samples = iter((40, 60))
    monkeypatch.setattr(torch.cuda, "utilization", lambda device: next(samples))
    gpu = GpuUtilisation(CUDA)
    gpu.sample()
    gpu.sample()
    assert gpu.pop_mean() == pytest.approx(0.5)
    assert gpu.pop_mean() is None


@pytest.fixture
def tf32() -> Iterator[None]:
    """A process that allows TF32 everywhere."""
    torch.set_float32_matmul_precision("high")
    yield
    torch.set_float32_matmul_precision("highest")


@pytest.mark.usefixtures("tf32")
def test_float32_is_float32_and_what_was_allowed_is_allowed_again() -> None:
    assert torch.backends.cudnn.allow_tf32  # torch's default
    with deterministic(0, 1):
        assert not torch.backends.cudnn.allow_tf32
        assert not torch.backends.cuda.matmul.allow_tf32
        with deterministic(1, 1):
            pass
        assert not torch.backends.cudnn.allow_tf32
    assert torch.backends.cudnn.allow_tf32
    assert torch.get_float32_matmul_precision() == "high"


def _net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(2, 4, 3), nn.Sequential(nn.BatchNorm2d(4), nn.ReLU()))


@pytest.mark.parametrize(
    ("batch_norm", "device", "size", "local"),
    [
        ("synchronised", "cuda", 2, False),
        ("local", "cuda", 2, True),
        ("synchronised", "cpu", 2, True),
        ("synchronised", "cuda", 1, False),
    ],
)
def test_gpus_that_train_together_normalise_by_the_whole_batch(
    batch_norm: BatchNorm,
    device: str,
    size: int,
    local: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The layers are torch's, with the same names and tensors; one device scores alike."""
    net, x = _net().eval(), torch.randn(3, 2, 5, 5)
    before, scores = net.state_dict(), net(x)
    monkeypatch.setattr(
        nn.Parameter, "device", property(lambda value: torch.device(device)), raising=False
    )
    assert World(0, size).synchronise_batch_norm(net, batch_norm) is local
    monkeypatch.undo()
    kinds = {type(each) for each in net.modules() if "BatchNorm" in type(each).__name__}
    assert kinds == {nn.SyncBatchNorm if size == 2 and not local else nn.BatchNorm2d}
    after = net.state_dict()
    assert list(after) == list(before)
    assert all(after[name].data_ptr() == before[name].data_ptr() for name in before)
    assert torch.equal(net(x), scores)
