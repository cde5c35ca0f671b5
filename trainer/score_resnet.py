"""Scores of the RGB branch."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stroi.cache.rois import require_same_people, require_same_rows
from stroi.cache.scores import Scores
from stroi.cache.weights import Weights
from stroi.trainer.data.mosaic_batches import EpochPlan, stream_batches
from stroi.trainer.data.side_inputs import SideInputs, load_side_inputs
from stroi.trainer.data.skeleton_input import ClipSource
from stroi.trainer.data.window_reader import MosaicReader
from stroi.trainer.models.body_passes import score_bodies
from stroi.trainer.models.graph_net import scatter_to_persons
from stroi.trainer.models.joint_attention import row_weights
from stroi.trainer.models.weighted_mosaic_net import Skeletons, WeightedMosaicNet
from stroi.trainer.runtime import deterministic, evaluating, to_device

BATCH = 8
"""Mosaics of one forward pass; the last one is filled up. So at a given number of threads the bits
of a clip's scores depend on that clip alone."""


def score_resnet(
    model: WeightedMosaicNet,
    mosaics: MosaicReader,
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
    # The last clip fills up the last pass.
    index = [np.arange(start, start + BATCH).clip(max=len(ordered) - 1) for start in starts]
    plan = EpochPlan(index, [len(part) for part in index], scored_columns(mosaics, len(ordered)))
    batches = stream_batches(mosaics, ordered, plan, device)
    # One array for all: small tensors that stay would lie between those that every pass needs anew,
    # and the memory of a pass could not be used by the next one.
    logits = np.empty((len(ordered), len(model.classes)), np.float32)
    with deterministic(0, threads), evaluating(model), torch.no_grad(), closing(batches):
        for batch in batches:
            inputs = side.select(batch.index, batch.columns).to(device)
            rows = inputs.row_weights
            if inputs.skeletons is not None:
                rows = to_device(network_weights(model, inputs.skeletons), device)
            rgb, _ = model(
                batch.mosaics, rows,
                person_count=inputs.person_count, cell_valid=inputs.cell_valid,
            )  # fmt: skip
            logits[batch.index] = rgb.float().cpu().numpy()
    return Scores(ordered, logits, model.classes)


def network_weights(model: WeightedMosaicNet, skeletons: Skeletons) -> Tensor:
    """Row weights (B, P, K) that a network in end-to-end mode gives B clips, on the CPU.

    Raises:
        ValueError: If this network has no graph network.
    """
    gcn, config, present = model.gcn, model.config, skeletons.present
    if gcn is None:
        raise ValueError("only a network in end-to-end mode has a skeleton branch")
    _, joint = score_bodies(gcn, gcn.stream(skeletons.x)[present], config.formula)
    present = present.cpu()
    return row_weights(
        scatter_to_persons(joint, present),
        present,
        person_pooling=config.person_pooling,
        layout=gcn.layout,
        rows=model.rows,
        weight_scale=config.weight_scale,
    )


def scored_columns(mosaics: MosaicReader, count: int) -> NDArray[np.int64] | None:
    """Columns that are scored of each of N mosaics.

    Args:
        mosaics: The cache.
        count: N.

    Returns:
        (N, L) positions; None for all columns, if there are no candidates.
    """
    scored = mosaics.scored
    return None if len(scored) == mosaics.columns else np.tile(scored, (count, 1))
