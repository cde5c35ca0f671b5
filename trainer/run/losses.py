"""The objective of one branch (eq. 6, or the cross-entropy that published code trains with)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional

from stroi.cache.scores import Scores
from stroi.trainer.config import Loss
from stroi.trainer.data.epoch_order import label_array
from stroi.trainer.metrics.accuracy import accuracy


def branch_loss(logits: Tensor, labels: Tensor, loss: Loss, *, smoothing: float = 0.0) -> Tensor:
    """Loss of one branch; end-to-end training sums it over the skeleton and the RGB branch.

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
    one_hot = functional.one_hot(labels, logits.shape[1]).to(logits.dtype)
    return (logits.softmax(1) - one_hot).square().sum(1).mean()


def loss_and_accuracy(scores: Scores, labels: Mapping[str, int], loss: Loss) -> tuple[float, float]:
    """Validation of a network by its scores.

    Args:
        scores: Logits of N clips.
        labels: Class number of each of them.
        loss: Loss of the branch.

    Returns:
        Mean loss over the clips, and the share that is classified correctly.

    Raises:
        RefusedInput: ``LABEL_RANGE``.
    """
    truth = label_array(labels, scores.ids, scores.classes)
    mean = branch_loss(torch.from_numpy(scores.logits), torch.from_numpy(truth), loss)
    return float(mean), accuracy(scores.logits, truth)
