"""ResNet18: torchvision's names and shapes, local weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from stroi.cache.errors import RefusedInput
from stroi.trainer.checkpoint import write_tensors
from stroi.trainer.resnet import ResNet18, load_backbone


def _published_names(classes: int) -> dict[str, tuple[int, ...]]:
    """State-dict names and shapes of torchvision's resnet18, from the architecture's rules."""

    def norm(name: str, width: int) -> dict[str, tuple[int, ...]]:
        parts = ("weight", "bias", "running_mean", "running_var")
        return {f"{name}.{part}": (width,) for part in parts} | {f"{name}.num_batches_tracked": ()}

    names: dict[str, tuple[int, ...]] = {"conv1.weight": (64, 3, 7, 7), **norm("bn1", 64)}
    before = 64
    for layer, width in ((1, 64), (2, 128), (3, 256), (4, 512)):
        for block in (0, 1):
            at = f"layer{layer}.{block}"
            names[f"{at}.conv1.weight"] = (width, before if block == 0 else width, 3, 3)
            names |= norm(f"{at}.bn1", width)
            names[f"{at}.conv2.weight"] = (width, width, 3, 3)
            names |= norm(f"{at}.bn2", width)
            if block == 0 and layer > 1:
                names[f"{at}.downsample.0.weight"] = (width, before, 1, 1)
                names |= norm(f"{at}.downsample.1", width)
        before = width
    return names | {"fc.weight": (classes, 512), "fc.bias": (classes,)}


def test_names_and_shapes_are_torchvisions() -> None:
    state = ResNet18(1000).state_dict()
    assert {name: tuple(value.shape) for name, value in state.items()} == _published_names(1000)
    assert len(state) == 122
    assert sum(value.numel() for value in ResNet18(1000).parameters()) == 11_689_512


def test_halves_five_times() -> None:
    net = ResNet18(4).eval()
    x = torch.zeros(1, 3, 64, 96)
    with torch.no_grad():
        assert net.layer4(net.layer3(net.layer2(net.layer1(net.maxpool(net.conv1(x)))))).shape == (
            1, 512, 2, 3,
        )  # fmt: skip
        assert net(x).shape == (1, 4)


def test_local_weights_replace_everything_but_the_head(tmp_path: Path) -> None:
    torch.manual_seed(1)
    published = ResNet18(1000)
    path = tmp_path / "resnet18.safetensors"
    write_tensors(path, published.state_dict(), {})
    net = ResNet18(4)
    head = net.fc.weight.clone()
    load_backbone(net, path)
    assert torch.equal(net.fc.weight, head)
    for name, value in published.state_dict().items():
        if not name.startswith("fc."):
            assert torch.equal(net.state_dict()[name], value), name


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    state = ResNet18(3).state_dict()
    del state["layer3.1.conv2.weight"]
    path = tmp_path / "odd.safetensors"
    write_tensors(path, state, {})
    with pytest.raises(RefusedInput, match=r"PTH_NAMES.*'layer3.1.conv2.weight' is missing"):
        load_backbone(ResNet18(4), path)
