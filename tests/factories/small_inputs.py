"""Small clips and mosaics that a small network can learn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from assembled import assemble_mosaics

from stroi.cache.files.atomic import write_atomic
from stroi.cache.manifest import Manifest, file_entry, write_manifest
from stroi.cache.mosaics import MosaicCache, Mosaics
from stroi.cache.rois import PAPER, Rows, rows_to_json
from stroi.cache.skeletons import Clip
from stroi.trainer.config import GcnConfig, Schedule

CLASSES = ("wave", "kick")
IDS = tuple(f"clip{number}" for number in range(8))
LABELS = {name: number % 2 for number, name in enumerate(IDS)}
SMALL_GCN = GcnConfig(
    frames=12, channels=(8, 8, 12), strides=(1, 1, 2), temporal_kernel=3, dropout=0.5
)
QUICK = Schedule(epochs=4, batch_size=4, lr=0.05, milestones=(2,))
CELL = 8


def person(random: np.random.Generator, frames: int, left: float) -> np.ndarray:
    """One person (T, 25, 3) in px, standing at `left`, torso 60 px long."""
    body = random.normal(0, 40, (25, 2)) + np.array([left, 200])
    body[1], body[8] = (left, 170), (left, 230)
    motion = random.normal(0, 1, (frames, 25, 2)).cumsum(0)
    motion[:, [1, 8]] = 0
    points = body + motion
    return np.concatenate([points, random.uniform(0.3, 1, (frames, 25, 1))], 2).astype(np.float32)


def clip(seed: int, *, persons: int = 1, frames: int = 14, label: int = 0, people: int = 2) -> Clip:
    """A clip whose label moves one wrist (0) or one ankle (1) of everybody."""
    random = np.random.default_rng(seed)
    keypoints = np.zeros((frames, people, 25, 3), np.float32)
    for index in range(persons):
        keypoints[:, index] = person(random, frames, 100.0 + 200 * index)
        swing = 80 * np.sin(np.linspace(0, 9, frames))
        keypoints[:, index, (4, 11)[label], 0] += swing
    return Clip(keypoints, persons, 480, 360, 25.0)


def clips(people: int = 2) -> dict[str, Clip]:
    """Eight clips of `LABELS`, every third with two persons; or with one to `people` in turn."""
    return {
        name: clip(
            number,
            persons=1 + (number % 3 == 0 if people == 2 else number % people),
            label=LABELS[name],
            people=people,
        )
        for number, name in enumerate(IDS)
    }


def mosaic_cache(
    folder: Path, *, columns: int = 5, seed: int = 5, rows: Rows = PAPER, people: int = 2
) -> MosaicCache:
    """Mosaics of the same clips: noise, with a class's own row brighter if there are some."""
    random = np.random.default_rng(seed)
    count, size = len(IDS), len(rows)
    pictures = random.integers(0, 120, (count, size * CELL, columns * CELL, 3)).astype(np.uint8)
    for row, name in enumerate(IDS):
        start = CELL * ((1 + 2 * LABELS[name]) % size)
        pictures[row, start : start + CELL] += 110
    shards = Mosaics(
        ids=IDS,
        mosaic=pictures,
        person_count=np.array([clip.person_count for clip in clips(people).values()], np.int8),
        frame_index=np.tile(np.arange(columns, dtype=np.int32), (count, 1)),
        box=np.zeros((count, people, columns, size, 4), np.float32),
        confidence=np.ones((count, people, columns, size), np.float32),
        valid=np.ones((count, people, columns, size), np.bool_),
    )
    encoded = assemble_mosaics([shards])
    write_atomic(folder / "mosaics-00000.h5", encoded.data)
    entry = file_entry("mosaics-00000.h5", encoded.data, IDS, encoded.sample_sha256)
    params = {} if rows == PAPER else {"rows": rows_to_json(rows)}
    write_manifest(folder, Manifest("mosaics", params, {}, (entry,)))
    return MosaicCache(folder)
