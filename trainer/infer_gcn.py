"""Scores and joint weights out of a trained graph network (Algorithm 1, step 3; eq. 4)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from stroi.cache.scores import Scores
from stroi.cache.weights import Weights
from stroi.trainer.backbones import GraphNet
from stroi.trainer.config import Bodies
from stroi.trainer.joint_weights import joint_weights, row_weights
from stroi.trainer.runtime import deterministic, evaluating
from stroi.trainer.skeletons import ClipSource, prepare_all

BATCH = 32
"""Clips per forward pass; results do not depend on it beyond the last bits of a float."""


def score_gcn(
    model: GraphNet, clips: ClipSource, ids: Sequence[str], *, threads: int = 1
) -> Scores:
    """Logits of the skeleton branch, in float32 and evaluation mode.

    Args:
        model: Trained network, on any device; left as it was.
        clips: Skeletons by sample id.
        ids: N sample ids, in any order.
        threads: CPU threads.

    Returns:
        Scores of the samples, sorted by id.

    Raises:
        StroiError: ``CLIP_EMPTY`` naming a clip without a person.
    """
    found = [logits for logits, _, _ in _forward(model, clips, ids, threads)]
    return Scores(tuple(sorted(ids)), torch.cat(found).numpy(), model.classes)


def dump_weights(
    model: GraphNet,
    clips: ClipSource,
    ids: Sequence[str],
    *,
    bodies: Bodies = "strongest",
    threads: int = 1,
) -> Weights:
    """Joint weights (eq. 4) and row weights of every clip, by itself, in evaluation mode.

    Args:
        model: Trained network, on any device; left as it was.
        clips: Skeletons by sample id.
        ids: N sample ids, in any order.
        bodies: See `stroi.trainer.joint_weights.row_weights`.
        threads: CPU threads.

    Returns:
        Weights sorted by id: joint (N, 2, V), 0 for absent persons; row (N, 2, K) with mean 1,
        1 for absent persons.

    Raises:
        StroiError: ``CLIP_EMPTY`` naming a clip without a person.
    """
    joints, rows = [], []
    for _, feature, present in _forward(model, clips, ids, threads):
        joint = joint_weights(feature)
        row = row_weights(joint, present, bodies=bodies, layout=model.layout)
        joints.append(joint)
        rows.append(row.masked_fill(~present[..., None], 1.0))
    ordered = tuple(sorted(ids))
    return Weights(
        ordered,
        torch.cat(joints).numpy().astype(np.float32),
        torch.cat(rows).numpy().astype(np.float32),
    )


def _forward(
    model: GraphNet, clips: ClipSource, ids: Sequence[str], threads: int
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Logits (B, C), feature (B, M, C', T, V) and presence (B, M) of every batch, on the CPU."""
    ordered = sorted(ids)
    where = next(model.parameters()).device
    for start in range(0, len(ordered), BATCH):
        part = prepare_all(clips, ordered[start : start + BATCH], **model.config.preparation)
        present = torch.from_numpy(part.present)
        with deterministic(0, threads), evaluating(model), torch.no_grad():
            logits, feature = model(torch.from_numpy(part.x).to(where), present.to(where))
        yield logits.cpu(), feature.cpu(), present
