"""Scores and joint weights out of a trained graph network (Algorithm 1, step 3; eq. 4).

Every body goes through the network by itself, in passes of one fixed number of bodies of which
the last is filled up: at a given number of threads the bits of its result depend on the body
alone, whatever clips it stands among.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from stroi.cache.errors import RefusedInput
from stroi.cache.scores import Scores
from stroi.cache.weights import Weights
from stroi.trainer.config import PersonPooling, Precision, SkeletonAugment, WeightFormula
from stroi.trainer.data.skeleton_augment import augmented, draws_of_clip
from stroi.trainer.data.skeleton_input import ClipSource, SkeletonSet, prepare_all
from stroi.trainer.models.graph_net import GraphNet
from stroi.trainer.models.joint_attention import joint_weights, row_weights, training_constant
from stroi.trainer.runtime import autocast, deterministic, evaluating

BODIES = 16
"""Bodies of one forward pass."""
CLIPS = 256
"""Clips that are prepared at a time; no result depends on it."""


@dataclass(frozen=True)
class _Clips:
    """What the network says of N clips, or of N copies of clips.

    Attributes:
        logits: (N, C).
        joint: (N, 2, V) joint weights, 0 for absent persons.
        present: (N, 2) bool.
    """

    logits: Tensor
    joint: Tensor
    present: Tensor


def score_gcn(
    model: GraphNet, clips: ClipSource, ids: Sequence[str], *, threads: int = 1, draws: int = 0
) -> Scores:
    """Logits of the skeleton branch, in float32 and evaluation mode.

    The logits of a clip are the mean of its bodies' logits. That is the network's own rule: its
    last layer is linear and takes the mean over the bodies.

    Args:
        model: Trained network, on any device; left as it was.
        clips: Skeletons by sample id.
        ids: N sample ids, in any order.
        threads: CPU threads.
        draws: Copies of a clip that are scored instead of it, each changed at random as the
            network's training clips were; their logits are averaged. 0 scores the clip as it is.

    Returns:
        Scores of the samples, sorted by id.

    Raises:
        StroiError: ``CLIP_EMPTY`` naming a clip without a person.
    """
    found = _seen(model, clips, sorted(ids), threads, draws=draws)
    logits = found.logits.view(len(ids), max(1, draws), -1).mean(1)
    return Scores(tuple(sorted(ids)), logits.numpy(), model.classes)


def dump_weights(
    model: GraphNet,
    clips: ClipSource,
    ids: Sequence[str],
    *,
    bodies: PersonPooling = "strongest",
    kind: WeightFormula = "mean",
    training: Sequence[str] = (),
    precision: Precision = "fp32",
    threads: int = 1,
) -> Weights:
    """Joint weights (eq. 4) and row weights of every clip, by itself, in evaluation mode.

    Args:
        model: Trained network, on any device; left as it was.
        clips: Skeletons by sample id.
        ids: N sample ids, in any order.
        bodies: See `stroi.trainer.models.joint_attention.row_weights`.
        kind: See `stroi.trainer.models.joint_attention.joint_weights`.
        training: See `scaled_weights`.
        precision: Of the network's convolutions; eq. 4 itself is always float32.
        threads: CPU threads.

    Returns:
        Weights sorted by id: joint (N, 2, V), 0 for absent persons; row (N, 2, K), for absent
        persons those of the other one.

    Raises:
        StroiError: ``CLIP_EMPTY`` naming a clip without a person.
        RefusedInput: ``ID_UNKNOWN`` naming a training clip that is not among `ids`.
    """
    return scaled_weights(
        model, clips, ids, bodies=bodies, kind=kind, training=training, precision=precision,
        threads=threads,
    )[0]  # fmt: skip


def scaled_weights(
    model: GraphNet,
    clips: ClipSource,
    ids: Sequence[str],
    *,
    bodies: PersonPooling,
    kind: WeightFormula,
    training: Sequence[str],
    precision: Precision,
    threads: int,
) -> tuple[Weights, float | None]:
    """As `dump_weights`, with the constant that divides the rows.

    Args:
        model: As there.
        clips: As there.
        ids: As there.
        bodies: As there.
        kind: As there.
        training: The training clips, among `ids`: rows are divided by what
            `stroi.trainer.models.joint_attention.training_constant` finds in them. Without any,
            each clip's rows are scaled to mean 1.
        precision: As there.
        threads: As there.

    Returns:
        The weights, and the constant; None without training clips.

    Raises:
        StroiError: As there.
        RefusedInput: As there.
    """
    ordered = sorted(ids)
    fitted = _rows(ordered, sorted(training))
    found = _seen(model, clips, ordered, threads, kind, precision)
    constant = None
    if fitted:
        constant = training_constant(
            found.joint[fitted], found.present[fitted], bodies=bodies, layout=model.layout
        )
    rows = row_weights(
        found.joint, found.present, bodies=bodies, layout=model.layout, constant=constant
    )
    arrays = [values.numpy().astype(np.float32) for values in (found.joint, rows)]
    return Weights(tuple(ordered), *arrays), constant


def _rows(ordered: Sequence[str], wanted: Sequence[str]) -> list[int]:
    """Places of `wanted` in `ordered`."""
    places = {sample: row for row, sample in enumerate(ordered)}
    for sample in wanted:
        if sample not in places:
            raise RefusedInput(
                "ID_UNKNOWN",
                f"training clip {sample!a} is not among the clips to weigh",
                remedy="weigh all clips of the data set at once",
            )
    return [places[sample] for sample in wanted]


def _seen(
    model: GraphNet,
    clips: ClipSource,
    ordered: Sequence[str],
    threads: int,
    kind: WeightFormula = "mean",
    precision: Precision = "fp32",
    draws: int = 0,
) -> _Clips:
    """What the network says of the clips `ordered`, or of `draws` changed copies of each."""
    parts = []
    clips_at_once = max(1, CLIPS // max(1, draws))
    for start in range(0, len(ordered), clips_at_once):
        some = ordered[start : start + clips_at_once]
        data = prepare_all(clips, some, **model.config.preparation)
        with deterministic(0, threads), evaluating(model), torch.no_grad():
            x, present = _copies(data, draws, model.config.augment)
            # What a clip's own size or origin is takes both persons: first the stream, then the
            # bodies one by one.
            bodies = model.stream(x)[present]
            logits, joint = zip(*_passes(model, bodies, kind, precision), strict=True)
        spread = torch.zeros(*present.shape, len(model.classes))
        spread[present] = torch.cat(logits)[: len(bodies)]
        weights = torch.zeros(*present.shape, bodies.shape[2])
        weights[present] = torch.cat(joint)[: len(bodies)]
        parts.append(_Clips(spread.sum(1) / present.sum(1, keepdim=True), weights, present))
    return _Clips(
        torch.cat([part.logits for part in parts]),
        torch.cat([part.joint for part in parts]),
        torch.cat([part.present for part in parts]),
    )


def _copies(data: SkeletonSet, draws: int, how: SkeletonAugment) -> tuple[Tensor, Tensor]:
    """(N, M, T, V, 3) clips and (N, M) presence, or of `draws` changed copies of each in a row."""
    x, present = torch.from_numpy(data.x), torch.from_numpy(data.present)
    if draws == 0:
        return x, present
    frames, joints = x.shape[2:4]
    copies = [
        # One clip at a time: the bits of its copies must not depend on what lies beside it.
        augmented(
            clip.expand(draws, *clip.shape),
            draws_of_clip(sample_id, draws, frames=frames, joints=joints),
            how,
            data.layout,
        )
        for sample_id, clip in zip(data.ids, x, strict=True)
    ]
    return torch.cat(copies), present.repeat_interleave(draws, dim=0)


def _passes(
    model: GraphNet, bodies: Tensor, kind: WeightFormula, precision: Precision
) -> Iterator[tuple[Tensor, Tensor]]:
    """Logits (`BODIES`, C) and joint weights (`BODIES`, V) of every pass.

    Args:
        model: The network.
        bodies: (B, T, V, 3) bodies, as the network's stream has them.
        kind: Formula of eq. 4.
        precision: Of the network's convolutions.
    """
    where = next(model.parameters()).device
    for start in range(0, len(bodies), BODIES):
        part = bodies[start : start + BODIES]
        if len(part) < BODIES:
            part = torch.cat([part, part.new_zeros(BODIES - len(part), *part.shape[1:])])
        with autocast(where, precision):
            feature = model.features(part.to(where)).to(model.fc.weight.dtype)
            logits = model.fc(feature.mean((2, 3)))
        weights = joint_weights(feature.float()[:, None], kind=kind)[:, 0]
        yield logits.float().cpu(), weights.cpu()
