"""Scores of the RGB branch."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing

import numpy as np
import torch

from stroi.cache.mosaics import MosaicCache
from stroi.cache.scores import Scores
from stroi.cache.weights import Weights
from stroi.trainer.data.epoch_order import mosaic_batches
from stroi.trainer.data.side_inputs import load_side_inputs, scored_columns
from stroi.trainer.data.skeleton_input import ClipSource
from stroi.trainer.models.weighted_mosaic_net import WeightedMosaicNet
from stroi.trainer.runtime import deterministic, evaluating
from stroi.trainer.steps import forward

BATCH = 32
"""Mosaics per forward pass; results do not depend on it beyond the last bits of a float."""


def score_resnet(
    model: WeightedMosaicNet,
    mosaics: MosaicCache,
    ids: Sequence[str],
    *,
    weights: Weights | None = None,
    clips: ClipSource | None = None,
    threads: int = 1,
) -> Scores:
    """Logits of the RGB branch, in float32 and evaluation mode.

    The skeleton branch of a jointly trained network is scored by
    `stroi.trainer.score_gcn.score_gcn` with `model.gcn`.

    Args:
        model: Trained network, on any device; left as it was.
        mosaics: The mosaics.
        ids: N sample ids, in any order.
        weights: Row weights, if the model was trained in fixed mode.
        clips: Skeletons, if it was trained in joint mode.
        threads: CPU threads.

    Returns:
        Scores of the samples, sorted by id.

    Raises:
        ParamsError: ``MODE_INPUTS`` if what the model's mode needs is not given.
        RefusedInput: ``ID_UNKNOWN``, ``WEIGHTS_IDS``.
        StroiError: ``CLIP_EMPTY``.
    """
    ordered = tuple(sorted(ids))
    where = next(model.parameters()).device
    form = model.gcn.config.preparation if model.gcn is not None else {}
    beside = load_side_inputs(
        model.mode, mosaics, ordered,
        weights=weights, clips=clips, missing=model.config.missing, **form,
    )  # fmt: skip
    starts = range(0, len(ordered), BATCH)
    parts = [np.arange(start, min(start + BATCH, len(ordered))) for start in starts]
    found = []
    columns = scored_columns(mosaics, len(ordered))
    batches = mosaic_batches(mosaics, ordered, parts, device=where, columns=columns)
    with deterministic(0, threads), evaluating(model), torch.no_grad(), closing(batches):
        for batch in batches:
            logits, _ = forward(model, batch, beside)
            found.append(logits.cpu())
    return Scores(ordered, torch.cat(found).numpy(), model.classes)
