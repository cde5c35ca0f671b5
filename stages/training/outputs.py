"""What a training stage writes, a folder per seed: networks and scores."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from stroi.cache.scores import Scores, write_scores
from stroi.pipeline.index.splits import SplitIds

TEST = "test"
"""Name of the score file of the test clips."""

VALIDATION = "validation"
"""Name of the score file of the validation clips, if the split has any."""


def seed_folder(out: Path, seed: int) -> Path:
    """Folder of one seed in a training stage's out."""
    return out / f"seed-{seed}"


def checkpoint(out: Path, seed: int, stream: str = "") -> Path:
    """File of the network of one seed, or of one of its further streams."""
    further = f"-{stream}" if stream else ""
    return seed_folder(out, seed) / f"checkpoint{further}.safetensors"


def scores_folder(out: Path, seed: int) -> Path:
    """Folder of the scores of one seed."""
    return seed_folder(out, seed) / "scores"


def clips_to_score(split: SplitIds) -> dict[str, tuple[str, ...]]:
    """Clips that a trained network scores, by the name of their score file."""
    validation = {VALIDATION: split.validation} if split.validation else {}
    return {TEST: split.test} | validation


def write_seed_scores(
    out: Path,
    seed: int,
    scores: Mapping[str, Scores],
    *,
    params: dict[str, Any],
    producer: dict[str, Any],
) -> None:
    """Write the scores of one seed, by the name of their file."""
    folder = scores_folder(out, seed)
    if VALIDATION not in scores:  # a file of an earlier run, whose split had validation clips
        (folder / f"{VALIDATION}.h5").unlink(missing_ok=True)
    for name, each in scores.items():
        write_scores(folder, name, each, params=params, producer=producer)


def drop_other_seeds(out: Path, seeds: Sequence[int]) -> None:
    """Remove the folders of seeds of an earlier run."""
    kept = {seed_folder(out, seed) for seed in seeds}
    for folder in out.glob("seed-*"):
        if folder not in kept:
            shutil.rmtree(folder)
