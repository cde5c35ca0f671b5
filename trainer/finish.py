"""Mosaics made ready for the network on the CPU while they are gathered.

One pass over the mapped pixels gives normalised, weighted floats, bit for bit those of
`stroi.trainer.fused.FusedNet.pictures`: the same operations in the same order. It needs numba
(``pip install 'stroi[fast]'``); without it the network does the same by itself, slower.

Legend of shapes: N clips, B batch, K rows, L columns, H x W px of a mosaic.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from stroi.trainer.fused import FusedNet
from stroi.trainer.rows import Companions
from stroi.trainer.windows import Source

Kernel = Callable[..., None]


@dataclass(frozen=True)
class Finish:
    """What mosaics become: see the module.

    Attributes:
        mean: (W * 3,) float32, what is subtracted from each value of a line of pixels.
        std: (W * 3,) float32, what the difference is divided by.
        before: Whether weights multiply before that.
        halves: (N, 2, K) float32 weights of the left and right half cells.
        shown: (N, 2, C, K) bool, which half cells weigh anything; None for all.
        height: h, px of a cell.
        width: w, px of a cell.
    """

    mean: NDArray[np.float32]
    std: NDArray[np.float32]
    before: bool
    halves: NDArray[np.float32]
    shown: NDArray[np.bool_] | None
    height: int
    width: int

    def __call__(
        self,
        source: Source,
        ids: Sequence[str],
        rows: NDArray[np.int64],
        columns: NDArray[np.int64] | None,
        out: NDArray[np.float32],
    ) -> None:
        """Fill a batch.

        Args:
            source: The mosaics.
            ids: B sample ids.
            rows: (B,) their positions among the N.
            columns: (B, L) positions of the columns wanted of each; all if None.
            out: (B, H, W, 3) to fill.
        """
        finish = kernel()
        length = len(self.mean) // (3 * self.width)
        lines = out.reshape(*out.shape[:2], -1)
        all_shown = np.ones((2, length, self.halves.shape[2]), np.bool_)
        for place, (name, row) in enumerate(zip(ids, rows, strict=True)):
            wanted = None if columns is None else columns[place]
            shown = all_shown
            if self.shown is not None:
                shown = self.shown[row] if wanted is None else self.shown[row][:, wanted]
            pixels = source.pixels(name, wanted)
            finish(
                pixels.reshape(len(pixels), -1), self.halves[row], shown, self.height, self.width,
                self.mean, self.std, self.before, lines[place],
            )  # fmt: skip


def finish_for(model: FusedNet, beside: Companions, count: int) -> Finish | None:
    """How to finish the mosaics of a run on the CPU.

    Args:
        model: The network.
        beside: What goes with the N mosaics.
        count: N.

    Returns:
        None where it cannot be done ahead: the network is on a GPU, weights come out of a graph
        network, cells are resized first, or numba is not installed.
    """
    ahead = model.mean.device.type == "cpu" and model.mode != "joint" and not model.config.cell
    if not ahead or not available():
        return None
    cells = model.cells
    pattern = cells.columns * cells.width
    halves = beside.halves
    if halves is None:
        halves = torch.ones(1, 2, cells.rows).expand(count, -1, -1)
    return Finish(
        np.tile(model.mean.flatten().numpy(), pattern),
        np.tile(model.std.flatten().numpy(), pattern),
        model.config.place == "before",
        halves.numpy(),
        None if beside.shown is None else beside.shown.numpy(),
        cells.height,
        cells.width,
    )


def available() -> bool:
    """Whether numba is installed."""
    return find_spec("numba") is not None


@cache
def kernel() -> Kernel:
    """One mosaic's pass, compiled for this machine when first called: about a second."""
    import numba

    # No fast arithmetic: every product and quotient is rounded as torch rounds it.
    compiled: Any = numba.njit(nogil=True, error_model="numpy")(_finish)
    return compiled  # type: ignore[no-any-return]


def _finish(
    pixels: NDArray[np.uint8],
    halves: NDArray[np.float32],
    shown: NDArray[np.bool_],
    height: int,
    width: int,
    mean: NDArray[np.float32],
    std: NDArray[np.float32],
    before: bool,
    out: NDArray[np.float32],
) -> None:
    """Finish one mosaic; plain loops, as numba wants them."""
    full = np.float32(255)
    factor = np.empty(pixels.shape[1], np.float32)
    for k in range(halves.shape[1]):
        for column in range(shown.shape[1]):
            start, middle = 3 * column * width, 3 * (column * width + width // 2)
            factor[start:middle] = halves[0, k] * np.float32(shown[0, column, k])
            factor[middle : start + 3 * width] = halves[1, k] * np.float32(shown[1, column, k])
        for y in range(k * height, (k + 1) * height):
            line, target = pixels[y], out[y]
            if before:
                for x in range(len(line)):
                    value = np.float32(line[x]) / full * factor[x]
                    target[x] = (value - mean[x]) / std[x]
            else:
                for x in range(len(line)):
                    value = np.float32(line[x]) / full
                    target[x] = (value - mean[x]) / std[x] * factor[x]
