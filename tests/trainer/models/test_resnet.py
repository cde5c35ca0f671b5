"""ResNet18, 34, 50: torchvision's names and shapes, local weights."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import nn

from stroi.cache.errors import RefusedInput
from stroi.cache.files.digests import sha256_file
from stroi.trainer.config import RgbModel
from stroi.trainer.models.resnet import BasicBlock, Bottleneck, ResNet, convolve
from stroi.trainer.network_files.network_file import load_pretrained
from stroi.trainer.network_files.safetensors_io import write_tensors
from stroi.trainer.runtime import deterministic

BLOCKS: dict[RgbModel, tuple[int, ...]] = {
    "resnet18": (2, 2, 2, 2), "resnet34": (3, 4, 6, 3), "resnet50": (3, 4, 6, 3),
}  # fmt: skip
PARAMETERS = {"resnet18": 11_689_512, "resnet34": 21_797_672, "resnet50": 25_557_032}
"""As torchvision's documentation tells them, for 1000 classes."""


def _norm(name: str, width: int) -> dict[str, tuple[int, ...]]:
    parts = ("weight", "bias", "running_mean", "running_var")
    return {f"{name}.{part}": (width,) for part in parts} | {f"{name}.num_batches_tracked": ()}


def _published_names(model: RgbModel, classes: int) -> dict[str, tuple[int, ...]]:
    """State-dict names and shapes of torchvision's networks, from the architecture's rules."""
    names: dict[str, tuple[int, ...]] = {"conv1.weight": (64, 3, 7, 7), **_norm("bn1", 64)}
    before, deep = 64, model == "resnet50"
    for layer, width in ((1, 64), (2, 128), (3, 256), (4, 512)):
        out = 4 * width if deep else width
        kernels = ((width, 1), (width, 3), (out, 1)) if deep else ((width, 3), (width, 3))
        for block in range(BLOCKS[model][layer - 1]):
            at, inner = f"layer{layer}.{block}", before
            for number, (channels, side) in enumerate(kernels, 1):
                names[f"{at}.conv{number}.weight"] = (channels, inner, side, side)
                names |= _norm(f"{at}.bn{number}", channels)
                inner = channels
            if block == 0 and (layer > 1 or deep):
                names[f"{at}.downsample.0.weight"] = (out, before, 1, 1)
                names |= _norm(f"{at}.downsample.1", out)
            before = out
    return names | {"fc.weight": (classes, before), "fc.bias": (classes,)}


@pytest.mark.parametrize("model", BLOCKS)
def test_names_and_shapes_are_torchvisions(model: RgbModel) -> None:
    with torch.device("meta"):
        net = ResNet(1000, model)
    state = net.state_dict()
    assert {name: tuple(value.shape) for name, value in state.items()} == _published_names(
        model, 1000
    )
    assert sum(value.numel() for value in net.parameters()) == PARAMETERS[model]


def test_resnet18_has_122_entries() -> None:
    assert len(ResNet(1000).state_dict()) == 122


@pytest.mark.parametrize("model", ["resnet34", "resnet50"])
def test_a_bottleneck_strides_in_its_3x3_convolution(model: RgbModel) -> None:
    net = ResNet(4, model).eval()
    with torch.no_grad():
        assert net(torch.zeros(1, 3, 64, 96)).shape == (1, 4)
    block = net.layer2[0]
    strides = [conv.stride for name, conv in block.named_children() if name.startswith("conv")]
    assert strides == {"resnet34": [(2, 2), (1, 1)], "resnet50": [(1, 1), (2, 2), (1, 1)]}[model]


@pytest.mark.parametrize("model", BLOCKS)
def test_dropout_acts_within_blocks_in_training_alone(model: RgbModel) -> None:
    torch.manual_seed(0)
    net, plain = ResNet(4, model, 0.5), ResNet(4, model)
    plain.load_state_dict(net.state_dict())
    x = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(net.eval()(x), plain.eval()(x))
        net.train()
        assert not torch.equal(net(x), net(x))
        plain.train()
        assert torch.equal(plain(x), plain(x))


