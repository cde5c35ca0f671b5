"""What a training result depends on, as one digest, and the checks of labels."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from stroi.cache.errors import RefusedInput
from stroi.cache.files.atomic import digest
from stroi.cache.mosaics import MosaicCache
from stroi.trainer.config import GcnConfig, ResNetConfig, Schedule
from stroi.trainer.data.skeleton_input import SkeletonSet

ALGORITHM = 3
"""Raised whenever the same inputs and settings would train to another result."""

_BLOCK = 2**16
"""Values of an array that are copied at a time, if they do not lie in one piece."""


def run_key(
    what: str,
    config: GcnConfig | ResNetConfig,
    schedule: Schedule,
    *,
    seed: int,
    threads: int,
    device: torch.device,
    classes: Sequence[str],
    inputs: Mapping[str, str],
    processes: int = 1,
) -> str:
    """Digest of everything a training result depends on.

    Args:
        what: Kind of run.
        config: Settings of the network; those in use, see `stroi.trainer.run.used_settings`.
        schedule: Settings of the optimiser; likewise.
        seed: Seed.
        threads: CPU threads: another number gives other last bits.
        device: Where it trains.
        classes: Class names, of which the number counts.
        inputs: Digests of the data, by name.
        processes: How many train together.

    Returns:
        64 hexadecimal digits.
    """
    parts: dict[str, Any] = {
        "algorithm": ALGORITHM,
        "what": what,
        "config": config.model_dump(mode="json"),
        "schedule": schedule.model_dump(mode="json"),
        "seed": seed,
        "threads": threads,
        "processes": processes,
        "device": device.type,
        "torch": torch.__version__,
        # Its generators decide the order of clips and all random changes of them.
        "numpy": np.__version__,
        "classes": len(classes),
        "inputs": dict(inputs),
    }
    return digest(parts)


def array_digest(array: NDArray[Any]) -> str:
    """SHA-256 of an array's type, shape and values in C order; no more than a block is copied."""
    sha = hashlib.sha256(f"{array.dtype.str} {array.shape} ".encode())
    with np.nditer(
        array, ["external_loop", "buffered", "zerosize_ok"], order="C", buffersize=_BLOCK
    ) as blocks:
        for block in blocks:
            sha.update(np.ascontiguousarray(block).view(np.uint8).data)
    return sha.hexdigest()


def skeleton_digest(data: SkeletonSet) -> str:
    """SHA-256 of prepared skeletons and their ids."""
    return digest([list(data.ids), array_digest(data.x), array_digest(data.present)])


def model_digest(model: nn.Module) -> str:
    """SHA-256 of a network's parameters and buffers."""
    state = model.state_dict()
    return digest({name: array_digest(value.cpu().numpy()) for name, value in state.items()})


def mosaic_digest(mosaics: MosaicCache, ids: Sequence[str]) -> str:
    """SHA-256 of the mosaics of `ids`, from their manifest.

    Raises:
        RefusedInput: ``ID_UNKNOWN``.
    """
    known = mosaics.manifest.content_by_id
    for sample in ids:
        mosaics.find(sample)
    return digest({sample: known[sample] for sample in ids})


def label_array(
    labels: Mapping[str, int], ids: Sequence[str], classes: Sequence[str]
) -> NDArray[np.int64]:
    """Labels in the order of `ids`.

    Args:
        labels: Class number by sample id.
        ids: N sample ids.
        classes: C class names.

    Returns:
        (N,) numbers in [0, C).

    Raises:
        RefusedInput: ``LABEL_RANGE`` naming the first sample whose number is no class.
    """
    for sample in ids:
        if not 0 <= labels[sample] < len(classes):
            raise RefusedInput(
                "LABEL_RANGE",
                f"sample {sample!a} has label {labels[sample]}, there are {len(classes)} classes",
                remedy="number the classes from 0 without gaps",
            )
    return np.array([labels[sample] for sample in ids], np.int64)
