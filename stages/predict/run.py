"""A trained run that answers about new videos.

`open_run` finds it and `predict_video` asks it::

    run = open_run("demo-xsub")
    prediction = predict_video(run, Path("clip.mp4"))
    print(prediction.label, prediction.top(5))
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stroi.cache.errors import ParamsError
from stroi.cache.files.digests import sha256_file
from stroi.cache.files.opening import read_regular
from stroi.cache.skeletons import Clip
from stroi.cache.storage.strict_json import parse_json
from stroi.cache.weights import Weights
from stroi.pipeline.params.load import NAME, load_project, load_run
from stroi.pipeline.workspace import Workspace
from stroi.stages.mosaic.cut import cell_side
from stroi.stages.pose.source import PoseSourcePlan
from stroi.stages.predict.answer import Answer, Model, Prediction, answer
from stroi.stages.predict.clips import CutMosaics, VideoClip, read_clip
from stroi.stages.predict.networks import (
    RowWeighting,
    SkeletonBranch,
    existing_network,
    row_weighting,
    skeleton_branch,
    stale_network,
)
from stroi.stages.predict.recipe import (
    RECIPE_NAME,
    Recipe,
    check_usable,
    pose_plan,
    read_recipe,
    run_recipe,
)
from stroi.stages.training.outputs import checkpoint
from stroi.trainer.config import Mode, WeightSettings
from stroi.trainer.data.side_inputs import row_weights_of
from stroi.trainer.metrics.ensemble import sum_streams
from stroi.trainer.models.graph_net import GraphNet
from stroi.trainer.models.weighted_mosaic_net import WeightedMosaicNet
from stroi.trainer.network_files.network_file import load_resnet
from stroi.trainer.runtime import pick_device, pick_precision
from stroi.trainer.score_gcn import compute_weights, score_gcn
from stroi.trainer.score_resnet import score_resnet

MODES: tuple[Mode, ...] = ("fixed", "end-to-end", "plain")
"""Modes of the RGB branch in the order in which one is taken if none is named."""

MAX_RECIPE = 2**22
"""Largest recipe that is read, in bytes."""


@dataclass(frozen=True)
class TrainedRun:
    """The networks of one seed of a run, on the CPU.

    Attributes:
        name: Name of the run.
        recipe: How a video becomes their input.
        mode: How the RGB branch was trained; None if the run has none.
        seed: Seed of the networks.
        plan: How people are found in a video.
        notes: What a user should know of them.
        checkpoints: SHA-256 of the networks' files.
        store: Folder of finished work, which keeps detections; None keeps none.
        skeletons: The skeleton branch; None if it is not there or sees a sensor's skeletons.
        rgb: The RGB branch.
        weighting: How fixed mode's weights are made.
        threads: CPU threads; the same number gives the same bits.
    """

    name: str
    recipe: Recipe
    mode: Mode | None
    seed: int
    plan: PoseSourcePlan
    notes: tuple[str, ...]
    checkpoints: Mapping[str, str]
    store: Path | None = None
    skeletons: SkeletonBranch | None = field(default=None, repr=False)
    rgb: WeightedMosaicNet | None = field(default=None, repr=False)
    weighting: RowWeighting | None = None
    threads: int = 1

    def score(self, clips: Sequence[VideoClip]) -> list[Answer]:
        """The answer for each clip, by the functions that score a run's test clips.

        Raises:
            StroiError: ``CLIP_EMPTY``.
        """
        # Position in `clips` as the id: names may be equal.
        names = [f"{at:06d}-{clip.id}" for at, clip in enumerate(clips)]
        people = {name: clip.skeleton for name, clip in zip(names, clips, strict=True)}
        cuts = {name: clip.cut for name, clip in zip(names, clips, strict=True)}
        mosaics = CutMosaics(cuts, self.recipe.mosaics)
        skeleton = rgb = weights = None
        if self.skeletons is not None:
            params = self.skeletons.params
            streams = [
                score_gcn(
                    network, people, names, threads=self.threads, tta_copies=params.tta_copies
                )
                for network in self.skeletons.networks
            ]
            skeleton = sum_streams(streams, params.stream_weights).logits
        if self.rgb is not None:
            weights = self._weights(people)
            own = self.mode == "end-to-end"
            rgb = score_resnet(
                self.rgb, mosaics, names, threads=self.threads,
                weights=None if own else weights, clips=people if own else None,
            ).logits  # fmt: skip
        rows = None if weights is None else row_weights_of(weights, names)
        alpha = 1.0 if self.mode is None else self.recipe.alpha(self.mode, self.seed)
        return [
            answer(_at(skeleton, at), _at(rgb, at), self.recipe.fusion, alpha, _at(rows, at))
            for at in range(len(clips))
        ]

    def _weights(self, people: Mapping[str, Clip]) -> Weights | None:
        """Row weights of the clips; None in plain mode."""
        assert self.rgb is not None
        clips, names, rows = dict(people), list(people), self.rgb.rows
        if self.weighting is not None and self.skeletons is not None:
            params = self.weighting.params
            weights, _ = compute_weights(
                self.skeletons.networks[0], clips, names, settings=params, rows=rows,
                weight_scale=self.weighting.scale, threads=self.threads,
                precision=pick_precision(params.precision, pick_device("cpu")),
            )  # fmt: skip
            return weights
        if self.rgb.gcn is not None:
            config = self.rgb.config
            settings = WeightSettings(formula=config.formula, person_pooling=config.person_pooling)
            weights, _ = compute_weights(
                self.rgb.gcn, clips, names, settings=settings, rows=rows,
                weight_scale=config.weight_scale, threads=self.threads,
            )  # fmt: skip
            return weights
        return None


def _at(values: NDArray[np.float32] | None, place: int) -> NDArray[np.float32] | None:
    return None if values is None else values[place]


def open_run(
    run: str | Path,
    *,
    root: Path = Path(),
    mode: Mode | None = None,
    seed: int | None = None,
    pose_model: Path | None = None,
    threads: int = 1,
) -> TrainedRun:
    """The networks of a trained run.

    Args:
        run: Name of a run of the project's params.yaml, or a run's folder: in a project, or one
            that was exported.
        root: The project.
        mode: Mode of the RGB branch; by default the first of `MODES` that was trained.
        seed: Seed of the networks; the run's first by default.
        pose_model: The user's own pose network, if the run was made with one that is not where
            the profile says.
        threads: CPU threads of the networks.

    Raises:
        ParamsError: ``PREDICT_RUN`` if there is no such run, ``PREDICT_SEED``; ``PREDICT_SOURCE``,
            ``PREDICT_ESTIMATOR`` or ``PREDICT_SENSOR`` if its input cannot be made of a video.
        RefusedInput: ``NETWORK_MISSING``, ``NETWORK_STALE``; if a file is damaged.
    """
    folder, recipe, store = _find(run, root)
    seed = recipe.seeds[0] if seed is None else seed
    if seed not in recipe.seeds:
        raise ParamsError(
            "PREDICT_SEED",
            f"run {recipe.run} has no seed {seed}",
            remedy=f"its seeds are: {', '.join(map(str, recipe.seeds))}",
        )
    plan, notes = pose_plan(recipe, pose_model)
    sensor = recipe.input == "skeletons3d"
    mode = mode or _trained_mode(folder, seed, ("plain",) if sensor else MODES)
    if mode is not None:
        check_usable(recipe, mode)
    skeletons = None
    if not sensor:
        skeletons = skeleton_branch(folder, seed)
        for network in skeletons.networks:
            check_fits(recipe, network)
    else:
        notes += ("the skeleton branch sees a sensor's skeletons: it has no answer here",)
    rgb, weighting, files = None, None, {}
    if skeletons is not None:
        files["gcn"] = skeletons.checkpoints[0]
    if mode is not None:
        stage = f"resnet-{mode}"
        path = existing_network(checkpoint(folder / stage, seed), stage)
        rgb, files[stage] = load_resnet(path), sha256_file(path)
        check_fits(recipe, rgb)
        if mode == "fixed" and skeletons is not None:
            weighting = row_weighting(folder, seed, skeletons.checkpoints[0])
    return TrainedRun(
        recipe.run, recipe, mode, seed, plan, notes, files, store, skeletons, rgb, weighting,
        threads,
    )  # fmt: skip


def check_fits(recipe: Recipe, network: GraphNet | WeightedMosaicNet) -> None:
    """Refuse a network that was trained on other classes or mosaics than the recipe names.

    Raises:
        RefusedInput: ``NETWORK_STALE``.
    """
    if network.classes != recipe.classes:
        raise stale_network(f"run {recipe.run}: its index has other classes than its networks")
    if isinstance(network, GraphNet):
        return
    cells, params = network.cells, recipe.mosaics
    side = network.config.cell or cell_side(params)
    if (cells.rows, cells.columns, cells.height) != (len(params.rows), params.columns, side):
        raise stale_network(f"run {recipe.run}: its mosaics are cut otherwise since it was trained")


def predict_video(model: Model, video: Path, *, start: int = 0, stop: int = 0) -> Prediction:
    """What a run says about a video, or about the frames from `start` to before `stop`.

    Args:
        model: The run.
        video: A video file, or a folder of numbered images.
        start: First frame.
        stop: Frame after the last; 0 for the whole rest.

    Raises:
        ClipRejected: If the video cannot be used, or shows nobody.
    """
    clip = read_clip(
        video, model.plan, model.recipe.mosaics, store=model.store, start=start, stop=stop
    )
    return Prediction(video, clip, model.score([clip])[0], model.recipe.classes)


def _find(run: str | Path, root: Path) -> tuple[Path, Recipe, Path | None]:
    """Folder, recipe and store of a run."""
    known: tuple[str, ...] = ()
    name = str(run)
    if (root / "params.yaml").is_file():
        known = tuple(sorted(load_project(root).runs))
        if name in known:
            return _of_project(root, name)
    folder = Path(run)
    if (folder / RECIPE_NAME).is_file():
        text = read_regular(folder / RECIPE_NAME, MAX_RECIPE).decode("utf-8", "replace")
        where = str(folder / RECIPE_NAME)
        return folder, read_recipe(parse_json(text, where), where), None
    project = folder.resolve().parent.parent
    if folder.is_dir() and (project / "params.yaml").is_file() and NAME.fullmatch(folder.name):
        return _of_project(project, folder.resolve().name)
    runs = f"its runs are: {', '.join(known)}" if known else "name a run of a project with --root"
    raise ParamsError(
        "PREDICT_RUN",
        f"{name!a} is no run of params.yaml and no folder of a run",
        remedy=f"{runs}; or give a folder such as runs/NAME",
    )


def _of_project(root: Path, name: str) -> tuple[Path, Recipe, Path]:
    workspace = Workspace(root.resolve())
    recipe = run_recipe(workspace, load_run(workspace.root, name))
    return workspace.root / "runs" / name, recipe, workspace.store


def _trained_mode(folder: Path, seed: int, modes: Sequence[Mode]) -> Mode | None:
    for mode in modes:
        if checkpoint(folder / f"resnet-{mode}", seed).is_file():
            return mode
    return None
