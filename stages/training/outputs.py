"""What a training stage writes, a folder per seed: networks and scores."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from stroi.cache.manifest import read_manifest
from stroi.cache.scores import Scores, write_scores
from stroi.cache.storage.strict_json import JsonNode
from stroi.pipeline.index.splits import SplitIds
from stroi.pipeline.workspace import Workspace

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
    split: SplitIds,
    params: dict[str, Any],
    producer: dict[str, Any],
) -> None:
    """Write the scores of one seed, by the name of their file.

    The manifest lists the test and validation clips that have no scores, so that nothing but the
    scores is needed to compare networks.
    """
    if split.unusable:
        producer = producer | {"left_out": list(split.unusable)}
    folder = scores_folder(out, seed)
    if VALIDATION not in scores:  # a file of an earlier run, whose split had validation clips
        (folder / f"{VALIDATION}.h5").unlink(missing_ok=True)
    for name, each in scores.items():
        write_scores(folder, name, each, params=params, producer=producer)


def left_out(folder: Path) -> set[str]:
    """The test and validation clips that could not be scored in a score folder.

    Raises:
        RefusedInput: If the manifest is missing or damaged.
    """
    producer = read_manifest(folder).producer
    if "left_out" not in producer:
        return set()
    return set(JsonNode(producer, f"{folder}: producer").texts("left_out"))


def commit_hint(workspace: Workspace, stage: str) -> str:
    """What to do after a training that DVC did not start; empty if there is nothing to do.

    Args:
        workspace: The project. A training with settings must not be committed.
        stage: DVC's name of the stage, such as ``gcn@demo-xsub``.
    """
    tracked = (workspace.root / "dvc.yaml").exists()
    if "DVC_STAGE" in os.environ or workspace.settings or not tracked:
        return ""
    return f"next: `dvc commit --force {stage}`; else `dvc repro` replaces this training by its own"


def drop_other_seeds(out: Path, seeds: Sequence[int]) -> None:
    """Remove the folders of seeds of an earlier run."""
    kept = {seed_folder(out, seed) for seed in seeds}
    for folder in out.glob("seed-*"):
        if folder not in kept:
            shutil.rmtree(folder)
