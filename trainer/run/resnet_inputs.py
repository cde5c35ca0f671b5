"""Digests of all that a training of the RGB branch depends on beside its settings."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stroi.cache.files.atomic import digest, sha256_file
from stroi.cache.mosaics import MosaicCache
from stroi.cache.weights import Weights
from stroi.trainer.config import LoaderConfig
from stroi.trainer.data.epoch_order import label_array
from stroi.trainer.data.input_digests import array_digest, mosaic_digest
from stroi.trainer.data.side_inputs import SideInputs, load_side_inputs
from stroi.trainer.data.skeleton_input import ClipSource
from stroi.trainer.models.weighted_mosaic_net import WeightedMosaicNet
from stroi.trainer.run.run_key import model_digest
from stroi.trainer.run.used_settings import used_jointly


def input_digests(
    model: WeightedMosaicNet,
    mosaics: MosaicCache,
    ids: tuple[str, ...],
    truth: NDArray[np.int64],
    beside: SideInputs,
    feeding: LoaderConfig,
    pretrained: Path | None,
) -> dict[str, str]:
    """What the result depends on: a training goes on from a state of the same inputs alone.

    Args:
        model: The network before its first step.
        mosaics: The mosaics.
        ids: N training clips.
        truth: (N,) class numbers.
        beside: What goes with the mosaics.
        feeding: How they reach the network.
        pretrained: The weights file that the network started from, or None.

    Returns:
        Digests by name.
    """
    inputs = beside.digests | {
        "labels": array_digest(truth),
        "mosaics": mosaic_digest(mosaics, ids),
        "pretrained": "" if pretrained is None else sha256_file(pretrained),
        "gcn": "" if model.gcn is None else model_digest(model.gcn),
    }
    return inputs | _since(model, mosaics, ids, feeding)


def judged_digest(
    model: WeightedMosaicNet,
    mosaics: MosaicCache,
    held: Mapping[str, int],
    weights: Weights | None,
    clips: ClipSource | None,
) -> str:
    """Digest of the clips that judge every epoch: their mosaics, labels and what goes with them."""
    ids = tuple(sorted(held))
    form = model.gcn.config.preparation if model.gcn is not None else {}
    beside = load_side_inputs(
        model.mode, mosaics, ids, weights=weights, clips=clips, missing=model.config.missing,
        **form,
    )  # fmt: skip
    truth = array_digest(label_array(held, ids, model.classes))
    return digest([beside.digests, mosaic_digest(mosaics, ids), truth])


def _since(
    model: WeightedMosaicNet, mosaics: MosaicCache, ids: tuple[str, ...], feeding: LoaderConfig
) -> dict[str, str]:
    """What else a result depends on, where it does."""
    more = {}
    if feeding.order == "windowed":
        more["order"] = f"{feeding.window} of {array_digest(mosaics.stored(ids))}"
    if feeding.compile != "none":
        more["compile"] = feeding.compile
    if model.cells.columns < mosaics.columns:
        more["columns"] = f"{model.cells.columns} of {mosaics.columns}"
    if model.mode == "joint" and model.config.flip > 0:
        more["flip"] = "skeletons too"
    if model.gcn is not None:
        network = used_jointly(model.gcn.config, model.gcn.layout)
        more["network"] = digest([model.gcn.layout.name, network.model_dump(mode="json")])
    return more
