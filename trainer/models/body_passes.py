"""Bodies through a graph network in passes of one fixed number, of which the last is filled up.

So at a given number of threads the bits of a body's result depend on that body alone.

Legend of shapes: B bodies, T frames, T'' frames and D channels of the feature, V joints, C classes.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from stroi.trainer.config import Precision, WeightFormula
from stroi.trainer.models.graph_net import GraphNet
from stroi.trainer.models.joint_attention import joint_weights
from stroi.trainer.runtime import autocast

BODIES_PER_PASS = 16
"""Bodies of one forward pass."""


def score_bodies(
    model: GraphNet, bodies: Tensor, formula: WeightFormula, precision: Precision = "fp32"
) -> tuple[Tensor, Tensor]:
    """Logits (B, C) and joint weights (B, V) of bodies, on the CPU.

    Args:
        model: The network, in evaluation mode.
        bodies: (B, T, V, 3) bodies of the input stream, at least one.
        formula: Of eq. 4.
        precision: Of the network's convolutions.
    """
    # Two tensors for all: see `stroi.trainer.score_resnet.score_resnet`.
    logits = torch.empty(len(bodies), len(model.classes))
    joint = torch.empty(len(bodies), bodies.shape[2])
    passes = _forward_passes(model, bodies, formula, precision)
    for start, parts in zip(range(0, len(bodies), BODIES_PER_PASS), passes, strict=True):
        count = min(BODIES_PER_PASS, len(bodies) - start)
        for whole, part in zip((logits, joint), parts, strict=True):
            whole[start : start + count] = part[:count]
    return logits, joint


def _forward_passes(
    model: GraphNet, bodies: Tensor, formula: WeightFormula, precision: Precision
) -> Iterator[tuple[Tensor, Tensor]]:
    """Logits (`BODIES_PER_PASS`, C) and joint weights (`BODIES_PER_PASS`, V) of every pass."""
    device = next(model.parameters()).device
    for start in range(0, len(bodies), BODIES_PER_PASS):
        part = bodies[start : start + BODIES_PER_PASS]
        if len(part) < BODIES_PER_PASS:
            filler = part.new_zeros(BODIES_PER_PASS - len(part), *part.shape[1:])
            part = torch.cat([part, filler])
        with autocast(device, precision):
            feature = model.features(part.to(device)).to(model.fc.weight.dtype)  # (B, D, T'', V)
            logits = model.fc(feature.mean((2, 3)))
        joint = joint_weights(feature.float()[:, None], formula=formula)[:, 0]  # (B, V)
        yield logits.float().cpu(), joint.cpu()
