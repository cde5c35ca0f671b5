"""Cheap dropout: its share, its scale, and that every decision is one of its own."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from stroi.trainer.models.dropout import Dropout

FLOATS = (torch.bfloat16, torch.float32, torch.float64)


@pytest.mark.parametrize("dtype", FLOATS)
def test_half_is_kept_and_doubled(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    got = Dropout(0.5)(torch.ones(1000, 99, dtype=dtype))
    assert got.dtype == dtype
    assert set(got.unique().tolist()) == {0.0, 2.0}
    assert abs(float(got.double().mean()) - 1) < 0.01


@pytest.mark.parametrize("dtype", FLOATS[:2])
def test_every_decision_is_drawn_by_itself(dtype: torch.dtype) -> None:
    """Bits of one word decide far apart: no place, and no pair of places, prefers a side."""
    torch.manual_seed(0)
    dropout, count = Dropout(0.5), 93
    draws = torch.stack([dropout(torch.ones(count, dtype=dtype)) for _ in range(4000)])
    signs = draws.double() - 1
    together = signs.T @ signs / len(signs)
    assert float(signs.mean(0).abs().max()) < 0.08
    assert float((together - torch.eye(count)).abs().max()) < 0.1


@pytest.mark.parametrize("count", [1, 7, 14, 15, 16, 31, 32, 63, 64, 65])
@pytest.mark.parametrize("dtype", FLOATS)
def test_any_number_of_activations(count: int, dtype: torch.dtype) -> None:
    assert Dropout(0.5)(torch.ones(count, dtype=dtype)).shape == (count,)


@pytest.mark.parametrize(("p", "kept"), [(0.0, 256), (0.25, 192), (0.9, 26)])
def test_share(p: float, kept: int) -> None:
    torch.manual_seed(0)
    got = Dropout(p)(torch.ones(200_000))
    assert float((got > 0).float().mean()) == pytest.approx(kept / 256, abs=0.005)
    assert float(got.max()) == pytest.approx(256 / kept)


@pytest.mark.parametrize("p", [0.5, 0.25])
def test_masks_the_elements_of_a_channels_last_picture(p: float) -> None:
    torch.manual_seed(0)
    x = torch.rand(2, 3, 4, 5).add(1).to(memory_format=torch.channels_last).requires_grad_()
    got = Dropout(p)(x)
    (gradient,) = torch.autograd.grad(got.sum(), x)
    np.testing.assert_allclose(got.detach().numpy(), (x * gradient).detach().numpy())
    assert 0 < int((gradient == 0).sum()) < gradient.numel()
    assert got.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("p", [0.5, 0.25])
@pytest.mark.parametrize("training", [True, False])
def test_shortcut_is_added_whole(p: float, training: bool) -> None:
    dropout = Dropout(p).train(training)
    x, shortcut = torch.rand(3, 50), torch.rand(3, 50)
    torch.manual_seed(1)
    alone = dropout(x)
    torch.manual_seed(1)
    torch.testing.assert_close(dropout(x, shortcut), alone + shortcut)


def test_is_off_in_evaluation() -> None:
    x = torch.rand(5, 5)
    assert torch.equal(Dropout(0.5).eval()(x), x)
