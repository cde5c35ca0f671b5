"""All that it takes to cut a new video for the networks of a run and to sum their scores.

An exported network carries it, and so does an exported run: neither needs the project.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, model_validator

from stroi.cache.errors import ParamsError, RefusedInput
from stroi.cache.files.atomic import write_atomic
from stroi.cache.manifest import read_manifest
from stroi.cache.mosaics import MosaicCache
from stroi.pipeline.index.table import read_index
from stroi.pipeline.params.cache_params import NOT_CONTENT, OF_THIS_MACHINE, recorded
from stroi.pipeline.params.load import RunParams
from stroi.pipeline.params.profile import MosaicParams, SkeletonParams
from stroi.pipeline.workspace import Workspace
from stroi.stages.evaluation.methods import STREAMS
from stroi.stages.evaluation.result_files import read_table
from stroi.stages.pose.source import IN_ORDER, JSON, PoseSourcePlan, plan_pose_source
from stroi.stages.training.run_split import split_clips
from stroi.trainer.config import Count, Mode, Settings

RECIPE_NAME = "recipe.json"
"""Name of the file in the folder of an exported run."""

_WANTED = {
    JSON: "OpenPose's JSON files of every clip",
    "kinect": "the skeleton files of a Kinect",
    "own": "your own skeleton files",
}


class ClipCounts(Settings):
    """Number of clips of each class."""

    train: dict[str, Count]
    validation: dict[str, Count]
    test: dict[str, Count]


class Fusion(Settings):
    """How the scores of both branches are summed."""

    scores: Literal["logits", "softmax"] = "logits"
    """What is summed: logits or probabilities."""
    alphas: dict[str, tuple[Annotated[float, Field(ge=0.0)], ...]]
    """Weight of the RGB branch, by the stage that trained it; one per seed."""


class Recipe(Settings):
    """From a video to the input of a run's networks, and from their logits to the ensemble's."""

    run: str
    """Name of the run."""
    input: Literal["skeletons", "skeletons3d"]
    """What its graph network sees: estimated skeletons, or 3D skeletons of a sensor."""
    seeds: Annotated[tuple[int, ...], Field(min_length=1)]
    """One network each."""
    classes: Annotated[tuple[str, ...], Field(min_length=1)]
    """Class names, in the order of the logits."""
    clips: ClipCounts
    """Number of clips of each class, by part of the split."""
    skeletons: SkeletonParams
    """Pose source, tracking and choice of people; no paths of a machine."""
    estimator: dict[str, Any]
    """What found the people: name, SHA-256 of the model, its settings, versions of libraries."""
    mosaics: MosaicParams
    """Rows, columns, sampling, sizes of crop and cell, `min_confidence`."""
    fusion: Fusion

    @model_validator(mode="after")
    def _alphas_are_of_the_seeds(self) -> Recipe:
        if any(len(alphas) != len(self.seeds) for alphas in self.fusion.alphas.values()):
            raise ValueError("fusion.alphas: one per seed")
        return self

    def alpha(self, mode: Mode, seed: int) -> float:
        """Weight of the RGB branch that was trained in `mode` with `seed`."""
        return self.fusion.alphas[f"resnet-{mode}"][self.seeds.index(seed)]

    def to_json(self) -> dict[str, Any]:
        """JSON values that `read_recipe` takes; the same for every machine."""
        values = self.model_dump(mode="json", exclude={"mosaics": NOT_CONTENT})
        return values | {"skeletons": recorded(self.skeletons, self.skeletons.source)}


def read_recipe(value: object, where: str) -> Recipe:
    """A recipe of JSON values.

    Raises:
        RefusedInput: ``RECIPE``.
    """
    try:
        return Recipe.model_validate_json(json.dumps(value))
    except ValidationError as error:
        raise _refused(where, error) from error


def write_recipe(folder: Path, recipe: Recipe) -> None:
    """Write a run's recipe into its folder, for use outside of the project."""
    write_atomic(folder / RECIPE_NAME, f"{json.dumps(recipe.to_json(), indent=1)}\n".encode())


def run_recipe(workspace: Workspace, run: RunParams) -> Recipe:
    """The recipe of a run of a project, by the manifests of the caches that it was trained on.

    Raises:
        RefusedInput: If an index or a manifest is missing or damaged; ``RECIPE``.
        ParamsError: If the split's rule does not fit the index.
    """
    dataset, profile = run.run.dataset, run.profile
    skeletons = read_manifest(workspace.skeletons(dataset), "skeletons")
    mosaics = read_manifest(workspace.mosaics(dataset), MosaicCache.KINDS)
    made_by = dict(skeletons.producer)
    params = dict(skeletons.params)
    if params.get("source") == "auto":
        params["source"] = made_by.get("estimator")
    known = MosaicParams.model_fields.keys()
    try:
        recipe = Recipe(
            run=run.name,
            input=run.run.input,
            seeds=profile.seeds,
            classes=read_index(workspace.index(dataset)).classes,
            clips=_clip_counts(workspace, run),
            skeletons=SkeletonParams.model_validate_json(json.dumps(params)),
            estimator={key: made_by[key] for key in made_by if key != "stage_version"},
            mosaics=MosaicParams.model_validate_json(
                json.dumps({key: mosaics.params[key] for key in mosaics.params if key in known})
            ),
            fusion=_fusion(workspace, run),
        )
    except ValidationError as error:
        raise _refused(f"run {run.name}", error) from error
    return recipe.model_copy(update={"skeletons": _with_paths(recipe.skeletons, profile.skeletons)})


