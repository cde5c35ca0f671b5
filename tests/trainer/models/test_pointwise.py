"""The 1x1 convolution as products of matrices against torch's own convolution."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from stroi.trainer.models.pointwise import Pointwise


def both(dtype: torch.dtype) -> tuple[Pointwise, nn.Conv2d]:
    """The layer, and torch's with the same weight."""
    torch.manual_seed(0)
    ours, plain = Pointwise(6, 10).to(dtype), nn.Conv2d(6, 10, 1, bias=False).to(dtype)
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
    assert Pointwise(6, 10)(torch.zeros(0, 6, 8, 5)).shape == (0, 10, 8, 5)
