"""Scores and joint weights out of a trained graph network (Algorithm 1, step 3; eq. 4).

Every body goes through the network by itself (`stroi.trainer.models.body_passes`): the bits of a
clip's result do not depend on the other clips.

Legend of shapes: N clips, M persons, B bodies, T frames, V joints, K mosaic rows, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from stroi.cache.errors import RefusedInput
from stroi.cache.rois import PAPER, Rows
from stroi.cache.scores import Scores
from stroi.cache.weights import Weights
from stroi.trainer.config import Precision, SkeletonAugment, WeightFormula, WeightSettings
from stroi.trainer.data.prepared_clips import prepared_chunks
from stroi.trainer.data.skeleton_augment import augment_skeletons, clip_draws
from stroi.trainer.data.skeleton_input import ClipSource, SkeletonSet
from stroi.trainer.models.body_passes import score_bodies
from stroi.trainer.models.graph_net import GraphNet, scatter_to_persons
from stroi.trainer.models.joint_attention import row_weights, training_mean
from stroi.trainer.runtime import deterministic, evaluating

DEFAULT_WEIGHTS = WeightSettings()
CLIPS_PER_CHUNK = 256
"""Clips that are prepared at a time; no result depends on it."""


@dataclass(frozen=True)
class _Outputs:
    """Outputs of the network for N clips, or for N copies of clips.

    Attributes:
        logits: (N, C).
        joint: (N, M, V) joint weights, 0 for absent persons.
        present: (N, M) bool.
    """

    logits: Tensor
    joint: Tensor
    present: Tensor


def score_gcn(
    model: GraphNet,
    clips: ClipSource,
    ids: Sequence[str],
    *,
    threads: int = 1,
    tta_copies: int = 0,
) -> Scores:
    """Logits of the skeleton branch, in float32 and evaluation mode.

    The logits of a clip are the mean of its bodies' logits. That is the network's own rule: its
    last layer is linear and takes the mean over the bodies.

    Args:
        model: Trained network, on any device; left as it was.
        clips: Skeletons by sample id.
        ids: N sample ids, in any order.
        threads: CPU threads.
        tta_copies: Test-time augmentation: that many copies of a clip are scored instead of it,
            augmented as the network's training clips were, and their logits averaged. 0 scores
            the clip as it is.

    Returns:
        Scores of the samples, sorted by id.

    Raises:
        StroiError: ``CLIP_EMPTY`` naming a clip without a person.
    """
    ordered = sorted(ids)
    outputs = _run_network(model, clips, ordered, threads=threads, tta_copies=tta_copies)
    logits = outputs.logits.view(len(ordered), max(1, tta_copies), -1).mean(1)  # (N, C)
    return Scores(tuple(ordered), logits.numpy(), model.classes)


def compute_weights(
    model: GraphNet,
    clips: ClipSource,
    ids: Sequence[str],
    *,
    settings: WeightSettings = DEFAULT_WEIGHTS,
    rows: Rows = PAPER,
    training: Sequence[str] = (),
    weight_scale: float | None = None,
    precision: Precision = "fp32",
    threads: int = 1,
) -> tuple[Weights, float | None]:
    """Joint weights (eq. 4) and row weights (eq. 5) of every clip, in evaluation mode.

    Args:
        model: Trained network, on any device; left as it was.
        clips: Skeletons by sample id.
        ids: N sample ids, in any order.
        settings: Formula of eq. 4 and pooling of several persons.
        rows: What the mosaic's K rows show.
        training: The training clips, among `ids`: their mean row weight divides all rows.
            Without any, each clip's rows are scaled to mean 1.
        weight_scale: What divides all rows, if it is known already.
        precision: Of the network's convolutions; eq. 4 itself is always float32.
        threads: CPU threads.

    Returns:
        Weights sorted by id, joint (N, M, V) with 0 for absent persons, row (N, M, K) with an
        absent person's taken from the first one there; and what divided the rows, None if each
        clip scales its own.

    Raises:
        StroiError: ``CLIP_EMPTY`` naming a clip without a person.
        RefusedInput: ``ID_UNKNOWN`` naming a training clip that is not among `ids`.
    """
    ordered = sorted(ids)
    fitted = _positions(ordered, sorted(training))
    outputs = _run_network(
        model, clips, ordered, threads=threads, formula=settings.formula, precision=precision
    )
    joint, present, pooling = outputs.joint, outputs.present, settings.person_pooling
    if fitted:
        weight_scale = training_mean(
            joint[fitted], present[fitted], person_pooling=pooling, layout=model.layout, rows=rows
        )
    scaled = row_weights(
        joint, present, person_pooling=pooling, layout=model.layout, rows=rows,
        weight_scale=weight_scale,
    )  # fmt: skip
    of_joints, of_rows = (values.numpy().astype(np.float32) for values in (joint, scaled))
    return Weights(tuple(ordered), of_joints, of_rows, rows), weight_scale


def _positions(ordered: Sequence[str], training: Sequence[str]) -> list[int]:
    """Positions of the training clips in `ordered`."""
    positions = {sample: number for number, sample in enumerate(ordered)}
    for sample in training:
        if sample not in positions:
            raise RefusedInput(
                "ID_UNKNOWN",
                f"training clip {sample!a} is not among the clips to weigh",
                remedy="weigh all clips of the data set at once",
            )
    return [positions[sample] for sample in training]


def _run_network(
    model: GraphNet,
    clips: ClipSource,
    ordered: Sequence[str],
    *,
    threads: int,
    formula: WeightFormula = "mean",
    precision: Precision = "fp32",
    tta_copies: int = 0,
) -> _Outputs:
    """Outputs for the clips `ordered`, or for `tta_copies` augmented copies of each in a row."""
    chunks = []
    clips_per_chunk = max(1, CLIPS_PER_CHUNK // max(1, tta_copies))
    for data in prepared_chunks(clips, ordered, clips_per_chunk, **model.config.preparation):
        with deterministic(0, threads), evaluating(model), torch.no_grad():
            x, present = _augmented_copies(data, tta_copies, model.config.augment)
            # The size and origin of a clip come from all persons: first the stream, then the
            # bodies one by one.
            bodies = model.stream(x)[present]  # (N, M, T, V, 3) -> (B, T, V, 3)
            logits, joint = score_bodies(model, bodies, formula, precision)
        persons = scatter_to_persons(logits, present)  # (B, C) -> (N, M, C)
        mean = persons.sum(1) / present.sum(1, keepdim=True)  # (N, C)
        chunks.append(_Outputs(mean, scatter_to_persons(joint, present), present))
    return _Outputs(
        torch.cat([chunk.logits for chunk in chunks]),
        torch.cat([chunk.joint for chunk in chunks]),
        torch.cat([chunk.present for chunk in chunks]),
    )


def _augmented_copies(
    data: SkeletonSet, copies: int, augment: SkeletonAugment
) -> tuple[Tensor, Tensor]:
    """(N, M, T, V, 3) clips and (N, M) presence, or those of `copies` of each clip in a row."""
    x, present = torch.from_numpy(data.x), torch.from_numpy(data.present)
    if copies == 0:
        return x, present
    frames, joints = x.shape[2:4]
    augmented = [
        # One clip at a time: the bits of its copies must not depend on the other clips.
        augment_skeletons(
            clip.expand(copies, *clip.shape),
            clip_draws(sample_id, copies, frames=frames, joints=joints),
            augment,
            data.layout,
        )
        for sample_id, clip in zip(data.ids, x, strict=True)
    ]
    return torch.cat(augmented), present.repeat_interleave(copies, dim=0)
