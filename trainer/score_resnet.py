"""Scores of the RGB branch."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing

import numpy as np
import torch
from numpy.typing import NDArray

from stroi.cache.mosaics import MosaicCache
from stroi.cache.rois import require_same_people, require_same_rows
from stroi.cache.scores import Scores
from stroi.cache.weights import Weights
from stroi.trainer.data.mosaic_loader import EpochPlan, stream_batches
from stroi.trainer.data.side_inputs import SideInputs, load_side_inputs
from stroi.trainer.data.skeleton_input import ClipSource
from stroi.trainer.models.weighted_mosaic_net import WeightedMosaicNet
from stroi.trainer.runtime import deterministic, evaluating

BATCH = 32
"""Mosaics per forward pass; results do not depend on it beyond the last bits of a float."""


def score_resnet(
    model: WeightedMosaicNet,
    mosaics: MosaicCache,
    ids: Sequence[str],
    *,
    weights: Weights | None = None,
    clips: ClipSource | None = None,
    side: SideInputs | None = None,
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
        clips: Skeletons, if it was trained in end-to-end mode.
        side: What `load_side_inputs` gives for the sorted `ids`, if it is there already.
        threads: CPU threads.

    Returns:
        Scores of the samples, sorted by id.

    Raises:
        ParamsError: ``MODE_INPUTS`` if what the model's mode needs is not given.
        RefusedInput: ``ID_UNKNOWN``, ``WEIGHTS_IDS``; ``ROWS_OTHER`` or ``PEOPLE_OTHER`` if the
            network was trained on mosaics of other rows, or of another number of people.
        StroiError: ``CLIP_EMPTY``.
    """
    require_same_rows(
        model.rows, "the network", mosaics.rows, f"{mosaics.folder}",
        "cut the mosaics with the rows of the network (mosaics.rows), or train anew",
    )  # fmt: skip
    require_same_people(
        model.cells.people, "the network", mosaics.people, f"{mosaics.folder}",
        "make the skeletons and mosaics with the network's number (skeletons.people), or train"
        " anew",
    )  # fmt: skip
    ordered = tuple(sorted(ids))
    device = next(model.parameters()).device
    side = side or load_side_inputs(
        model.mode, mosaics, ordered, weights=weights, clips=clips,
        gcn=None if model.gcn is None else model.gcn.config, missing=model.config.missing,
    )  # fmt: skip
    starts = range(0, len(ordered), BATCH)
    index = [np.arange(start, min(start + BATCH, len(ordered))) for start in starts]
    plan = EpochPlan(index, [len(part) for part in index], scored_columns(mosaics, len(ordered)))
    batches = stream_batches(mosaics, ordered, plan, device)
    logits = []
    with deterministic(0, threads), evaluating(model), torch.no_grad(), closing(batches):
        for batch in batches:
            inputs = side.select(batch.index, batch.columns).to(device)
            rgb, _ = model(
                batch.mosaics, inputs.row_weights, inputs.skeletons,
                person_count=inputs.person_count, cell_valid=inputs.cell_valid,
            )  # fmt: skip
            logits.append(rgb.float().cpu())
    return Scores(ordered, torch.cat(logits).numpy(), model.classes)


def scored_columns(mosaics: MosaicCache, count: int) -> NDArray[np.int64] | None:
    """Columns that are scored of each of N mosaics.

    Args:
        mosaics: The cache.
        count: N.

    Returns:
        (N, L) positions; None for all columns, if there are no candidates.
    """
    scored = mosaics.scored
    return None if len(scored) == mosaics.columns else np.tile(scored, (count, 1))
