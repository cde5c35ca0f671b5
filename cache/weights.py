"""Weights files: how much each joint, and each mosaic row, counts in each clip.

Legend of shapes: N clips, P the most persons of a clip, V joints, K rows of the mosaic.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stroi.cache.errors import RefusedInput
from stroi.cache.files.atomic import write_atomic
from stroi.cache.ids import ids_from_array, ids_to_array
from stroi.cache.manifest import Manifest, file_entry, write_manifest
from stroi.cache.rois import PAPER, Rows, recorded_rows, rows_to_json
from stroi.cache.storage.formats import WEIGHTS
from stroi.cache.storage.hdf5 import decode, encode_learnt
from stroi.cache.storage.schema import sample_digests
from stroi.cache.verify import require_verified

WEIGHTS_NAME = "weights.h5"


@dataclass(frozen=True)
class Weights:
    """Joint weights of N clips, sorted by id (eq. 4).

    Attributes:
        ids: Sample ids, N.
        joint_weights: (N, P, V) float32 from 0; 0 for an absent person.
        row_weights: (N, P, K) float32 from 0, by default with mean 1 over K; an absent person has
            those of the first one that is there.
        rows: What the K rows show.
    """

    ids: tuple[str, ...]
    joint_weights: NDArray[np.float32]
    row_weights: NDArray[np.float32]
    rows: Rows = PAPER

    @property
    def people(self) -> int:
        """P, the most people of a clip."""
        return int(self.row_weights.shape[1])


def write_weights(
    folder: Path, weights: Weights, *, params: dict[str, Any], producer: dict[str, Any]
) -> None:
    """Write the weights of one checkpoint as ``weights.h5`` and a manifest.

    Args:
        folder: Folder of this file alone; created if need be.
        weights: The weights.
        params: The params group they depend on.
        producer: What made them; the checkpoint's digest among it. The rows are recorded there.

    Raises:
        RefusedInput: If ids, shapes, types or values are not as `Weights` says.
        StroiError: If the disk is full or read-only.
    """
    arrays = {
        "sample_id": ids_to_array(weights.ids),
        "joint": weights.joint_weights,
        "row": weights.row_weights,
    }
    data = encode_learnt(WEIGHTS, arrays)
    write_atomic(folder / WEIGHTS_NAME, data)
    entry = file_entry(WEIGHTS_NAME, data, weights.ids, sample_digests(WEIGHTS, arrays))
    made_by = producer | {"rows": rows_to_json(weights.rows)}
    write_manifest(folder, Manifest(WEIGHTS.kind, params, made_by, (entry,)))


def read_weights(folder: Path) -> Weights:
    """Read what `write_weights` wrote; digests are checked first.

    Raises:
        RefusedInput: If the folder is incomplete, damaged, or not one of weights.
    """
    rows = recorded_rows(require_verified(folder, WEIGHTS.kind).producer, str(folder))
    arrays = decode(WEIGHTS, folder / WEIGHTS_NAME)
    if arrays["row"].shape[2] != len(rows):
        raise RefusedInput(
            "SCHEMA",
            f"{folder}: weights of {arrays['row'].shape[2]} rows, its manifest says"
            f" {', '.join(row.name for row in rows)}",
            remedy="run stage weights again, or `dvc repro`",
        )
    return Weights(ids_from_array(arrays["sample_id"]), arrays["joint"], arrays["row"], rows)
