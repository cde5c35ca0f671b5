"""Draw docs/mosaic.png: mosaics of the demo with the weight of each of their rows.

Run after `dvc repro`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from stroi.cache.mosaics import MosaicCache
from stroi.cache.rois import Rows
from stroi.cache.weights import read_weights
from stroi.pipeline.workspace import Workspace

ROOT = Path(__file__).resolve().parent.parent
RUN = "demo-xsub"
CLIPS = ("drink_s09_c1", "give_letter_s10_c2", "step_fast_s11_c1")
SCALE = 2
BARS = 190  # px to the right of a mosaic, for the weights
INK = (60, 50, 40)


def draw(
    name: str, mosaic: NDArray[np.uint8], rows: Rows, weights: NDArray[np.float32]
) -> NDArray[np.uint8]:
    """One mosaic (H, W, 3) RGB, enlarged, with a bar per row for its weight (K,)."""
    picture = cv2.resize(mosaic[..., ::-1], None, fx=SCALE, fy=SCALE)
    canvas = np.full((picture.shape[0] + 26, picture.shape[1] + BARS, 3), 255, np.uint8)
    canvas[26:, : picture.shape[1]] = picture
    cv2.putText(canvas, name, (2, 17), cv2.FONT_HERSHEY_SIMPLEX, 0.5, INK, 1, cv2.LINE_AA)
    cell = picture.shape[0] // len(rows)
    left = picture.shape[1] + 8
    for at, (row, weight) in enumerate(zip(rows, weights, strict=True)):
        middle = 26 + at * cell + cell // 2
        length = int(60 * float(weight))
        cv2.rectangle(canvas, (left, middle), (left + length, middle + 10), (170, 110, 40), -1)
        text = f"{row.title} {weight:.2f}"
        cv2.putText(
            canvas, text, (left, middle - 6), cv2.FONT_HERSHEY_SIMPLEX, 0.42, INK, 1, cv2.LINE_AA
        )
    return canvas


def main() -> None:
    """Write the picture."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    workspace = Workspace(ROOT)
    mosaics = MosaicCache(workspace.mosaics("demo"))
    weights = read_weights(workspace.run(RUN, "weights") / "seed-0")
    given = dict(zip(weights.ids, weights.row_weights, strict=True))
    pictures = [draw(name, mosaics[name], mosaics.rows, given[name][0]) for name in CLIPS]
    cv2.imwrite(str(ROOT / "docs" / "mosaic.png"), np.hstack(pictures))


if __name__ == "__main__":
    main()
