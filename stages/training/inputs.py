"""The input of a run's graph network, and the joint weights that it gives."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Protocol

from stroi.cache.rois import Rows, require_same_people
from stroi.cache.shards import ShardedCache
from stroi.cache.skeletons import SkeletonCache
from stroi.cache.skeletons3d import JointCache
from stroi.cache.weights import Weights
from stroi.pipeline.params.load import RunParams
from stroi.pipeline.params.profile import WeightParams
from stroi.pipeline.shards.verify_once import verify_once
from stroi.pipeline.workspace import Workspace
from stroi.trainer.data.skeleton_input import ClipSource
from stroi.trainer.models.graph_net import GraphNet
from stroi.trainer.run.distributed import SINGLE_PROCESS, World
from stroi.trainer.runtime import pick_device, pick_precision
from stroi.trainer.score_gcn import compute_weights


class InputClips(ClipSource, Protocol):
    """Clips by sample id that can be listed: a cache, or what was prepared of one."""

    @property
    def ids(self) -> tuple[str, ...]:
        """Ids of all of them, sorted."""


def clips_folder(workspace: Workspace, run: RunParams) -> Path:
    """Folder of the input of the run's graph network."""
    if run.run.input == "skeletons3d":
        return workspace.skeletons3d(run.run.dataset)
    return workspace.skeletons(run.run.dataset)


def open_clips(
    workspace: Workspace, run: RunParams, *, threads: int = 1, world: World = SINGLE_PROCESS
) -> SkeletonCache | JointCache:
    """The input of the run's graph network, verified.

    Args:
        workspace: The project.
        run: The run.
        threads: CPU threads.
        world: The processes that open it together.

    Raises:
        RefusedInput: If it is missing or damaged; ``PEOPLE_OTHER``.
    """
    folder, kind = clips_folder(workspace, run), run.run.input
    require_verified_once(workspace, folder, (kind,), threads, world)
    opened = JointCache if kind == "skeletons3d" else SkeletonCache
    cache = opened(folder, verify=False)
    require_profile_people(run, cache, f"stage {kind}")
    return cache


def require_profile_people(run: RunParams, cache: ShardedCache, stages: str) -> None:
    """Refuse a cache of other clips than ``skeletons.people`` says.

    Args:
        run: The run.
        cache: The cache.
        stages: What makes it.

    Raises:
        RefusedInput: ``PEOPLE_OTHER``.
    """
    if cache.ids:
        require_same_people(
            run.profile.skeletons.people, f"the profile of {run.run.dataset}", cache.people,
            f"{cache.folder}",
            f"run {stages} again, or `dvc repro`, or change skeletons.people in the profile",
        )  # fmt: skip


def require_verified_once(
    workspace: Workspace, folder: Path, kinds: Sequence[str], threads: int, world: World
) -> None:
    """Make sure that a cache has no problem: one process of each machine verifies it.

    Raises:
        RefusedInput: If it is missing or damaged.
        StroiError: ``TEAM_INPUT`` in the other processes.
    """
    check = partial(verify_once, folder, tuple(kinds), workspace.store, jobs=threads)
    world.once_per_machine(check, str(folder))


def compute_run_weights(
    params: WeightParams,
    rows: Rows,
    gcn: GraphNet,
    clips: InputClips,
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