def test_halves_five_times() -> None:
    net = ResNet(4).eval()
    x = torch.zeros(1, 3, 64, 96)
    with torch.no_grad():
        assert net.layer4(net.layer3(net.layer2(net.layer1(net.maxpool(net.conv1(x)))))).shape == (
            1, 512, 2, 3,
        )  # fmt: skip
        assert net(x).shape == (1, 4)


def test_local_weights_replace_everything_but_the_head(tmp_path: Path) -> None:
    torch.manual_seed(1)
    published = ResNet(1000)
    path = tmp_path / "resnet18.safetensors"
    write_tensors(path, published.state_dict(), {})
    net = ResNet(4)
    head = net.fc.weight.clone()
    load_pretrained(net, path)
    assert torch.equal(net.fc.weight, head)
    for name, value in published.state_dict().items():
        if not name.startswith("fc."):
            assert torch.equal(net.state_dict()[name], value), name


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    state = ResNet(3).state_dict()
    del state["layer3.1.conv2.weight"]
    path = tmp_path / "odd.safetensors"
    write_tensors(path, state, {})
    with pytest.raises(RefusedInput, match=r"PTH_NAMES.*'layer3.1.conv2.weight' is missing"):
        load_pretrained(ResNet(4), path)


@pytest.mark.parametrize("model", ["resnet34", "resnet50"])
def test_deeper_networks_start_from_their_own_files(tmp_path: Path, model: RgbModel) -> None:
    torch.manual_seed(1)
    published, net = ResNet(1000, model), ResNet(4, model)
    path = tmp_path / f"{model}.safetensors"
    write_tensors(path, published.state_dict(), {})
    load_pretrained(net, path, sha256=sha256_file(path))
    assert torch.equal(net.layer4[2].conv2.weight, published.layer4[2].conv2.weight)
    with pytest.raises(RefusedInput, match="PTH_NAMES"):
        load_pretrained(ResNet(4), path)


def test_a_file_of_another_digest_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "start.safetensors"
    path.write_bytes(b"no weights at all")
    net = ResNet(4)
    before = net.conv1.weight.clone()
    with pytest.raises(RefusedInput, match=r"START_DIGEST.*SHA-256 is .*, not 0{64}; name the"):
        load_pretrained(net, path, sha256="0" * 64)
    with pytest.raises(RefusedInput, match=r"PTH_READ.*No such file"):
        load_pretrained(net, tmp_path / "absent", sha256="0" * 64)
    assert torch.equal(net.conv1.weight, before)


@pytest.mark.parametrize("block", [BasicBlock, Bottleneck])
@pytest.mark.parametrize("height", [1, 3])
def test_gradients_of_narrow_pictures_read_nothing_but_the_picture(
    block: type[BasicBlock] | type[Bottleneck], height: int
) -> None:
    """In bfloat16, whatever the memory holds that was used before."""
    with deterministic(0, 1):
        layer, x = block(32, 32, stride=2), torch.randn(4, 32, height, 1)
        gradients = []
        for used in (0.0, math.nan, 1e30):
            left = [torch.full((2**power,), used) for power in [*range(4, 22)] * 4]
            del left
            layer.zero_grad()
            with torch.autocast("cpu", torch.bfloat16):
                y = layer(x)
            y.float().square().sum().backward()
            gradients.append(
                {name: value.grad.clone() for name, value in layer.named_parameters()}  # type: ignore[union-attr]
            )
    assert all(value.isfinite().all() for value in gradients[1].values())
    for other in gradients[1:]:
        for name, value in gradients[0].items():
            torch.testing.assert_close(other[name], value, rtol=0, atol=0, msg=name)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (5, 1), (1, 5), (6, 4)])
def test_stride_of_narrow_pictures_changes_no_output(height: int, width: int) -> None:
    conv = nn.Conv2d(3, 4, 3, 2, 1, bias=False).bfloat16()
    x = torch.randn(2, 3, height, width).bfloat16()
    with torch.no_grad():
        expected = conv(x)
        with torch.autocast("cpu", torch.bfloat16):
            got = convolve(conv, x)
    assert got.shape == expected.shape
    torch.testing.assert_close(got, expected, rtol=0.02, atol=0.02)
