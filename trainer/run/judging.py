"""Judging a network after every epoch by clips that were held out of its training."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import torch
from torch import nn

from stroi.cache.scores import Scores
from stroi.trainer.config import Loss
from stroi.trainer.data.epoch_order import label_array
from stroi.trainer.metrics.accuracy import accuracy
from stroi.trainer.run.ema import BestWeights, WeightEma
from stroi.trainer.run.losses import branch_loss
from stroi.trainer.run.state import EpochRecord
from stroi.trainer.runtime import evaluating

Validate = Callable[[], tuple[float, float]]
"""Gives loss and accuracy, 0 to 1, of the network as it is at that moment."""


def validate_epoch(
    record: EpochRecord,
    before: Sequence[EpochRecord],
    model: nn.Module,
    validate: Validate,
    average: WeightEma | None,
    best: BestWeights | None,
) -> EpochRecord:
    """Judge an epoch, and keep its network if none before had a higher accuracy.

    Args:
        record: Of the epoch.
        before: Of the epochs before it.
        model: The network; it is judged in evaluation mode and left as it was.
        judge: Who judges.
        average: What is judged instead of the network, if there is one.
        best: Takes the network if it is the best.

    Returns:
        The record with the verdict.
    """
    now = BestWeights(model) if average is not None else None
    if average is not None:
        average.take(model)
    with evaluating(model), torch.no_grad():
        loss, share = validate()
    if best is not None and all(share > (each.validation_accuracy or 0.0) for each in before):
        best.put(model)
    if now is not None:
        now.take(model)
    found = loss if math.isfinite(loss) else None
    return replace(record, validation_loss=found, validation_accuracy=share)


def loss_and_accuracy(scores: Scores, labels: Mapping[str, int], loss: Loss) -> tuple[float, float]:
    """Loss and accuracy of scores.

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
    found = branch_loss(torch.from_numpy(scores.logits), torch.from_numpy(truth), loss)
    return float(found), accuracy(scores.logits, truth)
