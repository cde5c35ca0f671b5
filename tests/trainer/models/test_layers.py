"""The layers: cheap dropout, the 1x1 convolution, first weights."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from stroi.trainer.models.layers import BitDropout, PointwiseConv, initialise_convolutions

FLOATS = (torch.bfloat16, torch.float32, torch.float64)


@pytest.mark.parametrize("dtype", FLOATS)
def test_half_is_kept_and_doubled(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    got = BitDropout(0.5)(torch.ones(1000, 99, dtype=dtype))
    assert got.dtype == dtype
    assert set(got.unique().tolist()) == {0.0, 2.0}
    assert abs(float(got.double().mean()) - 1) < 0.01


@pytest.mark.parametrize("dtype", FLOATS[:2])
def test_every_decision_is_drawn_by_itself(dtype: torch.dtype) -> None:
    """Bits of one word decide far apart: no place, and no pair of places, prefers a side."""
    torch.manual_seed(0)
    dropout, count = BitDropout(0.5), 93
    draws = torch.stack([dropout(torch.ones(count, dtype=dtype)) for _ in range(4000)])
    signs = draws.double() - 1
    together = signs.T @ signs / len(signs)
    assert float(signs.mean(0).abs().max()) < 0.08
    assert float((together - torch.eye(count)).abs().max()) < 0.1


@pytest.mark.parametrize("count", [1, 7, 14, 15, 16, 31, 32, 63, 64, 65])
@pytest.mark.parametrize("dtype", FLOATS)
def test_any_number_of_activations(count: int, dtype: torch.dtype) -> None:
    assert BitDropout(0.5)(torch.ones(count, dtype=dtype)).shape == (count,)


@pytest.mark.parametrize(("p", "kept"), [(0.0, 256), (0.25, 192), (0.9, 26)])
def test_share(p: float, kept: int) -> None:
    torch.manual_seed(0)
    got = BitDropout(p)(torch.ones(200_000))
    assert float((got > 0).float().mean()) == pytest.approx(kept / 256, abs=0.005)
    assert float(got.max()) == pytest.approx(256 / kept)


@pytest.mark.parametrize("p", [0.5, 0.25])
def test_masks_the_elements_of_a_channels_last_picture(p: float) -> None:
    torch.manual_seed(0)
    x = torch.rand(2, 3, 4, 5).add(1).to(memory_format=torch.channels_last).requires_grad_()
    got = BitDropout(p)(x)
    (gradient,) = torch.autograd.grad(got.sum(), x)
    np.testing.assert_allclose(got.detach().numpy(), (x * gradient).detach().numpy())
    assert 0 < int((gradient == 0).sum()) < gradient.numel()
    assert got.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("p", [0.5, 0.25])
@pytest.mark.parametrize("training", [True, False])
def test_shortcut_is_added_whole(p: float, training: bool) -> None:
    dropout = BitDropout(p).train(training)
    x, shortcut = torch.rand(3, 50), torch.rand(3, 50)
    torch.manual_seed(1)
    alone = dropout(x)
    torch.manual_seed(1)
    torch.testing.assert_close(dropout(x, shortcut), alone + shortcut)


def test_is_off_in_evaluation() -> None:
    x = torch.rand(5, 5)
    assert torch.equal(BitDropout(0.5).eval()(x), x)


def both(dtype: torch.dtype) -> tuple[PointwiseConv, nn.Conv2d]:
    """The layer, and torch's with the same weight."""
    torch.manual_seed(0)
    ours, plain = PointwiseConv(6, 10).to(dtype), nn.Conv2d(6, 10, 1, bias=False).to(dtype)
    plain.load_state_dict(ours.state_dict())
    return ours, plain


def results(layer: nn.Module, x: Tensor) -> list[Tensor]:
    """Output, and gradients of its weighted sum by input and weight."""
    x = x.clone().requires_grad_()
    y = layer(x)
    factors = torch.randn(y.shape, generator=torch.Generator().manual_seed(2), dtype=y.dtype)
    return [y, *torch.autograd.grad(y, (x, *layer.parameters()), factors)]


@pytest.mark.parametrize("bodies", [1, 4])
@pytest.mark.parametrize("step", [1, 2])
def test_same_as_a_convolution(bodies: int, step: int) -> None:
    x = torch.randn(bodies, 6, 8, 5, dtype=torch.float64)[:, :, ::step]
    ours, plain = both(torch.float64)
    for mine, wanted in zip(results(ours, x), results(plain, x), strict=True):
        torch.testing.assert_close(mine, wanted, rtol=1e-12, atol=1e-12)


def test_bfloat16_within_its_rounding() -> None:
    x = torch.randn(3, 6, 8, 5).bfloat16()
    ours, plain = both(torch.bfloat16)
    for mine, wanted in zip(results(ours, x), results(plain.float(), x.float()), strict=True):
        assert mine.dtype == torch.bfloat16
        torch.testing.assert_close(mine.float(), wanted, rtol=2**-6, atol=2**-4)


def test_no_bodies() -> None:
    assert PointwiseConv(6, 10)(torch.zeros(0, 6, 8, 5)).shape == (0, 10, 8, 5)


def test_deviation_is_that_of_the_fan_out() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(16, 64, 3), nn.Linear(4, 4))
    before = network[1].weight.clone()
    initialise_convolutions(network)
    drawn = network[0].weight.detach()
    expected = (2 / (64 * 3 * 3)) ** 0.5
    assert abs(float(drawn.std()) - expected) < 0.03 * expected
    assert abs(float(drawn.mean())) < 0.03 * expected
    assert torch.equal(network[1].weight, before)


def test_shapes_alone_load_no_compiler() -> None:
    script = (
        "import sys, torch\nfrom stroi.trainer.models.resnet import ResNet\n"
        "with torch.device('meta'):\n    assert ResNet(9).fc.weight.is_meta\n"
        "assert 'sympy' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
