"""What is said to torch.cuda, by a stand-in for it: no test here has run on a GPU."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from processes import together
from torch import nn

from stroi.cache.errors import ParamsError
from stroi.trainer.run import batch_norm
from stroi.trainer.run.batch_norm import Whole, synchronised
from stroi.trainer.run.distributed import World
from stroi.trainer.run.gpu import Usage
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
    assert World(5, 8, local=3).device(name) == "cuda:3"
    assert current == [torch.device("cuda:3")]


def test_a_gpu_that_is_named_becomes_the_current_one(current: list[torch.device]) -> None:
    pick_device("cuda:2")
    assert current == [torch.device("cuda:2")]


def test_no_gpu_is_touched_for_a_training_on_the_processor(current: list[torch.device]) -> None:
    assert World(5, 8, local=3).device("cpu") == "cpu"
    pick_device("cpu")
    pick_device("cuda")
    assert current == []


def test_more_processes_than_gpus_are_refused(current: list[torch.device]) -> None:
    with pytest.raises(ParamsError, match="DEVICE: there is no device 'cuda:4'"):
        World(4, 5, local=4).device("cuda")
    assert current == []


@pytest.mark.parametrize(
    "error",
    [
        ModuleNotFoundError("nvidia-ml-py does not seem to be installed"),
        RuntimeError("cuda driver can't be loaded"),
        type("NVMLError_NoPermission", (Exception,), {})("Insufficient Permissions"),
    ],
)
def test_a_driver_that_does_not_tell_ends_no_training(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    asked: list[torch.device] = []

    def refused(device: torch.device) -> int:
        asked.append(device)
        raise error

    monkeypatch.setattr(torch.cuda, "utilization", refused)
    usage = Usage(CUDA)
    usage.sample()
    usage.sample()
    assert usage.mean() is None
    assert asked == [CUDA]


def test_a_driver_that_tells_is_asked_at_every_look(monkeypatch: pytest.MonkeyPatch) -> None:
    told = iter((40, 60))
    monkeypatch.setattr(torch.cuda, "utilization", lambda device: next(told))
    usage = Usage(CUDA)
    usage.sample()
    usage.sample()
    assert usage.mean() == pytest.approx(0.5)
    assert usage.mean() is None


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
    return nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.Sequential(nn.BatchNorm2d(4)))


def test_torchs_own_layers_hold_the_tensors_of_ours_and_go_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(batch_norm, "_on_gpu", lambda model: True)
    net, x = _net().eval(), torch.randn(3, 2, 5, 5)
    before, layers, judged = net.state_dict(), list(net.modules()), net(x)
    with synchronised(net, World(0, 2), Whole(4)):
        assert sum(isinstance(each, nn.SyncBatchNorm) for each in net.modules()) == 2
        assert not any(isinstance(each, nn.BatchNorm2d) for each in net.modules())
        within = net.state_dict()
        assert list(within) == list(before)
        assert all(within[name].data_ptr() == before[name].data_ptr() for name in before)
        assert torch.equal(net(x), judged)
        net.train()
    assert list(net.modules()) == layers
    assert all(each.training for each in net.modules())


def _steps(one: World, given: None) -> dict[int, object]:
    """What the layers of a network on a pretended GPU do with batches of 1 and 2 clips."""
    batch_norm._on_gpu = lambda model: True  # type: ignore[assignment]
    found: dict[int, object] = {}
    whole, x = Whole(), torch.randn(2, 2, 5, 5, generator=torch.Generator().manual_seed(0))
    for count in (1, 2):
        net = _net()
        with synchronised(net, one, whole):
            whole.clips = count
            try:
                found[count] = net(x[:count][one.shard_slice(count)]).detach().numpy()
            except ValueError as error:
                found[count] = str(error)
    return found


def test_torchs_own_layer_is_asked_where_every_process_has_a_clip() -> None:
    """It would count the clip of a process that has none; it refuses to run on a processor."""
    expected = _net()(torch.randn(2, 2, 5, 5, generator=torch.Generator().manual_seed(0))[:1])
    for one in together(_steps, [None, None]):
        assert "SyncBatchNorm expected input tensor to be on GPU" in one[2]
        torch.testing.assert_close(torch.from_numpy(one[1]), expected.detach())
