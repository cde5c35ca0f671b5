"""A mosaic cache as a torch data set, for training loops of one's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NotRequired, TypedDict

from torch import Tensor, from_numpy
from torch.utils.data import Dataset

from stroi.cache.errors import RefusedInput
from stroi.cache.mosaics import MosaicCache
from stroi.cache.rois import require_same_people, require_same_rows
from stroi.cache.weights import Weights
from stroi.trainer.data.side_inputs import row_weights_of


class MosaicItem(TypedDict):
    """One clip of a `MosaicDataset`; torch's own `default_collate` makes batches of them.

    Attributes:
        id: Its sample id.
        mosaic: (H, W, 3) uint8 RGB, its scored columns.
        persons: Persons that it shows, 1 to P; each has a part of every cell, from left to right.
        weights: (P, K) float32, what the K rows of each person's part count; only with `weights`.
        label: Position of its class; only with `labels`.
    """

    id: str
    mosaic: Tensor
    persons: int
    weights: NotRequired[Tensor]
    label: NotRequired[int]


class MosaicDataset(Dataset[MosaicItem]):
    """Map-style data set of mosaics, with the weights and labels of the same clips, joined by id.

    Each worker of a DataLoader maps the files anew.

    Args:
        mosaics: The mosaics.
        weights: Row weights of at least these clips.
        labels: Label by id of at least these clips.
        ids: The clips, in their order; all of the cache, sorted, if None.

    Attributes:
        ids: The clips, in their order.

    Raises:
        RefusedInput: ``ID_UNKNOWN`` if a clip has no mosaic, ``WEIGHTS_IDS`` if it has no weights,
            ``LABEL_IDS`` if it has no label; ``ROWS_OTHER`` or ``PEOPLE_OTHER`` if the weights are
            those of other rows or of another number of people.
    """

    def __init__(
        self,
        mosaics: MosaicCache,
        *,
        weights: Weights | None = None,
        labels: Mapping[str, int] | None = None,
        ids: Sequence[str] | None = None,
    ) -> None:
        self._mosaics = mosaics
        self.ids = mosaics.ids if ids is None else tuple(ids)
        mosaics.content(self.ids)  # refuses an unknown id
        all_scored = not self.ids or len(mosaics.scored) == mosaics.columns
        self._columns = None if all_scored else mosaics.scored[None]
        self._weights = None
        if weights is not None:
            require_same_rows(
                mosaics.rows, f"{mosaics.folder}", weights.rows, "the weights",
                "give weights and mosaics of the same profile",
            )  # fmt: skip
            if self.ids:
                require_same_people(
                    mosaics.people, f"{mosaics.folder}", weights.people, "the weights",
                    "give weights and mosaics of the same profile",
                )  # fmt: skip
            self._weights = row_weights_of(weights, self.ids)
        self._labels = None if labels is None else _labels(labels, self.ids)

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> MosaicItem:
        sample_id = self.ids[index]
        mosaic = self._mosaics.batch([sample_id], columns=self._columns)[0]
        persons = int(self._mosaics.person_count([sample_id])[0])
        item = MosaicItem(id=sample_id, mosaic=from_numpy(mosaic), persons=persons)
        if self._weights is not None:
            item["weights"] = from_numpy(self._weights[index])
        if self._labels is not None:
            item["label"] = self._labels[index]
        return item


def _labels(labels: Mapping[str, int], ids: Sequence[str]) -> list[int]:
    missing = [sample_id for sample_id in ids if sample_id not in labels]
    if missing:
        raise RefusedInput(
            "LABEL_IDS",
            f"{len(missing)} of {len(ids)} mosaics have no label, the first is {missing[0]!a}",
            remedy="give the labels of the index that the mosaics were made from, or fewer ids",
        )
    return [labels[sample_id] for sample_id in ids]
