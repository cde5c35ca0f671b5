"""What goes with the mosaics in each of the three modes of Tables I and II."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stroi.cache.errors import ParamsError, RefusedInput
from stroi.cache.rois import require_same_people, require_same_rows
from stroi.cache.weights import Weights
from stroi.trainer.config import GcnConfig, Missing, Mode
from stroi.trainer.data.input_digests import array_digest, clips_digest
from stroi.trainer.data.prepared_clips import kept
from stroi.trainer.data.skeleton_input import ClipSource
from stroi.trainer.data.window_reader import MosaicReader
from stroi.trainer.models.weighted_mosaic_net import Skeletons
from stroi.trainer.runtime import to_device


@dataclass(frozen=True)
class SideInputs:
    """What goes with N mosaics, in their order.

    Attributes:
        person_count: (N,) int8 persons that each mosaic shows.
        row_weights: (N, P, K) float32 weights of each person's part of the cells; fixed mode only.
        skeletons: Prepared skeletons of N clips; end-to-end mode only.
        cell_valid: (N, P, columns, K) bool, which persons' parts of the cells show a joint; only
            where it matters.
    """

    person_count: Tensor
    row_weights: Tensor | None = None
    skeletons: Skeletons | None = None
    cell_valid: Tensor | None = None

    def select(
        self, index: NDArray[np.int64], columns: NDArray[np.int64] | None = None
    ) -> SideInputs:
        """What goes with the clips at (B,) positions, of which (B, L) columns are shown."""
        rows = torch.from_numpy(index)
        side = self._map(lambda values: values[rows])
        if side.cell_valid is None or columns is None:
            return side
        clip = torch.arange(len(rows))[:, None]
        # (B, P, C, K) at (B, L) columns -> (B, L, P, K) -> (B, P, L, K)
        valid = side.cell_valid[clip, :, torch.from_numpy(columns)].transpose(1, 2)
        return replace(side, cell_valid=valid)

    def to(self, device: torch.device) -> SideInputs:
        """The same on a device."""
        return self._map(lambda values: to_device(values, device))

    def _map(self, change: Callable[[Tensor], Tensor]) -> SideInputs:
        return SideInputs(
            change(self.person_count),
            None if self.row_weights is None else change(self.row_weights),
            None if self.skeletons is None else Skeletons(*map(change, self.skeletons)),
            None if self.cell_valid is None else change(self.cell_valid),
        )


def row_weights_of(weights: Weights, ids: Sequence[str]) -> NDArray[np.float32]:
    """Row weights (N, P, K) of N samples.

    Raises:
        RefusedInput: ``WEIGHTS_IDS`` if a sample has no weights.
    """
    row_of = {sample: row for row, sample in enumerate(weights.ids)}
    missing = [sample for sample in ids if sample not in row_of]
    if missing:
        raise RefusedInput(
            "WEIGHTS_IDS",
            f"{len(missing)} of {len(ids)} mosaics have no weights, the first is {missing[0]!a}",
            remedy="make the weights from the skeletons the mosaics were cut by",
        )
    chosen: NDArray[np.float32] = weights.row_weights[[row_of[sample] for sample in ids]]
    return chosen


def check_mode_inputs(
    mode: Mode, *, weights: Weights | None, clips: ClipSource | None, gcn: GcnConfig | None
) -> None:
    """Make sure that what the mode needs besides the mosaics is given.

    Raises:
        ParamsError: ``MODE_INPUTS``.
    """
    if mode == "fixed" and weights is None:
        raise ParamsError("MODE_INPUTS", "fixed mode needs weights", remedy="make them first")
    if mode == "end-to-end" and (clips is None or gcn is None):
        problem = "end-to-end mode needs a trained GCN and skeletons"
        raise ParamsError("MODE_INPUTS", problem, remedy="give both")


def side_digests(
    mode: Mode, ids: Sequence[str], weights: Weights | None, clips: ClipSource | None
) -> dict[str, str]:
    """Digests by name of what the mode needs besides the mosaics of `ids`, before it is prepared.

    Raises:
        RefusedInput: ``WEIGHTS_IDS``, ``ID_UNKNOWN``.
    """
    if mode == "fixed" and weights is not None:
        return {"weights": array_digest(row_weights_of(weights, ids))}
    if mode == "end-to-end" and clips is not None:
        return {"clips": clips_digest(clips, ids)}
    return {}


def load_side_inputs(
    mode: Mode,
    mosaics: MosaicReader,
    ids: Sequence[str],
    *,
    weights: Weights | None = None,
    clips: ClipSource | None = None,
    gcn: GcnConfig | None = None,
    missing: Missing = "row",
) -> SideInputs:
    """What the mode needs besides the mosaics.

    Args:
        mode: ``plain``, ``fixed`` or ``end-to-end``.
        mosaics: The mosaics.
        ids: N sample ids, sorted.
        weights: Needed in fixed mode.
        clips: Needed in end-to-end mode.
        gcn: The graph network's settings, needed in end-to-end mode: how clips are
            prepared.
        missing: What the network weighs missing cells by.

    Raises:
        ParamsError: ``MODE_INPUTS`` if what the mode needs is not given.
        RefusedInput: ``WEIGHTS_IDS``; ``ROWS_OTHER`` if the weights are those of other rows;
            ``PEOPLE_OTHER`` if weights or skeletons are those of other numbers of people.
        StroiError: ``CLIP_EMPTY``.
    """
    check_mode_inputs(mode, weights=weights, clips=clips, gcn=gcn)
    side = SideInputs(torch.from_numpy(mosaics.person_count(ids)))
    if missing == "zero":
        side = replace(side, cell_valid=torch.from_numpy(mosaics.valid(ids)))
    if mode == "fixed" and weights is not None:
        require_same_rows(
            mosaics.rows, f"{mosaics.folder}", weights.rows, "the file of weights",
            "run the stages mosaics and weights again, or `dvc repro`",
        )  # fmt: skip
        rows = row_weights_of(weights, ids)
        _require_people(mosaics, rows, "the file of weights", "mosaics and weights")
        return replace(side, row_weights=torch.from_numpy(rows))
    if mode == "end-to-end" and clips is not None and gcn is not None:
        data = kept(clips).prepare(ids, **gcn.preparation)
        stages = "skeletons, skeletons3d and mosaics"
        _require_people(mosaics, data.x, "the graph network's input", stages)
        tensors = map(torch.from_numpy, (data.x, data.present))
        return replace(side, skeletons=Skeletons(*tensors))
    return side


def _require_people(
    mosaics: MosaicReader, values: NDArray[np.float32], where: str, stages: str
) -> None:
    """Refuse `values` (N, M, ...) of another number of people than the mosaics'."""
    require_same_people(
        mosaics.people, f"{mosaics.folder}", values.shape[1], where,
        f"run the stages {stages} again, or `dvc repro`",
    )  # fmt: skip
