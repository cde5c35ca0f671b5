"""What a run's graph network sees, and the joint weights it gives."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from stroi.cache.skeletons import SkeletonCache
from stroi.cache.skeletons3d import JointCache
from stroi.cache.weights import Weights
from stroi.pipeline.params.load import RunParams
from stroi.pipeline.params.profile import WeightParams
from stroi.pipeline.workspace import Workspace
from stroi.trainer.models.graph_net import GraphNet
from stroi.trainer.runtime import pick_device, pick_precision
from stroi.trainer.score_gcn import compute_weights


def clips_folder(workspace: Workspace, run: RunParams) -> Path:
    """The folder of what the run's graph network sees."""
    if run.run.input == "joints":
        return workspace.joints(run.run.dataset)
    return workspace.skeletons(run.run.dataset)


def open_clips(workspace: Workspace, run: RunParams) -> SkeletonCache | JointCache:
    """What the run's graph network sees, verified.

    Raises:
        RefusedInput: If it is missing or damaged.
    """
    folder = clips_folder(workspace, run)
    return JointCache(folder) if run.run.input == "joints" else SkeletonCache(folder)


def made_weights(
    params: WeightParams,
    gcn: GraphNet,
    clips: SkeletonCache | JointCache,
    ids: Sequence[str],
    training: Sequence[str],
    threads: int,
) -> tuple[Weights, float | None]:
    """Joint weights as the params say, and the mean that divided them.

    Args:
        params: How they are made.
        gcn: The graph network.
        clips: What it sees.
        ids: Clips that get weights.
        training: The training clips among them, or none if every clip is scaled by itself.
        threads: CPU threads.

    Raises:
        StroiError: ``CLIP_EMPTY``.
    """
    return compute_weights(
        gcn,
        clips,
        ids,
        settings=params,
        training=training,
        precision=pick_precision(params.precision, pick_device("cpu")),
        threads=threads,
    )
