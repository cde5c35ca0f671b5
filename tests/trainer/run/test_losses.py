"""Eq. 6 and the cross-entropy against numpy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from stroi.trainer.run.losses import branch_loss

LOGITS = np.random.default_rng(0).normal(0, 2, (6, 4))
LABELS = np.array([0, 1, 2, 3, 1, 0])
SHARES = np.exp(LOGITS) / np.exp(LOGITS).sum(1, keepdims=True)


def test_eq6_against_loops() -> None:
    total = 0.0
    for i in range(6):
        for c in range(4):
            total += (SHARES[i, c] - (1.0 if c == LABELS[i] else 0.0)) ** 2
    got = branch_loss(torch.from_numpy(LOGITS), torch.from_numpy(LABELS), "mse")
    assert float(got) == pytest.approx(total / 6)


def test_eq6_from_right_to_wrong() -> None:
    label = torch.tensor([1])
    sure = 1000 * torch.eye(3)
    assert float(branch_loss(sure[1:2], label, "mse")) == 0
    assert float(branch_loss(sure[:1], label, "mse")) == 2


def test_cross_entropy_against_numpy() -> None:
    got = branch_loss(torch.from_numpy(LOGITS), torch.from_numpy(LABELS), "cross_entropy")
    assert float(got) == pytest.approx(-np.log(SHARES[np.arange(6), LABELS]).mean())