def _clip_counts(workspace: Workspace, run: RunParams) -> ClipCounts:
    index = read_index(workspace.index(run.run.dataset))
    label = {sample.id: sample.label for sample in index.samples}
    split = split_clips(index, run, list(label))

    def count(ids: Sequence[str]) -> dict[str, int]:
        found = Counter(label[name] for name in ids)
        return {name: found[name] for name in index.classes}

    return ClipCounts(
        train=count(split.train), validation=count(split.validation), test=count(split.test)
    )


def _fusion(workspace: Workspace, run: RunParams) -> Fusion:
    params, seeds = run.profile.ensemble, run.profile.seeds
    if params.alpha != "validation":
        alphas = {stage: (params.alpha,) * len(seeds) for stage in STREAMS[1:]}
        return Fusion(scores=params.scores, alphas=alphas)
    rows = read_table(workspace.run(run.name, "ensemble")).rows
    chosen = {
        row.method.streams[1]: tuple(row.alphas)
        for row in rows
        if len(row.method.streams) == 2 and row.method.streams[0] == STREAMS[0] and row.alphas
    }
    return Fusion(scores=params.scores, alphas=chosen)


def _with_paths(params: SkeletonParams, of: SkeletonParams) -> SkeletonParams:
    """`params` with the paths of this machine, which no cache records, from the profile."""
    for group, names in OF_THIS_MACHINE.items():
        values = {name: getattr(getattr(of, group), name) for name in names}
        params = params.replace(**{group: getattr(params, group).replace(**values)})
    return params


def pose_plan(recipe: Recipe, model: Path | None = None) -> tuple[PoseSourcePlan, tuple[str, ...]]:
    """How people are found in a new video, as they were in the clips of the run.

    Args:
        recipe: The run's.
        model: The user's own pose network, if it is not where the profile says.

    Returns:
        The plan, and what differs from the recipe without forbidding the use: versions.

    Raises:
        ParamsError: ``PREDICT_SOURCE`` if no estimator made the skeletons; ``PREDICT_ESTIMATOR`` if
            the estimator of this machine has another model or other settings.
        StroiError: If the estimator is not installed.
    """
    params = recipe.skeletons
    if params.source in (JSON, *IN_ORDER):
        raise ParamsError(
            "PREDICT_SOURCE",
            f"run {recipe.run} was trained on {_WANTED[params.source]}"
            f" (skeletons.source: {params.source}): a video alone has none",
            remedy="list the new clips with their skeletons as a data set and run the stages, or"
            " train a run whose skeletons.source is an estimator, such as movenet",
        )
    if model is not None:
        params = params.replace(onnx=params.onnx.replace(model=str(model)))
    plan = plan_pose_source(params, recipe.mosaics, say=lambda _: None)
    differing = [
        key
        for key, value in sorted(plan.producer.items())
        if key in recipe.estimator and recipe.estimator[key] != json.loads(json.dumps(value))
    ]
    versions = {"opencv", "av", "onnxruntime", "numpy", "scipy"}
    for key in differing:
        if key not in versions:
            raise ParamsError(
                "PREDICT_ESTIMATOR",
                f"run {recipe.run} was trained with the {key} {_short(recipe.estimator[key])} of"
                f" the pose estimator; here it is {_short(plan.producer[key])}",
                remedy="install that estimator and its model, or train the run again with this one",
            )
    return plan, tuple(
        f"{key} is {plan.producer[key]}, the run was made with {recipe.estimator[key]}"
        for key in differing
    )


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 40 else f"{text[:12]}..."


def check_usable(recipe: Recipe, mode: Mode) -> None:
    """Refuse a mode whose graph network no video has an input for.

    Raises:
        ParamsError: ``PREDICT_SENSOR``.
    """
    if recipe.input == "skeletons3d" and mode != "plain":
        raise ParamsError(
            "PREDICT_SENSOR",
            f"the graph network of run {recipe.run} sees 3D skeletons of a sensor (input:"
            " skeletons3d): a video has none",
            remedy="use --mode plain, the ResNet without weights, or train a run with input:"
            " skeletons",
        )


def _refused(where: str, error: ValidationError) -> RefusedInput:
    first = error.errors()[0]
    place = ".".join(map(str, first["loc"]))
    return RefusedInput(
        "RECIPE",
        f"{where}: its recipe: {place}: {first['msg']}",
        remedy="export it again, or rebuild the caches with `dvc repro`",
    )
