"""Image folders of grey frames, a person who stands still, and the mosaics cut from them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from small_caches import write_skeletons

from stroi.cache.mosaics import MosaicCache
from stroi.cache.skeletons import Clip
from stroi.pipeline.index.ledger import Ledger
from stroi.pipeline.index.table import Index, Sample
from stroi.pipeline.parallel.executor import Workers
from stroi.pipeline.params.profile import MosaicParams
from stroi.stages.mosaics import build_mosaics
from stroi.stages.video.fingerprint import measure_clip

WIDTH, HEIGHT = 80, 64
PARAMS = MosaicParams(cell=16, size="native", clips_per_shard=4, max_quarantined=0.5)


def pictures(folder: Path, count: int) -> Path:
    """Frames of one grey each, ten levels apart, as images without loss."""
    folder.mkdir(parents=True)
    for number in range(count):
        picture = np.full((HEIGHT, WIDTH, 3), 10 * number + 5, np.uint8)
        assert cv2.imwrite(str(folder / f"{number + 1:04d}.png"), picture)
    return folder


def standing(frames: int) -> Clip:
    """One person who does not move."""
    keypoints = np.zeros((frames, 2, 25, 3), np.float32)
    keypoints[:, 0] = (WIDTH / 2, HEIGHT / 2, 1)
    return Clip(keypoints, 1, WIDTH, HEIGHT, 25.0)


def sample(raw: Path, name: str, video: str, start: int = 0, stop: int = 0) -> Sample:
    sha256, size = measure_clip(raw / video) if video else ("", 0)
    return Sample(
        name, video, "wave", start=start, stop=stop, skeleton="" if video else "x.json",
        bytes=size, sha256=sha256,
    )  # fmt: skip


def built(
    folder: Path,
    samples: list[Sample],
    frames: dict[str, int],
    params: MosaicParams = PARAMS,
    *,
    raw: Path | None = None,
) -> tuple[Ledger, Path]:
    skeletons = write_skeletons(
        folder / "skeletons", {name: standing(count) for name, count in frames.items()}
    )
    index, out = Index(tuple(samples), ("wave",)), folder / "mosaics"
    store = folder / "store"
    ledger = build_mosaics(raw or folder / "raw", index, skeletons, out, params, Workers(), store)
    return ledger, out


def greys(out: Path, name: str) -> list[int]:
    """Number of the frame that each column shows, by its grey."""
    # (5 * h, C * w, 3) -> (C, 5 * h * w * 3)
    shown = np.moveaxis(MosaicCache(out)[name].reshape(5, 16, -1, 16, 3), 2, 0)
    shown = shown.reshape(len(shown), -1)
    assert (np.ptp(shown, axis=1) <= 4).all()
    return [round((grey - 5) / 10) for grey in shown.mean(axis=1)]
