"""The input of a run's graph network, and the joint weights that it gives."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from stroi.cache.rois import Rows
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
    """Folder of the input of the run's graph network."""
    if run.run.input == "skeletons3d":
        return workspace.skeletons3d(run.run.dataset)
    return workspace.skeletons(run.run.dataset)


def open_clips(workspace: Workspace, run: RunParams) -> SkeletonCache | JointCache:
    """The input of the run's graph network, verified.

    Raises:
        RefusedInput: If it is missing or damaged.
    """
    folder = clips_folder(workspace, run)
    return JointCache(folder) if run.run.input == "skeletons3d" else SkeletonCache(folder)


def compute_run_weights(
    params: WeightParams,
    rows: Rows,
    gcn: GraphNet,
    clips: SkeletonCache | JointCache,
    ids: Sequence[str],
    training: Sequence[str],
    threads: int,
) -> tuple[Weights, float | None]:
    """Joint weights by the params, and the scale that divides the row weights.

    Args:
        params: Params of the weights.
        rows: What the mosaic's rows show.
        gcn: The graph network.
        clips: Its input.
        ids: Clips that get weights.
        training: The training clips among them; none if every clip is scaled by itself.
        threads: CPU threads.

    Returns:
        The weights, and the scale; None without `training`.

    Raises:
        StroiError: ``CLIP_EMPTY``.
    """
    return compute_weights(
        gcn,
        clips,
        ids,
        settings=params,
        rows=rows,
        training=training,
        precision=pick_precision(params.precision, pick_device("cpu")),
        threads=threads,
    )
