"""EfficientNet-Lite0: names, padding and numbers against readings of their own."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pytest
import torch
from lite0 import BLOCKS, functional_lite0
from numpy.typing import NDArray
from torch import Tensor

from stroi.trainer.models.efficientnet_lite import (
    EfficientNetLite0,
    InvertedResidual,
    SameConv,
    Stage,
)

Array = NDArray[np.float64]


def _norm(name: str, width: int) -> dict[str, tuple[int, ...]]:
    parts = ("weight", "bias", "running_mean", "running_var")
    return {f"{name}.{part}": (width,) for part in parts} | {f"{name}.num_batches_tracked": ()}


def _published_names() -> dict[str, tuple[int, ...]]:
    names = {"_conv_stem.weight": (32, 3, 3, 3), **_norm("_bn0", 32)}
    for number, (kernel, _, before, inside, after) in enumerate(BLOCKS):
        at = f"_blocks.{number}"
        if inside != before:
            names |= {f"{at}._expand_conv.weight": (inside, before, 1, 1)}
            names |= _norm(f"{at}._bn0", inside)
        names |= {f"{at}._depthwise_conv.weight": (inside, 1, kernel, kernel)}
        names |= _norm(f"{at}._bn1", inside)
        names |= {f"{at}._project_conv.weight": (after, inside, 1, 1)}
        names |= _norm(f"{at}._bn2", after)
    names |= {"_conv_head.weight": (1280, 320, 1, 1), **_norm("_bn1", 1280)}
    return names | {"_fc.weight": (1000, 1280), "_fc.bias": (1000,)}


def test_names_and_shapes_are_those_of_the_published_checkpoint() -> None:
    with torch.device("meta"):
        net = EfficientNetLite0(1000)
    got = {name: tuple(value.shape) for name, value in net.state_dict().items()}
    assert got == _published_names()
    # As its authors publish it: 4.7 million, 4,652,008 with the classifier.
    assert sum(value.numel() for value in net.parameters()) == 4_652_008


def _same_conv(x: Array, weight: Array, stride: int) -> Array:
    """TensorFlow's "SAME" convolution of (C_in, H, W), written down: each output px by itself.

    `weight` is (C, C_in / groups, k, k), with one group, or one per channel.
    """
    channels, per_group, kernel, _ = weight.shape
    size = [math.ceil(side / stride) for side in x.shape[1:]]
    before = [
        max((out - 1) * stride + kernel - side, 0) // 2
        for out, side in zip(size, x.shape[1:], strict=True)
    ]
    y = np.zeros((channels, *size))
    for c, i, j in np.ndindex(y.shape):
        sources = range(len(x)) if per_group == len(x) else [c]
        for number, source in enumerate(sources):
            for u, v in np.ndindex(kernel, kernel):
                row, column = i * stride - before[0] + u, j * stride - before[1] + v
                if 0 <= row < x.shape[1] and 0 <= column < x.shape[2]:
                    y[c, i, j] += weight[c, number, u, v] * x[source, row, column]
    return y


@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [(6, 7), (5, 8), (1, 2)])
def test_padding_is_that_of_tensorflow(kernel: int, stride: int, size: tuple[int, int]) -> None:
    torch.manual_seed(kernel + stride)
    conv = SameConv(2, 3, kernel, stride).double()
    x = torch.randn(1, 2, *size, dtype=torch.float64)
    with torch.no_grad():
        got = conv(x)[0].numpy()
    np.testing.assert_allclose(
        got, _same_conv(x[0].numpy(), conv.weight.detach().numpy(), stride), atol=1e-12
    )


def _settled(net: torch.nn.Module) -> torch.nn.Module:
    """Statistics and factors of batch normalisation that are not the identity."""
    with torch.no_grad():
        for name, value in net.state_dict().items():
            if name.endswith(("running_var", "_bn0.weight", "_bn1.weight", "_bn2.weight")):
                value.uniform_(0.5, 1.5)
            elif name.endswith(("running_mean", "bias")):
                value.normal_(0, 0.3)
    return net.eval()


def _block(state: Mapping[str, Array], x: Array, stride: int) -> Array:
    """An inverted residual block of one picture (C_in, H, W) in numpy."""

    def norm(y: Array, name: str) -> Array:
        mean, var, scale, shift = (
            state[f"{name}.{part}"][:, None, None]
            for part in ("running_mean", "running_var", "weight", "bias")
        )
        return (y - mean) / np.sqrt(var + 1e-3) * scale + shift

    y = x
    if "_expand_conv.weight" in state:
        weight = state["_expand_conv.weight"][:, :, 0, 0]
        y = np.clip(norm(np.einsum("oi,ihw->ohw", weight, y), "_bn0"), 0, 6)
    y = np.clip(norm(_same_conv(y, state["_depthwise_conv.weight"], stride), "_bn1"), 0, 6)
    y = norm(np.einsum("oi,ihw->ohw", state["_project_conv.weight"][:, :, 0, 0], y), "_bn2")
    return y + x if y.shape == x.shape else y


@pytest.mark.parametrize(
    ("channels_in", "stage", "stride"),
    [
        (3, Stage(1, 3, 1, 1, 3), 1),
        (3, Stage(1, 5, 2, 6, 3), 2),
        (3, Stage(2, 5, 2, 6, 3), 1),
        (3, Stage(1, 3, 1, 4, 5), 1),
    ],
    ids=["no expansion", "stride", "shortcut", "other channels"],
)
def test_a_block_against_numpy(channels_in: int, stage: Stage, stride: int) -> None:
    torch.manual_seed(0)
    block = _settled(InvertedResidual(channels_in, stage, stride, 0.0)).double()
    state = {name: value.numpy() for name, value in block.state_dict().items()}
    x = torch.randn(2, channels_in, 5, 4, dtype=torch.float64)
    with torch.no_grad():
        got = block(x.clone()).numpy()
    for n in range(2):
        np.testing.assert_allclose(got[n], _block(state, x[n].numpy(), stride), atol=1e-10)
    assert np.abs(got).max() > 0.1


@pytest.mark.parametrize("size", [(40, 40), (45, 33)])
def test_the_network_against_plain_calls(size: tuple[int, int]) -> None:
    torch.manual_seed(1)
    net = _settled(EfficientNetLite0(7)).double()
    x = torch.randn(2, 3, *size, dtype=torch.float64)
    with torch.no_grad():
        got = net(x)
    torch.testing.assert_close(got, functional_lite0(net.state_dict(), x), rtol=1e-9, atol=1e-9)
    assert float(got.std()) > 0.01


def test_first_activations_neither_vanish_nor_explode() -> None:
    """Each stage of new weights keeps the size of its input: depthwise convolutions too."""
    torch.manual_seed(2)
    net = EfficientNetLite0(4)
    depthwise = net.get_submodule("_blocks.5._depthwise_conv").weight
    assert isinstance(depthwise, Tensor)
    wanted = math.sqrt(2 / 9)
    assert abs(float(depthwise.detach().std()) - wanted) < 0.05 * wanted


def test_stages_hold_every_parameter_but_the_classifiers() -> None:
    net = EfficientNetLite0(4)
    held = {
        id(value) for stage in net.stages() for module in stage for value in module.parameters()
    }
    rest = {name for name, value in net.named_parameters() if id(value) not in held}
    assert rest == {"_fc.weight", "_fc.bias"}
    assert [len(stage) for stage in net.stages()] == [2, 1, 2, 2, 3, 3, 4, 1, 2]


def test_dropout_acts_in_training_alone() -> None:
    torch.manual_seed(0)
    net, plain = EfficientNetLite0(4, 0.5), EfficientNetLite0(4)
    plain.load_state_dict(net.state_dict())
    x = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(net.eval()(x), plain.eval()(x))
        net.train()
        assert not torch.equal(net(x), net(x))
        plain.train()
        assert torch.equal(plain(x), plain(x))
