"""What a training stage keeps, a folder per seed: networks, scores."""

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
    """Where one seed's files lie in a training stage's out."""
    return out / f"seed-{seed}"


def checkpoint(out: Path, seed: int, stream: str = "") -> Path:
    """Network of one seed, or of one of its further streams."""
    further = f"-{stream}" if stream else ""
    return seed_folder(out, seed) / f"checkpoint{further}.safetensors"


def scores_folder(out: Path, seed: int) -> Path:
    """Scores of one seed."""
    return seed_folder(out, seed) / "scores"


def scored(parts: SplitIds) -> dict[str, tuple[str, ...]]:
    """Clips that a trained network scores, by the name of their score file."""
    held = {VALIDATION: parts.validation} if parts.validation else {}
    return {TEST: parts.test} | held


def keep_scores(
    out: Path,
    seed: int,
    found: Mapping[str, Scores],
    *,
    params: dict[str, Any],
    producer: dict[str, Any],
) -> None:
    """Write what the network of one seed says about the clips of `scored`, by file name."""
    folder = scores_folder(out, seed)
    if VALIDATION not in found:  # an earlier run's, of a split that had some
        (folder / f"{VALIDATION}.h5").unlink(missing_ok=True)
    for name, scores in found.items():
        write_scores(folder, name, scores, params=params, producer=producer)


def drop_other_seeds(out: Path, seeds: Sequence[int]) -> None:
    """Remove what an earlier run with other seeds left in `out`."""
    wanted = {seed_folder(out, seed) for seed in seeds}
    for folder in out.glob("seed-*"):
        if folder not in wanted:
            shutil.rmtree(folder)
