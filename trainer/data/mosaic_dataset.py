"""A mosaic cache as a torch data set, for training loops of one's own."""

from __future__ import annotations

from torch import Tensor, from_numpy
from torch.utils.data import Dataset

from stroi.cache.mosaics import MosaicCache


class MosaicDataset(Dataset[tuple[str, Tensor]]):
    """Map-style data set of (id, mosaic (H, W, 3) uint8) pairs in the order of the ids.

    Each worker of a DataLoader maps the files anew.
    """

    def __init__(self, cache: MosaicCache) -> None:
        self._cache = cache

    def __len__(self) -> int:
        return len(self._cache)

    def __getitem__(self, index: int) -> tuple[str, Tensor]:
        sample_id = self._cache.ids[index]
        return sample_id, from_numpy(self._cache[sample_id])
