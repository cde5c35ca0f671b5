"""How much two values of one sample differ, added up over samples."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import log10
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stroi.cache.storage.schema import Array


@dataclass
class FieldChange:
    """How much a field differs over the samples in which it does.

    Attributes:
        samples: In how many samples it differs.
        reshaped: In how many of them it has another shape, so that nothing can be subtracted.
        largest: Largest absolute difference.
        total: Sum of all absolute differences.
        count: Number of values compared.
    """

    samples: int = 0
    reshaped: int = 0
    largest: float = 0.0
    total: float = 0.0
    count: int = 0

    @property
    def mean(self) -> float:
        """Mean absolute difference over all values of the samples that differ."""
        return self.total / self.count if self.count else 0.0

    def add(self, a: Array, b: Array) -> bool:
        """Compare one sample's values, numbers of any shape or a text; whether they differ."""
        if a.shape != b.shape:
            self.samples += 1
            self.reshaped += 1
            return True
        if np.array_equal(a, b):
            return False
        self.samples += 1
        if not np.issubdtype(a.dtype, np.number):
            return True
        apart = np.abs(a.astype(np.float64) - b.astype(np.float64))
        self.largest = max(self.largest, float(apart.max()))
        self.total += float(apart.sum())
        self.count += apart.size
        return True

    def to_dict(self) -> dict[str, Any]:
        """The summary as JSON values."""
        return {
            "samples": self.samples,
            "reshaped": self.reshaped,
            "max_abs": self.largest,
            "mean_abs": self.mean,
        }


@dataclass
class PixelChange:
    """How much the pixels of those samples differ whose pixels do.

    Attributes:
        samples: In how many samples a pixel differs.
        reshaped: In how many of them the mosaic has another size.
        largest: Largest difference of a colour, 0 to 255.
        changed: Number of pixels in which a colour differs.
        pixels: Number of pixels compared.
        psnr: Peak signal-to-noise ratio of each sample that could be compared, in dB.
    """

    samples: int = 0
    reshaped: int = 0
    largest: int = 0
    changed: int = 0
    pixels: int = 0
    psnr: list[float] = field(default_factory=list)

    @property
    def share(self) -> float:
        """Share of the pixels that differ, 0 to 1."""
        return self.changed / self.pixels if self.pixels else 0.0

    def add(self, a: NDArray[np.uint8], b: NDArray[np.uint8]) -> bool:
        """Compare two mosaics (H, W, 3); whether they differ."""
        if a.shape != b.shape:
            self.samples += 1
            self.reshaped += 1
            return True
        apart = np.abs(a.astype(np.int16) - b.astype(np.int16))
        if not apart.any():
            return False
        self.samples += 1
        self.largest = max(self.largest, int(apart.max()))
        self.changed += int(np.count_nonzero(apart.any(axis=-1)))
        self.pixels += apart.shape[0] * apart.shape[1]
        self.psnr.append(10 * log10(255**2 / float(np.mean(np.square(apart.astype(np.float64))))))
        return True

    def to_dict(self) -> dict[str, Any]:
        """The summary as JSON values."""
        psnr = self.psnr
        return {
            "samples": self.samples,
            "reshaped": self.reshaped,
            "max_abs": self.largest,
            "changed_share": self.share,
            "psnr_db": {"mean": sum(psnr) / len(psnr), "min": min(psnr)} if psnr else None,
        }
