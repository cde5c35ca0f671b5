"""The objective of one branch (eq. 6, or the cross-entropy that published code trains with)."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from stroi.trainer.config import Loss


def branch_loss(logits: Tensor, labels: Tensor, loss: Loss, *, smoothing: float = 0.0) -> Tensor:
    """Loss of one branch; joint training sums it over the skeleton and the RGB branch.

    ``mse`` is a term of eq. 6, (1/N) sum_i (yhat_i - y_i)^2, with the softmax of the logits as
    yhat, the one-hot label as y, and the square of a vector as the sum over its classes: a
    value from 0 to 2.

    Args:
        logits: (N, C).
        labels: (N,) int64 class numbers.
        loss: ``mse`` or ``cross_entropy``.
        smoothing: Share of the cross-entropy's target that is spread evenly over all classes.

    Returns:
        Scalar, mean over the N clips.
    """
    if loss == "cross_entropy":
        return functional.cross_entropy(logits, labels, label_smoothing=smoothing)
    truth = functional.one_hot(labels, logits.shape[1]).to(logits.dtype)
    return (logits.softmax(1) - truth).square().sum(1).mean()
