"""Where the row weights of each batch come from, in the three modes of Tables I and II."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stroi.cache.errors import ParamsError, RefusedInput
from stroi.cache.mosaics import MosaicCache
from stroi.cache.weights import Weights
from stroi.trainer.config import Align, Fill, Missing, Mode
from stroi.trainer.data.input_digests import array_digest, skeleton_digest
from stroi.trainer.data.skeleton_input import ClipSource, prepare_all
from stroi.trainer.models.cell_grid import CellGrid
from stroi.trainer.models.joint_attention import weights_in_mosaic


@dataclass(frozen=True)
class SideInputs:
    """What goes with the N mosaics of a run; everything is in the order of the ids.

    Attributes:
        halves: (N, 2, K) float32 row weights of both halves, fixed mode only.
        x: (N, M, T, V, 3) float32 prepared skeletons, joint mode only.
        present: (N, M) bool, joint mode only.
        persons: (N,) persons that each mosaic shows, joint mode only.
        shown: (N, 2, columns, K) bool, which half cells show a joint; only where it matters.
        digests: Digests of what is here, by name.
    """

    halves: Tensor | None
    x: Tensor | None
    present: Tensor | None
    persons: Tensor | None
    shown: Tensor | None
    digests: dict[str, str]


def cell_grid(mosaics: MosaicCache) -> CellGrid:
    """How the mosaics of a cache are divided that the network sees: L of their columns.

    Raises:
        RefusedInput: ``SCHEMA`` if their cells are not of one size, or their manifest tells of
            other columns.
    """
    height, width, _ = mosaics.shape
    columns, rows = mosaics.rows(mosaics.ids[:1]).shape[2:]
    if height % rows or width % columns:
        raise RefusedInput(
            "SCHEMA",
            f"{mosaics.folder}: {height} x {width} px are not {rows} x {columns} equal cells",
            remedy="rebuild the mosaics",
        )
    return CellGrid(rows, len(mosaics.scored), height // rows, width // columns)


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


def weights_per_half(
    weights: Weights, ids: Sequence[str], person_count: NDArray[np.int8]
) -> NDArray[np.float32]:
    """Row weights of the left and the right half of every cell.

    Args:
        weights: Weights by id and shown person.
        ids: N sample ids.
        person_count: (N,) persons shown by each mosaic, 1 or 2.

    Returns:
        (N, 2, K).

    Raises:
        RefusedInput: ``WEIGHTS_IDS`` if a sample has no weights.
    """
    place = {sample: row for row, sample in enumerate(weights.ids)}
    missing = [sample for sample in ids if sample not in place]
    if missing:
        raise RefusedInput(
            "WEIGHTS_IDS",
            f"{len(missing)} of {len(ids)} mosaics have no weights, the first is {missing[0]!a}",
            remedy="make the weights from the skeletons the mosaics were cut by",
        )
    rows = torch.from_numpy(weights.row[[place[sample] for sample in ids]])
    return weights_in_mosaic(rows, torch.from_numpy(person_count)).numpy()


def valid_per_half(mosaics: MosaicCache, ids: Sequence[str]) -> NDArray[np.bool_]:
    """Which halves of every cell show a joint.

    A mosaic of one person shows that person over the whole cell.

    Args:
        mosaics: The mosaics.
        ids: N sample ids.

    Returns:
        (N, 2, columns, K).
    """
    shown = mosaics.rows(ids)
    alone = mosaics.person_count(ids) == 1
    shown[alone, 1] = shown[alone, 0]
    return shown


def load_side_inputs(
    mode: Mode,
    mosaics: MosaicCache,
    ids: Sequence[str],
    *,
    weights: Weights | None,
    clips: ClipSource | None,
    frames: int | None = None,
    fill: Fill = "stretch",
    align: Align = "none",
    missing: Missing = "row",
) -> SideInputs:
    """What the mode needs beside the mosaics.

    Args:
        mode: ``plain``, ``fixed`` or ``joint``.
        mosaics: The mosaics.
        ids: N sample ids, sorted.
        weights: Needed in fixed mode.
        clips: Needed in joint mode.
        frames: T of the graph network, in joint mode.
        fill: How clips get them, in joint mode; see `stroi.trainer.data.skeleton_input.prepare`.
        align: How a sensor's joints are turned, in joint mode.
        missing: What the network weighs missing cells by.

    Raises:
        ParamsError: ``MODE_INPUTS`` if what the mode needs is not given.
        RefusedInput: ``WEIGHTS_IDS``.
        StroiError: ``CLIP_EMPTY``.
    """
    shown, digests = None, {}
    if missing == "zero":
        flags = valid_per_half(mosaics, ids)
        shown, digests = torch.from_numpy(flags), {"shown": array_digest(flags)}
    if mode == "fixed":
        if weights is None:
            raise ParamsError("MODE_INPUTS", "fixed mode needs weights", remedy="make them first")
        halves = weights_per_half(weights, ids, mosaics.person_count(ids))
        digests |= {"weights": array_digest(halves)}
        return SideInputs(torch.from_numpy(halves), None, None, None, shown, digests)
    if mode == "joint":
        if clips is None or frames is None:
            raise ParamsError(
                "MODE_INPUTS", "joint mode needs a trained GCN and skeletons", remedy="give both"
            )
        data = prepare_all(clips, ids, frames=frames, fill=fill, align=align)
        x, present = torch.from_numpy(data.x), torch.from_numpy(data.present)
        persons = torch.from_numpy(mosaics.person_count(ids))
        digests |= {"skeletons": skeleton_digest(data)}
        return SideInputs(None, x, present, persons, shown, digests)
    return SideInputs(None, None, None, None, shown, digests)
